"""Blocking work beside the event loop that nobody has to wait for at the end.

Not the loop's own threads: those are joined when the process ends, and a store that hangs would then hold a shutdown
for as long as its client keeps trying. What runs here still is given a moment by `rest`, and ends with the process.
Called by what asks a store or a broker on its own account, and not for a caller: promotion, the start of claims.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, TypeVarTuple, Unpack

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")


class Aside:
    """Lives on the event loop."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._running: set[asyncio.Future[None]] = set()

    async def run(self, work: Callable[[Unpack[_Arguments]], _Result], *arguments: *_Arguments) -> _Result:
        """What `work` returns or raises. A caller that gives up leaves it running."""
        loop, outcome = asyncio.get_running_loop(), asyncio.Future[_Result]()
        ended = loop.create_future()
        self._running.add(ended)
        ended.add_done_callback(self._running.discard)

        def settle(result: _Result | None, error: BaseException | None) -> None:
            ended.set_result(None)
            if outcome.done():
                return  # nobody waits any more
            if error is not None:
                outcome.set_exception(error)
            else:
                outcome.set_result(result)  # type: ignore[arg-type]  # there is one where there is no error

        def act() -> None:
            result, error = None, None
            try:
                result = work(*arguments)
            except BaseException as raised:  # the caller's to judge, on its own thread
                error = raised
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, result, error)

        threading.Thread(target=act, name=self._name, daemon=True).start()
        return await outcome

    async def rest(self, wait_s: float) -> bool:
        """Waits until nothing runs any more, but no longer than `wait_s`; whether that is so."""
        if self._running:
            await asyncio.wait(tuple(self._running), timeout=wait_s)
        return not self._running
