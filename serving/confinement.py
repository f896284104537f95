"""Confinement: one thread, one blocking object, awaitable calls.

For objects that block and must not be shared: an SQLite connection, a client that is not thread-safe. The object is
made, used and closed on its own thread, so no other code can reach it, and the event loop never waits inside it.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Confined(Generic[T]):
    """Calls run one at a time, in the order in which they were made."""

    def __init__(self, thread: ThreadPoolExecutor, owned: T, close: Callable[[T], None] | None) -> None:
        self._thread = thread
        self._owned = owned
        self._close = close

    @classmethod
    async def open(cls, factory: Callable[[], T], name: str, close: Callable[[T], None] | None = None) -> Self:
        """Starts the thread and makes the object on it. What `factory` raises is raised here, the thread gone."""
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        try:
            owned = await asyncio.get_running_loop().run_in_executor(thread, factory)
        except BaseException:  # a cancelled opening too: nobody else would ever end the thread
            thread.shutdown(wait=False)
            raise
        return cls(thread, owned, close)

    async def call(self, work: Callable[[T], R]) -> R:
        """Runs `work` on the thread. A caller that gives up leaves it running: blocking calls can not be interrupted.

        Raises:
            RuntimeError: The object was closed.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(self._owned))

    async def aclose(self) -> None:
        """Lets the calls already made finish, closes the object on its thread and ends the thread. Idempotent."""
        close, self._close = self._close, None
        if close is not None:
            await self.call(close)
        self._thread.shutdown(wait=False)
