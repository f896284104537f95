"""A clock that stands still until a test turns it."""

import asyncio
from datetime import UTC, datetime, timedelta

from typing_extensions import override

from serving.clock import Clock


class ManualClock(Clock):
    def __init__(self) -> None:
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    @override
    def monotonic(self) -> float:
        return self._elapsed

    @override
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._elapsed)

    @override
    async def sleep(self, seconds: float) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._elapsed + seconds, waiter))
        await waiter

    def turn(self, seconds: float) -> None:
        """Moves time on and wakes whose moment has come."""
        self._elapsed += seconds
        due = [each for each in self._sleepers if each[0] <= self._elapsed]
        self._sleepers = [each for each in self._sleepers if each[0] > self._elapsed]
        for _, waiter in due:
            if not waiter.done():
                waiter.set_result(None)
