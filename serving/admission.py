"""Admission: deciding at the door whether work may wait. A bounded lane hands out tickets, or says QueueFull at once.

`try_admit` is the door's verb, `admit` a consumer's that may pause; `take` belongs to `serving.dispatch`. The lane
never holds more waiting tickets than its capacity, and every ticket settles exactly once, with a value or an error. A
ticket whose caller went away leaves the lane at that moment and frees its place.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, TypeVar

from serving.clock import Clock
from serving.deadline import Deadline
from serving.errors import CallerGone, DeadlineExceeded, Draining, InvalidInput, QueueFull, SluiceError

I = TypeVar("I")  # noqa: E741 - the item of a ticket; no digit can be meant in a type
R = TypeVar("R")


class _Stage(Enum):
    WAITING = auto()
    RUNNING = auto()
    SETTLED = auto()


class Ticket(Generic[I, R]):
    """A place in a lane, and later the answer."""

    def __init__(self, item: I, deadline: Deadline, lane: "BoundedQueue[I, R]", admitted_at: float) -> None:
        self.item = item
        self.deadline = deadline
        self.admitted_at = admitted_at
        self.waited_s = 0.0
        self._lane = lane
        self._stage = _Stage.WAITING
        loop = asyncio.get_running_loop()
        self._outcome: asyncio.Future[R] = loop.create_future()
        # The lane keeps the promise itself: a ticket ends by its deadline whether or not anybody looks.
        self._alarm = loop.call_later(deadline.remaining(), lambda: self.fail(DeadlineExceeded()))

    @property
    def settled(self) -> bool:
        return self._stage is _Stage.SETTLED

    async def result(self) -> R:
        """Waits for the outcome. A caller that is cancelled gives its place up.

        Raises:
            DeadlineExceeded: Nobody settled it in time.
            SluiceError: What the work failed with.
        """
        try:
            return await asyncio.shield(self._outcome)
        except asyncio.CancelledError:
            self.fail(CallerGone())
            raise

    def settle(self, value: R) -> bool:
        """False when the ticket was settled before; the value is then dropped."""
        return self._lane._close(self, lambda: self._outcome.set_result(value))

    def fail(self, error: SluiceError) -> bool:
        """False when the ticket was settled before."""

        def refuse() -> None:
            self._outcome.set_exception(error)
            self._outcome.exception()  # seen: a caller that went away must not leave a warning behind

        return self._lane._close(self, refuse)

    def when_settled(self, call: Callable[[], None]) -> None:
        self._outcome.add_done_callback(lambda _: call())


@dataclass(frozen=True, slots=True)
class LaneStatistics:
    """How full a lane is, and what became of its tickets since the start."""

    capacity: int
    depth: int  #: tickets waiting
    running: int
    admitted: int
    rejected: int
    completed: int
    invalid: int  #: the caller's mistake
    failed: int  #: ours
    expired: int
    abandoned: int  #: the caller hung up
    oldest_wait_s: float
    last_wait_s: float
    total_wait_s: float
    max_wait_s: float


class BoundedQueue(Generic[I, R]):
    """One lane. Lives on the event loop; no method but `admit`, `take` and `drained` ever waits."""

    def __init__(self, capacity: int, clock: Clock) -> None:
        if capacity < 1:
            raise ValueError("a lane holds at least one ticket")
        self.capacity = capacity
        self._clock = clock
        # A dict keeps the order of admission and lets a ticket leave from the middle without a search.
        self._waiting: dict[Ticket[I, R], None] = {}
        self._running: set[Ticket[I, R]] = set()
        self._open = True
        self._arrived = asyncio.Event()
        self._freed = asyncio.Event()
        self._pace = _Pace(clock)
        self._admitted = self._rejected = self._completed = 0
        self._invalid = self._failed = self._expired = self._abandoned = 0
        self._last_wait = self._total_wait = self._max_wait = 0.0

    @property
    def depth(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        return len(self._waiting) >= self.capacity

    def try_admit(self, item: I, deadline: Deadline) -> Ticket[I, R]:
        """A ticket now.

        Raises:
            QueueFull: The lane is full; `retry_after_s` is when a place is expected at the present pace.
            Draining: The lane takes no more.
        """
        self.check_room()
        self._admitted += 1
        ticket = Ticket(item, deadline, self, self._clock.monotonic())
        self._waiting[ticket] = None
        self._arrived.set()
        return ticket

    def check_room(self) -> None:
        """Raises what `try_admit` would raise, and counts the refusal: for a door that has not read the body yet."""
        if not self._open:
            raise Draining(retry_after_s=1)
        if self.full:
            self._rejected += 1
            raise QueueFull(retry_after_s=self.retry_after_s(), qsize=self.depth)

    async def admit(self, item: I, deadline: Deadline) -> Ticket[I, R]:
        """A ticket as soon as there is a place.

        Raises:
            DeadlineExceeded: There was none in time.
            Draining: The lane takes no more.
        """
        while self.full and self._open:
            self._freed.clear()
            await deadline.bound(self._freed.wait())
        return self.try_admit(item, deadline)

    async def take(self, at_most: int = 1) -> list[Ticket[I, R]]:
        """Waits for work, then gives what waits, oldest first, at most `at_most`. It counts as running from here."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        now = self._clock.monotonic()
        taken: list[Ticket[I, R]] = []
        while self._waiting and len(taken) < at_most:
            ticket = next(iter(self._waiting))
            del self._waiting[ticket]
            ticket._stage = _Stage.RUNNING
            self._running.add(ticket)
            ticket.waited_s = self._last_wait = now - ticket.admitted_at
            self._total_wait += ticket.waited_s
            self._max_wait = max(self._max_wait, ticket.waited_s)
            taken.append(ticket)
        self._freed.set()
        return taken

    def position(self, ticket: Ticket[I, R]) -> int | None:
        """How many tickets stand before this one; None once it runs."""
        return next((place for place, other in enumerate(self._waiting) if other is ticket), None)

    def retry_after_s(self) -> int:
        """Whole seconds until a place is expected, at least 1 (RFC 9110 §10.2.3 allows integers only)."""
        interval = self._pace.interval_s
        if interval is None:  # nothing was settled yet: the work takes at least as long as it has taken so far
            longest = max((self._clock.monotonic() - t.admitted_at - t.waited_s for t in self._running), default=0.0)
            interval = longest / max(1, len(self._running))
        # Whatever the pace, the lane is empty when the deadline of its last ticket has passed.
        last = max((ticket.deadline.remaining() for ticket in self._waiting), default=0.0)
        return max(1, math.ceil(min(self.depth * interval, last)))

    def close(self) -> None:
        """No more tickets. Those admitted go on."""
        self._open = False
        self._freed.set()

    async def drained(self) -> None:
        """Waits until no ticket is left, waiting or running."""
        while self._waiting or self._running:
            self._freed.clear()
            await self._freed.wait()

    def abandon(self, error: SluiceError) -> int:
        """Settles all that is left with `error`; how many that were. For the end of the grace."""
        left = [*self._waiting, *self._running]
        return sum(ticket.fail(error) for ticket in left)

    def statistics(self) -> LaneStatistics:
        oldest = next(iter(self._waiting), None)
        return LaneStatistics(
            capacity=self.capacity,
            depth=self.depth,
            running=len(self._running),
            admitted=self._admitted,
            rejected=self._rejected,
            completed=self._completed,
            invalid=self._invalid,
            failed=self._failed,
            expired=self._expired,
            abandoned=self._abandoned,
            oldest_wait_s=self._clock.monotonic() - oldest.admitted_at if oldest is not None else 0.0,
            last_wait_s=self._last_wait,
            total_wait_s=self._total_wait,
            max_wait_s=self._max_wait,
        )

    def _close(self, ticket: Ticket[I, R], publish: Callable[[], None]) -> bool:
        """The one place where a ticket settles."""
        if ticket._stage is _Stage.SETTLED:
            return False
        self._waiting.pop(ticket, None)
        self._running.discard(ticket)
        if ticket._stage is _Stage.RUNNING:
            self._pace.tick(busy=bool(self._waiting))
        ticket._stage = _Stage.SETTLED
        ticket._alarm.cancel()
        publish()
        match ticket._outcome.exception():
            case None:
                self._completed += 1
            case CallerGone():
                self._abandoned += 1
            case DeadlineExceeded():
                self._expired += 1
            case InvalidInput():
                self._invalid += 1
            case _:
                self._failed += 1
        self._freed.set()
        return True


class _Pace:
    """The mean time between two settlements while work was waiting, as a moving average over about 20 of them."""

    #: Tickets of one batch settle within this time of each other and count as one event with many settlements.
    _TOGETHER_S = 0.001

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: float | None = None
        self._together = 0
        self.interval_s: float | None = None  #: None until it is known

    def tick(self, busy: bool) -> None:
        now = self._clock.monotonic()
        if self._since is not None and now - self._since >= self._TOGETHER_S:
            gap = (now - self._since) / self._together
            weight = 0.95**self._together
            self.interval_s = gap if self.interval_s is None else weight * self.interval_s + (1 - weight) * gap
            self._since = None
        # With nothing waiting, the time to the next settlement says when work comes, not how fast it is done.
        if not busy:
            self._since = None
        elif self._since is None:
            self._since, self._together = now, 1
        else:
            self._together += 1
