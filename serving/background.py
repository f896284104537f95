"""Tasks that nobody awaits while they run: whoever starts one hears of its end only when it stops waiting for it.

A task that dies of an error nobody thought of would end in silence, and with it what it kept going. Here the log
says so.
"""

import asyncio
from collections.abc import Coroutine

from serving import events
from serving.logging import where


def in_background(work: Coroutine[object, object, None], name: str) -> "asyncio.Task[None]":
    """Starts `work` and returns its task, for the caller to cancel and to gather.

    An error that ends it becomes one line, `unexpected_error`; it is raised to whoever awaits the task all the same.
    """
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_tell)
    return task


def _tell(task: "asyncio.Task[None]") -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        events.unexpected_error(error_type=type(error).__name__, at=f"{task.get_name()}: {where(error)}")
