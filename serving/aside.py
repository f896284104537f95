"""Blocking work beside the event loop that nobody has to wait for at the end: a crew that a coroutine may ask.

What still runs is given a moment by `rest`, and ends with the process. Called by what asks a store or a broker on its
own account, and not for a caller: promotion, the start of claims.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar, TypeVarTuple, Unpack

from serving.crew import Crew

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")
#: Who asks on its own account asks for one or two things at once; the others are there should one of them hang.
_AT_ONCE = 4


class Aside:
    """Lives on the event loop."""

    def __init__(self, name: str) -> None:
        self._crew = Crew(_AT_ONCE, name)
        self._running: set[Future[Any]] = set()

    async def run(self, work: Callable[[Unpack[_Arguments]], _Result], *arguments: *_Arguments) -> _Result:
        """What `work` returns or raises. A caller that gives up leaves it running."""
        future = self._crew.submit(work, *arguments)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return await asyncio.wrap_future(future)

    async def rest(self, wait_s: float) -> bool:
        """Waits until nothing runs any more, but no longer than `wait_s`; whether that is so."""
        return not self._running or not (await asyncio.to_thread(wait, tuple(self._running), wait_s)).not_done
