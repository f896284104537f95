"""What the commands have in common: how an error is told, and how a call is written down."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from serving.errors import SluiceError


@contextmanager
def plain_errors() -> Iterator[None]:
    """What a person can put right is one sentence on stderr and status 2; a traceback is for our own mistakes."""
    try:
        yield
    except SluiceError as error:
        typer.echo(f"{error.code}: {error.message}", err=True)
        raise typer.Exit(2) from error
    except OSError as error:
        typer.echo(f"{error.filename or ''}: {error.strerror or error}", err=True)
        raise typer.Exit(2) from error


def command_line() -> str:
    """As a person would type it again."""
    return shlex.join(["python", "-m", "inference_container", *sys.argv[1:]])
