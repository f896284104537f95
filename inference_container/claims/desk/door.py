"""The door before a stage of claims' work: so many at once, one alone where it must, none while what is behind is down.

`desk` has one before the store, one before the workers and one before the recorder. A door is three things in one line,
so that nobody who passed one of them waits at the next: a bound, an exclusion (one guest with the room to itself, in
its turn), and a breaker. When what lies behind is down the door shuts for all. After a pause one guest is let in as a
probe, the first in line; an answer opens for all, another failure shuts it for longer. A door needs no guest to open
again: with nobody in line when the pause is over it stands ajar, and whoever comes next is the probe.

Who waits before a shut door still notices its deadline, and may be cancelled at any time. Lives on the event loop.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from inference_container import events_claims as events
from inference_container.claims.dead_letters import why
from inference_container.claims.deadlines import ClaimDeadline
from inference_container.claims.retries import RetryPolicy
from inference_container.metrics_claims import ClaimMetrics
from serving.clock import Clock
from serving.errors import DeadlineExceeded

#: How often a shut door looks for deadlines that have passed in its line.
LOOK_S = 0.1


class Guest(Protocol):
    @property
    def deadline(self) -> ClaimDeadline | None: ...

    def held(self) -> None:
        """Told that it waits before a shut door; perhaps more than once."""


class _State(Enum):
    OPEN = auto()
    SHUT = auto()
    AJAR = auto()  #: for one at a time, until an answer is heard


@dataclass(slots=True, eq=False)
class Pass:
    """A place inside, or in line. Given back once, with `leave`, `answered` or `failed`."""

    guest: Guest
    alone: bool
    #: Of which opening of the door it is: what it learns says nothing about another.
    era: int = 0
    probe: bool = False
    inside: bool = False
    called: "asyncio.Future[None] | None" = field(default=None)


class Door:
    def __init__(
        self,
        retries: RetryPolicy,
        metrics: ClaimMetrics,
        clock: Clock,
        chance: Callable[[], float],
        most: Callable[[], int] | None = None,
    ) -> None:
        """`most`: guests inside at once, asked when one wants to enter; None for any number."""
        self._retries, self._metrics, self._clock, self._chance, self._most = retries, metrics, clock, chance, most
        self._state = _State.OPEN
        #: Why it is shut; may be read from any thread. None while it stands ajar and nobody waits.
        self.why: str | None = None
        #: Answers heard so far: whether others get through.
        self.answers = 0
        # A dict keeps the order and lets a guest leave from the middle without a search.
        self._line: dict[Pass, None] = {}
        self._inside = 0
        self._alone = self._probing = False
        self._era = self._holds = 0
        self._pause_ends = self._shut_at = 0.0
        self._watch: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        return len(self._line)

    @property
    def inside(self) -> int:
        return self._inside

    async def enter(self, guest: Guest, alone: bool = False) -> Pass:
        """A place inside, in turn. `alone`: with nobody else inside.

        Raises:
            DeadlineExceeded: The guest's deadline passed before a shut door.
        """
        place = Pass(guest, alone)
        if not self._line and self._may_enter(place):
            self._let_in(place)
            return place
        place.called = asyncio.get_running_loop().create_future()
        self._line[place] = None
        if self.why is not None:
            guest.held()
        self._keep_watch()
        try:
            await place.called
        except BaseException:  # cancelled, or late: the next in line must not wait for one that is gone
            if place.inside:
                self.leave(place)
            else:
                self._line.pop(place, None)
                self._admit()
            raise
        return place

    def leave(self, place: Pass) -> None:
        """With nothing learnt of what is behind the door."""
        self._inside -= 1
        self._alone &= not place.alone
        if place.probe:
            self._probing = False
        self._admit()

    def answered(self, place: Pass) -> None:
        """Leaves: what is behind the door works, whatever it said."""
        self.answers += 1
        if place.probe:
            self._open()
        self.leave(place)

    def failed(self, place: Pass, error: BaseException) -> None:
        """Leaves: what is behind the door is down, which is no guest's fault."""
        # Who began before it shut has nothing to tell about now: neither a longer pause nor a second one.
        if place.probe or (self._state is _State.OPEN and place.era == self._era):
            self._shut(error)
        self.leave(place)

    def close(self) -> None:
        """No guest is left."""
        if self._watch is not None:
            self._watch.cancel()

    def _may_enter(self, place: Pass) -> bool:
        if self._alone or (place.alone and self._inside):
            return False
        if self._state is _State.OPEN:
            return self._most is None or self._inside < self._most()
        return self._state is _State.AJAR and not self._probing

    def _let_in(self, place: Pass) -> None:
        place.inside, place.era, place.probe = True, self._era, self._state is _State.AJAR
        self._inside += 1
        self._alone |= place.alone
        self._probing |= place.probe
        if place.called is not None and not place.called.done():
            place.called.set_result(None)

    def _admit(self) -> None:
        while self._line and self._may_enter(first := next(iter(self._line))):
            del self._line[first]
            self._let_in(first)

    def _shut(self, error: BaseException) -> None:
        told = why(error)
        self._state = _State.SHUT
        self._era += 1
        self._holds += 1
        now = self._clock.monotonic()
        self._pause_ends = now + self._retries.pause_s(self._holds, self._chance())
        if self.why is None:
            self._shut_at = now
            self._metrics.holds.labels(told.reason).inc()
            events.claims_held(code=told.reason, reason=told.error)
        self.why = f"{told.reason}: {told.error}"
        for place in self._line:
            place.guest.held()
        self._keep_watch()

    def _open(self) -> None:
        self._state = _State.OPEN
        self._holds = 0
        self._release()

    def _release(self) -> None:
        if self.why is not None:
            self.why = None
            events.claims_released(held_s=round(self._clock.monotonic() - self._shut_at, 3))

    def _keep_watch(self) -> None:
        if self._state is not _State.OPEN and (self._watch is None or self._watch.done()):
            self._watch = asyncio.get_running_loop().create_task(self._look_after_it(), name="claims-door")

    async def _look_after_it(self) -> None:
        """While it is not open: ends the pause, and tells those in line whose deadline has passed."""
        while self._state is not _State.OPEN:
            left = self._pause_ends - self._clock.monotonic() if self._state is _State.SHUT else LOOK_S
            await self._clock.sleep(max(0.0, min(left, LOOK_S)))
            for place in [each for each in self._line if _late(each, self._clock)]:
                del self._line[place]
                if place.called is not None and not place.called.done():
                    place.called.set_exception(DeadlineExceeded())
            if self._state is _State.SHUT and self._clock.monotonic() >= self._pause_ends:
                self._state = _State.AJAR
            self._admit()
            if self._state is _State.AJAR and not self._probing and not self._line:
                self._release()
                return


def _late(place: Pass, clock: Clock) -> bool:
    return place.guest.deadline is not None and place.guest.deadline.expired(clock)
