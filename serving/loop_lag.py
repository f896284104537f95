"""Measures whether the event loop is free: how much later than asked a short sleep ends.

A loop that is held inside a model answers no probe; this is the number that shows it before the probe does.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from serving import events
from serving.clock import Clock


@dataclass(frozen=True, slots=True)
class LagStatistics:
    """Milliseconds since the start."""

    last_ms: float
    max_ms: float
    avg_ms: float


class LoopLag:
    def __init__(self, clock: Clock, every_s: float = 0.1, report_above_s: float = 0.5) -> None:
        self._clock, self._every, self._report_above = clock, every_s, report_above_s
        #: Told of each measurement, in seconds.
        self.on_lag: Callable[[float], None] | None = None
        self._last = self._max = self._sum = 0.0
        self._count = 0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "LoopLag":
        self._task = asyncio.create_task(self._measure(), name="loop-lag")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def statistics(self) -> LagStatistics:
        mean = self._sum / self._count if self._count else 0.0
        return LagStatistics(self._last * 1000, self._max * 1000, mean * 1000)

    async def _measure(self) -> None:
        while True:
            asked = self._clock.monotonic()
            await self._clock.sleep(self._every)
            self._last = max(0.0, self._clock.monotonic() - asked - self._every)
            self._max = max(self._max, self._last)
            self._sum += self._last
            self._count += 1
            if self.on_lag is not None:
                self.on_lag(self._last)
            if self._last >= self._report_above:
                events.event_loop_blocked(lag_ms=round(self._last * 1000, 1))
