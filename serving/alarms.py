"""Deadlines by the thousand: one timer of the event loop for all that fall into the same few milliseconds.

A timer for each request costs more than the rest of its bookkeeping. `serving.admission` sets an alarm per ticket here;
an alarm rings a few milliseconds after its moment, at most `GRAIN_S` and the loop's own grain, and never before it.
"""

import asyncio
import math
from typing import Generic, Protocol, TypeVar

from serving.clock import Clock

GRAIN_S = 0.004


class Rings(Protocol):
    #: Which slot it stands in; kept here so that taking it out needs no search.
    alarm_slot: int

    def ring(self) -> None:
        """Its moment has passed."""
        ...


S = TypeVar("S", bound=Rings)


class Alarms(Generic[S]):
    """Lives on the event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slots: dict[int, dict[S, None]] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}

    def set(self, sleeper: S, at: float) -> None:
        """`at` is a moment of the clock's monotonic scale."""
        slot = sleeper.alarm_slot = math.ceil(at / GRAIN_S)
        found = self._slots.get(slot)
        if found is None:
            found = self._slots[slot] = {}
            # uvloop rounds a timer to whole milliseconds, down as well as up; an alarm must not come early.
            wait_s = max(0.0, slot * GRAIN_S - self._clock.monotonic()) + 0.001
            self._timers[slot] = asyncio.get_running_loop().call_later(wait_s, self._ring, slot)
        found[sleeper] = None

    def unset(self, sleeper: S) -> None:
        """It will not ring. Nothing happens when it has."""
        found = self._slots.get(sleeper.alarm_slot)
        if found is None:
            return
        found.pop(sleeper, None)
        if not found:
            del self._slots[sleeper.alarm_slot]
            self._timers.pop(sleeper.alarm_slot).cancel()

    def _ring(self, slot: int) -> None:
        del self._timers[slot]
        for sleeper in self._slots.pop(slot):
            sleeper.ring()
