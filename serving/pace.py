"""How fast a lane moves, and how long it may get while more comes than can be done.

`serving.admission` asks; nothing here knows of tickets.
"""

import math
import random

from serving.clock import Clock


def jittered(seconds: int) -> int:
    """A whole number of seconds, the given one or up to half as many more, at least two.

    A thousand callers told the same second would all come back in it.
    """
    return seconds + random.randint(0, max(2, seconds // 2))


class Pace:
    """The mean time between two settlements while work was waiting, as a moving average over about 20 of them."""

    #: Tickets of one batch settle within this time of each other and count as one event with many settlements.
    _TOGETHER_S = 0.001
    #: How long a measurement is good for refusing on, at least; one of a batch that took longer, for three of these.
    _LATELY_S = 1.0
    _GAPS = 3

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: float | None = None
        self._together = 0
        self.interval_s: float | None = None  #: None until it is known
        #: Between the last two events: what a batch takes.
        self.batch_s = 0.0
        self._good_until = -math.inf

    def tick(self, busy: bool) -> None:
        now = self._clock.monotonic()
        if self._since is not None and now - self._since >= self._TOGETHER_S:
            self.batch_s = now - self._since
            gap = self.batch_s / self._together
            weight = 0.95**self._together
            self.interval_s = gap if self.interval_s is None else weight * self.interval_s + (1 - weight) * gap
            self._good_until = now + max(self._LATELY_S, self._GAPS * self.batch_s)
            self._since = None
        # With nothing waiting, the time to the next settlement says when work comes, not how fast it is done.
        if not busy:
            self._since = None
        elif self._since is None:
            self._since, self._together = now, 1
        else:
            self._together += 1

    def interrupt(self) -> None:
        """What comes now says nothing about speed: a worker died."""
        self._since = None

    def recent_s(self) -> float | None:
        """The interval, if it was measured lately: an old one may tell of a worker that was away, or of another model,
        and whoever is refused for it never waits and so never corrects it."""
        return self.interval_s if self._clock.monotonic() < self._good_until else None


class Shedding:
    """A bound that follows the pace, once the lane has shown that it needs one.

    A full lane of 512 is a tenth of a second of waiting at five thousand a second, and minutes at five: a number of
    places says nothing about time. So a lane that had to refuse for want of room stays shorter, as long as the wait at
    its end would exceed `wait_s`, until it has been less than half as long for `calm_s`. Those who come in turn and
    never fill it see its whole capacity. (Little's law; Netflix's concurrency limits and CoDel bound time likewise.)

    Slow work never fills it: callers are refused before, whose turn would come after their deadline. A lane that only
    did that would be as long as its callers are patient, and each answer just in time or just too late. So `in_a_row`
    such refusals press it as well; one caller in a hurry among others that are not is refused alone.
    """

    def __init__(
        self, clock: Clock, wait_s: float = 0.020, at_least: int = 48, calm_s: float = 1.0, in_a_row: int = 16
    ) -> None:
        self._clock = clock
        self._wait_s, self._at_least, self._calm_s, self._in_a_row = wait_s, at_least, calm_s, in_a_row
        self._too_late = 0
        self._pressed_at: float | None = None

    @property
    def active(self) -> bool:
        return self._pressed_at is not None

    def admitted(self) -> None:
        """Somebody came in time."""
        self._too_late = 0

    def too_late(self) -> None:
        """Somebody's turn would have come too late."""
        self._too_late += 1
        if self._too_late >= self._in_a_row:
            self._pressed_at = self._clock.monotonic()

    def limit(self, depth: int, capacity: int, interval_s: float | None) -> int:
        """Places a lane of `depth` offers now; `interval_s` is its pace."""
        if self._pressed_at is None:
            if depth < capacity:
                return capacity
            self._pressed_at = self._clock.monotonic()
        if interval_s is None or interval_s <= 0.0:
            return capacity
        limit = min(capacity, max(self._at_least, int(self._wait_s / interval_s)))
        if depth * 2 >= limit:
            self._pressed_at = self._clock.monotonic()
        elif self._clock.monotonic() - self._pressed_at > self._calm_s:
            self._pressed_at = None
            return capacity
        return limit
