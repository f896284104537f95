"""Time, handed in. Durations come from the monotonic clock, dates from the wall clock; tests turn a ManualClock."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

from typing_extensions import override


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds on a clock that never goes back. Only differences mean anything."""
        ...

    def now(self) -> datetime:
        """The moment, in UTC and aware of it."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock(Clock):
    @override
    def monotonic(self) -> float:
        return time.monotonic()

    @override
    def now(self) -> datetime:
        return datetime.now(UTC)

    @override
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
