"""A message on its way over the desk, and what has happened to it so far. Made by `desk`, walked by `way`."""

import asyncio
from contextlib import suppress

from typing_extensions import override

from inference_container.claims.deadlines import ClaimDeadline
from inference_container.claims.desk.door import Guest
from inference_container.claims.ports import Held, Innocent, Item, Refused, Tell, Work


class Walker(Guest):
    def __init__(self, item: Item, tell: Tell, begun_at: float) -> None:
        self.item, self.begun_at = item, begun_at
        self.attempts = item.attempts
        #: Whether it has to be forecast with no other claim beside it: it may have killed a worker.
        self.alone = False
        #: Whether it only has to be recorded as what it has become.
        self.over = isinstance(item, Refused)
        self._tell, self._told_held = tell, False
        self._suspect = isinstance(item, Work) and item.suspect

    @property
    @override
    def deadline(self) -> ClaimDeadline | None:
        return self.item.deadline if isinstance(self.item, Work) and not self.over else None

    @override
    def held(self) -> None:
        # A refused one was never begun: there is no try to take back.
        if not self._told_held and isinstance(self.item, Work):
            self._told_held = True
            self._tell(Held(self.item.delivery))

    async def innocent(self) -> None:
        """Nobody died of it. Returns when that is known beyond this process, where it matters."""
        if not self._suspect:
            return
        loop, known = asyncio.get_running_loop(), asyncio.Event()

        def told() -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(known.set)

        self._tell(Innocent(self.item.delivery, told))
        await known.wait()
        self._suspect = False

    def tried(self) -> None:
        """It is let in again: if it is held once more, that is told once more."""
        self._told_held = False
