"""Epochs as a person watches them: a bar on a terminal, a line each where the output is kept.

`commands.training` enters `epochs_shown` around a run and hands what it yields to the pipeline.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from inference_container.training.fit import Progress


@contextmanager
def epochs_shown(most: int, output: TextIO | None = None) -> Iterator[Callable[[Progress], None]]:
    """What to call after each of at most `most` epochs; nothing is shown before the first.

    Args:
        output: where to; None is stdout. Whether it is a terminal decides between bar and lines.
    """
    stream = output or sys.stdout
    if not stream.isatty():
        yield lambda progress: _write_line(stream, progress)
        return
    # rich takes a tenth of a second to import: not for `--help`, not for a log file.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("epoch"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=Console(file=stream),
    )
    task = bar.add_task("", total=most)
    best = 0

    def advance(progress: Progress) -> None:
        nonlocal best
        best = progress.epoch if progress.best else best
        # A closed-form fit has no epochs and shows no empty bar.
        bar.start()
        bar.update(task, completed=progress.epoch, description=f"{_losses(progress)}, best so far {best}")

    try:
        yield advance
    finally:
        bar.stop()


def _losses(progress: Progress) -> str:
    return f"train {progress.train_loss:.4f} validation {progress.validation_loss:.4f}"


def _write_line(stream: TextIO, progress: Progress) -> None:
    mark = " *" if progress.best else ""
    stream.write(f"epoch {progress.epoch}: {_losses(progress)}{mark}\n")
    # A pipe is read while the training runs, for minutes.
    stream.flush()
