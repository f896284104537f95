"""Work that ends when its caller hangs up.

A server notices a hang-up by itself only while it sends. A plain JSON answer sends nothing for minutes, so the wait for
it watches the connection too: what nobody will read must not keep a model busy.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import Request

T = TypeVar("T")


class ClientDisconnected(Exception):
    """The caller is gone; there is nobody to answer."""


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """The result of `work`, or its cancellation when the connection closes first. The body must have been read.

    Raises:
        ClientDisconnected: The caller hung up; `work` was cancelled and has ended.
    """
    running = asyncio.ensure_future(work)
    watching = asyncio.create_task(_hang_up(request))
    try:
        await asyncio.wait({running, watching}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            return running.result()
        raise ClientDisconnected
    finally:
        for task in (running, watching):
            task.cancel()
        await asyncio.gather(running, watching, return_exceptions=True)
        # What was raised holds this frame. Should the frame hold the task that raised it, all that a caller sent would
        # wait for a garbage collection that seldom comes.
        del running, watching, task


async def _hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
