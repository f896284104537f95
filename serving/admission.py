"""Admission: deciding at the door whether work may wait. A bounded lane hands out tickets, or says QueueFull at once.

`try_admit` is the door's verb, `admit` a consumer's that may pause; `take` and `take_now` belong to whoever runs the
work. The lane never holds more waiting tickets than its capacity nor more bytes than its budget, and every ticket
settles exactly once, with a value or an error. A ticket whose caller went away leaves the lane at that moment and frees
its place.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Generic, TypeVar

from serving.alarms import Alarms
from serving.clock import Clock
from serving.deadline import Deadline
from serving.errors import CallerGone, DeadlineExceeded, Draining, InvalidInput, QueueFull, SluiceError
from serving.lane_statistics import LaneStatistics
from serving.pace import Pace, Shedding, jittered
from serving.ticket import Stage, Ticket

I = TypeVar("I")  # noqa: E741 - the item of a ticket; no digit can be meant in a type
R = TypeVar("R")


class BoundedQueue(Generic[I, R]):
    """One lane. Lives on the event loop; no method but `admit`, `take` and `drained` ever waits."""

    def __init__(
        self,
        capacity: int,
        clock: Clock,
        *,
        max_bytes: int | None = None,
        shedding: Shedding | None = None,
        until_done: bool = False,
    ) -> None:
        """`until_done`: deadlines are for the end of the work and not for its beginning, so what runs is ahead too."""
        if capacity < 1:
            raise ValueError("a lane holds at least one ticket")
        self.capacity = capacity
        self.max_bytes = max_bytes
        #: Told when a ticket begins to wait.
        self.on_arrival: Callable[[], None] | None = None
        #: Told of every ticket that settles, once, before its caller is.
        self.on_settled: Callable[[Ticket[I, R]], None] | None = None
        self._clock = clock
        # A dict keeps the order of admission and lets a ticket leave from the middle without a search.
        self._waiting: dict[Ticket[I, R], None] = {}
        self._running: set[Ticket[I, R]] = set()
        self._held_bytes = 0
        #: Bound once: each ticket gets it.
        self._closer = self._close
        self._open = True
        self._arrived = asyncio.Event()
        self._freed = asyncio.Event()
        self._alarms: Alarms[Ticket[I, R]] = Alarms(clock)
        self._pace = Pace(clock)
        self._shedding, self._until_done = shedding, until_done
        self._admitted = self._rejected = self._completed = 0
        self._invalid = self._failed = self._expired = self._abandoned = 0
        self._last_wait = self._total_wait = self._max_wait = 0.0

    @property
    def depth(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        return len(self._waiting) >= self.capacity

    @property
    def held_bytes(self) -> int:
        return self._held_bytes

    def has_room(self, size: int = 0, within_s: float | None = None) -> bool:
        """Whether a ticket of `size` bytes would be admitted now. `check_room` counts those that are not.

        `within_s` is how long its caller waits: a place whose turn comes later than that is none.
        """
        depth = len(self._waiting)
        if not self._open or (self._held_bytes and self._too_many_bytes(size)):
            return False
        if within_s is not None and depth:
            interval = self._pace.recent_s()
            if interval is not None and self._wait_s(depth, interval) > within_s:
                if self._shedding is not None:
                    self._shedding.too_late()
                return False
        if self._shedding is None:
            return depth < self.capacity
        return depth < self._shedding.limit(depth, self.capacity, self._pace.interval_s)

    def _wait_s(self, depth: int, interval_s: float) -> float:
        """How long the next ticket would wait for what its deadline is about."""
        if not self._until_done:
            return depth * interval_s
        # Then its own batch takes as long as the last one; where tickets run one by one that is the interval once more.
        return (depth + len(self._running)) * interval_s + self._pace.batch_s

    def _too_many_bytes(self, size: int) -> bool:
        return self.max_bytes is not None and self._held_bytes + size > self.max_bytes

    def try_admit(self, item: I, deadline: Deadline, size: int = 0) -> Ticket[I, R]:
        """A ticket now. `size` is what its item weighs in bytes, until it is settled.

        Raises:
            QueueFull: The lane is full; `retry_after_s` is when a place is expected at the present pace.
            Draining: The lane takes no more.
        """
        self.check_room(size, deadline.remaining())
        self._admitted += 1
        if self._shedding is not None:
            self._shedding.admitted()
        ticket = Ticket(item, deadline, self._closer, self._clock.monotonic(), size)
        self._held_bytes += size
        self._waiting[ticket] = None
        self._alarms.set(ticket, deadline.at)
        self._arrived.set()
        if self.on_arrival is not None:
            self.on_arrival()
        return ticket

    def check_room(self, size: int = 0, within_s: float | None = None) -> None:
        """Raises what `try_admit` would raise, and counts the refusal: for a door that has not read the body yet."""
        if not self.has_room(size, within_s):
            if not self._open:
                raise Draining(retry_after_s=1)
            self._rejected += 1
            raise QueueFull(retry_after_s=jittered(self.retry_after_s()), qsize=self.depth)

    def refuse(self) -> None:
        """Counts a refusal that a door makes by itself, with bytes that it has ready."""
        self._rejected += 1

    def check_bytes(self, size: int) -> None:
        """Raises QueueFull, and counts it, when `size` more bytes would exceed the budget: for a body in pieces."""
        if self._held_bytes and self._too_many_bytes(size):
            self._rejected += 1
            raise QueueFull(retry_after_s=jittered(self.retry_after_s()), qsize=self.depth)

    def hold(self, size: int) -> None:
        """Counts bytes of a body that is being read; give them back with `release` before or after admission."""
        self._held_bytes += size

    def release(self, size: int) -> None:
        self._held_bytes -= size

    async def admit(self, item: I, deadline: Deadline, size: int = 0) -> Ticket[I, R]:
        """A ticket as soon as there is a place.

        Raises:
            DeadlineExceeded: There was none in time.
            Draining: The lane takes no more.
        """
        while self._open and not self.has_room(size, deadline.remaining()):
            self._freed.clear()
            await deadline.bound(self._freed.wait())
        return self.try_admit(item, deadline, size)

    async def take(self, at_most: int = 1) -> list[Ticket[I, R]]:
        """Waits for work, then gives what waits, oldest first, at most `at_most`. It counts as running from here."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        return self.take_now(at_most)

    def take_now(self, at_most: int) -> list[Ticket[I, R]]:
        """What waits now, oldest first, at most `at_most`; maybe nothing. It counts as running from here."""
        now = self._clock.monotonic()
        waiting = self._waiting
        taken: list[Ticket[I, R]] = []
        while waiting and len(taken) < at_most:
            ticket = next(iter(waiting))
            del waiting[ticket]
            ticket.stage = Stage.RUNNING
            self._running.add(ticket)
            ticket.waited_s = waited = now - ticket.admitted_at
            self._total_wait += waited
            if waited > self._max_wait:
                self._max_wait = waited
            self._last_wait = waited
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
            now = self._clock.monotonic()
            longest = max((now - t.admitted_at - (t.waited_s or 0.0) for t in self._running), default=0.0)
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
            held_bytes=self._held_bytes,
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

    def _close(self, ticket: Ticket[I, R], value: R, error: SluiceError | None) -> bool:
        """The one place where a ticket settles."""
        stage = ticket.stage
        if stage is Stage.SETTLED:
            if error is None:  # nobody waits any more, but the work is done now, and says how fast it is
                self._pace.tick(busy=bool(self._waiting))
            return False
        if stage is Stage.RUNNING:
            self._running.discard(ticket)
            if error is None or isinstance(error, InvalidInput):
                self._pace.tick(busy=bool(self._waiting))
            elif not isinstance(error, DeadlineExceeded | CallerGone):  # after those two the work goes on
                self._pace.interrupt()
        else:
            del self._waiting[ticket]
        ticket.stage = Stage.SETTLED
        ticket.value, ticket.error = value, error
        self._held_bytes -= ticket.size
        self._alarms.unset(ticket)
        if error is None:
            self._completed += 1
        else:
            self._count(error)
        self._freed.set()
        if self.on_settled is not None:
            self.on_settled(ticket)
        watchers, ticket.watchers = ticket.watchers, None
        for call in watchers or ():
            call()
        return True

    def _count(self, error: SluiceError) -> None:
        match error:
            case CallerGone():
                self._abandoned += 1
            case DeadlineExceeded():
                self._expired += 1
            case InvalidInput():
                self._invalid += 1
            case _:
                self._failed += 1
