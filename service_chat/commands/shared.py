"""What the commands have in common: the settings they read, and how an error is told."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from service_chat.settings import ChatSettings
from serving.errors import SluiceError
from serving.settings import SettingsError


@contextmanager
def plain_errors() -> Iterator[None]:
    """What a person can put right is one sentence on stderr and status 2; a traceback is for our own mistakes."""
    try:
        yield
    except SluiceError as error:
        typer.echo(f"{error.code}: {error.message}", err=True)
        raise typer.Exit(2) from error
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    except OSError as error:
        typer.echo(f"{error.filename or ''}: {error.strerror or error}", err=True)
        raise typer.Exit(2) from error


def settings_from_environment() -> ChatSettings:
    """As the service would read them.

    Raises:
        SettingsError: The service would not start with them.
    """
    return ChatSettings.from_environment()
