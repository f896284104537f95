"""The moment after which nobody waits. Made once at the door, passed down, asked with `remaining()`.

A duration would start again in every room that it enters; a moment can not.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Self, TypeVar

from serving.clock import Clock
from serving.errors import DeadlineExceeded

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Deadline:
    #: On the clock's monotonic scale, seconds.
    at: float
    clock: Clock

    @classmethod
    def after(cls, seconds: float, clock: Clock) -> Self:
        return cls(clock.monotonic() + seconds, clock)

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - self.clock.monotonic())

    @property
    def expired(self) -> bool:
        return self.clock.monotonic() >= self.at

    def tightened(self, seconds: float) -> "Deadline":
        """The same promise, or a nearer one `seconds` from now. A deadline is never moved away."""
        return Deadline(min(self.at, self.clock.monotonic() + seconds), self.clock)

    def check(self) -> None:
        """Raises DeadlineExceeded once the moment has passed."""
        if self.expired:
            raise DeadlineExceeded()

    async def bound(self, work: Awaitable[T]) -> T:
        """Waits for `work` no longer than is left, then cancels it.

        Raises:
            DeadlineExceeded: The moment came first.
        """
        try:
            async with asyncio.timeout(self.remaining()) as scope:
                return await work
        except TimeoutError:
            if not scope.expired():
                raise  # a timeout of the work's own, not ours
            raise DeadlineExceeded() from None
