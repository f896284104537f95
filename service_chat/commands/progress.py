"""Files as a person watches them being read: a bar on a terminal, a line each where the output is kept."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO


class Tell(Protocol):
    """What to call when a file is done."""

    def __call__(self, name: str, what: str, problem: bool = False) -> None: ...


@contextmanager
def files_shown(count: int, output: TextIO | None = None) -> Iterator[Tell]:
    """Yields what to call after each of `count` files.

    Args:
        output: where to; None is stdout, and stderr for problems. Whether it is a terminal decides between bar and
            lines.
    """
    stream = output or sys.stdout

    def line(name: str, what: str, problem: bool = False) -> None:
        stream_of = sys.stderr if problem and output is None else stream
        stream_of.write(f"{name}: {what}\n")
        stream_of.flush()

    if not stream.isatty():
        yield line
        return
    # rich takes a tenth of a second to import: not for a log file.
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("records"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=stream)) as bar:
        task = bar.add_task("", total=count)

        def advance(name: str, what: str, problem: bool = False) -> None:
            bar.console.print(f"{'[red]' if problem else ''}{escape(name)}: {escape(what)}", highlight=False)
            bar.advance(task)

        yield advance
