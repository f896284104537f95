"""One life of a broker's consumer, turn by turn: from joining its group to leaving it, or until it is given up.

Belongs to `consumer`, whose thread makes it, turns it and ends it. What it keeps outlives it in `books`; what breaks
in a turn is raised, except for what the broker merely did not answer: that is counted and tried again.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from inference_container.broker.ports import Broker, Membership, Record
from inference_container.claims.consuming.books import Books
from inference_container.claims.consuming.commits import PAUSES, Commits
from inference_container.claims.consuming.consumer_statistics import Pulse
from inference_container.claims.consuming.faults import count_fault
from inference_container.claims.consuming.gate import Gate, GatePolicy
from inference_container.claims.consuming.rebalancing import Rebalancing
from inference_container.claims.consuming.watch import Watch
from inference_container.claims.deadlines import TtlPolicy
from inference_container.claims.messages import MAX_MESSAGE_BYTES
from inference_container.claims.ports import Desk, Ended, Innocent, Told
from inference_container.errors import BrokerUnavailable, CommitRefused
from inference_container.events_claims import (
    consumer_loop_error,
    consumer_paused,
    consumer_resumed,
    queue_enqueued,
    training_claim_skipped,
)
from inference_container.metrics_claims import ClaimMetrics
from serving.clock import Clock
from serving.errors import DependencyFailed, SluiceError

#: A poll's wait while nothing may come: what ends meanwhile is noticed after it.
_SHUT_S = 0.02
#: While something is out or is to be committed.
_BUSY_S = 0.05
#: While some wait for the end of others, one by one.
_IN_LINE_S = 0.005


@dataclass(frozen=True, slots=True)
class ConsumerPolicy:
    membership: Membership
    bound: int  #: claims of the lane, waiting and in work together
    gate: GatePolicy
    ttl: TtlPolicy
    max_poll_records: int
    fetch_wait_s: float
    commit_every_s: float = 0.2
    most_attempts: int = 3
    max_message_bytes: int = MAX_MESSAGE_BYTES
    training_topic: str | None = "model-training"  #: where it is among the topics; all others carry claims


class Turns:
    def __init__(
        self,
        broker: Broker,
        policy: ConsumerPolicy,
        books: Books,
        gate: Gate,
        desk: Desk,
        inbox: "SimpleQueue[Told]",
        pulse: Pulse,
        metrics: ClaimMetrics,
        clock: Clock,
        sleep: Callable[[float], object],
    ) -> None:
        """Joins the group.

        Args:
            inbox: what the desk tells.
            sleep: waits so many seconds, or less.

        Raises:
            BrokerUnavailable: nobody answers.
        """
        self._policy = policy
        self._books = books
        self._gate = gate
        self._desk = desk
        self._inbox = inbox
        self._pulse = pulse
        self._metrics = metrics
        self._clock = clock
        self._sleep = sleep
        self._why: str | None = None
        self._stopping = False
        self._poll_failures = self._returns = 0  #: in a row
        #: Of whom the broker is to know before the desk goes on.
        self._innocents: list[Innocent] = []
        self._settle_at = self._hand_at = clock.monotonic()
        rebalancing = Rebalancing(books, desk, pulse, metrics, self._enter, lambda: self._shut)
        self._consumer = broker.consumer(policy.membership, rebalancing)
        rebalancing.serve(self._consumer)
        self._commits = Commits(
            books, self._consumer, pulse, metrics, clock, policy.commit_every_s, policy.max_poll_records
        )
        self._watch = Watch(books, self._consumer, pulse, metrics, clock)

    def turn(self, stopping: bool = False) -> None:
        """
        Args:
            stopping: nothing more is fetched or handed over.

        Raises:
            DependencyFailed: no other try mends it.
        """
        self._stopping = stopping
        self._enter()
        self._note_innocents()
        self._settle()
        self._judge()
        self._hand_over()
        self._commits.when_due()
        self._watch.look()
        self._watch.publish()
        for record in self._polled():
            self._take_in(record)
        self._hand_over()

    @property
    def idle(self) -> bool:
        """Nothing is out, and all that is finished is committed."""
        return not self._books.out and not self._books.due()

    def leave(self) -> None:
        """Commits what is finished, leaves the group; the rest is withdrawn."""
        self._stopping = True
        self._enter()
        self._commits.commit(self._books.due())
        self._consumer.close()
        self._watch.publish(now=True)

    def abandon(self) -> None:
        """After an error. Nobody knows what is true any more: nothing is committed, all is read again."""
        moved = self._books.lost_all()
        self._pulse.assigned = self._pulse.paused = frozenset()
        # Each by itself: whatever is broken here must not keep the rest from being told.
        with suppress(Exception):
            self._desk.withdraw(moved.withdraw)
        with suppress(Exception):
            self._consumer.close()

    @property
    def _shut(self) -> bool:
        return self._stopping or self._why is not None

    def _enter(self) -> None:
        with suppress(Empty):
            while True:
                told = self._inbox.get_nowait()
                if isinstance(told, Innocent):
                    self._books.innocent(told.delivery)
                    self._innocents.append(told)
                elif not self._books.enter(told):
                    self._came_back()
                elif isinstance(told, Ended):
                    self._returns = 0
                    self._commits.ended()

    def _note_innocents(self) -> None:
        """Tried each turn until the broker has taken it; the desk waits, as it would for the broker anyway."""
        if self._innocents and self._commits.note():
            for each in self._innocents:
                each.known()
            self._innocents.clear()

    def _came_back(self) -> None:
        """The desk broke off it unrecorded: nothing is handed over again at once, for it may do so with everything."""
        self._returns += 1
        self._hand_at = self._clock.monotonic() + PAUSES.pause_s(self._returns, random.random())

    def _settle(self) -> None:
        """Asks again what is committed for partitions that came when nobody could say."""
        if not self._books.unsettled or self._clock.monotonic() < self._settle_at:
            return
        try:
            self._books.settle(self._books.unsettled, self._consumer.committed(self._books.unsettled))
        except (BrokerUnavailable, CommitRefused) as failure:
            count_fault(self._metrics, failure)
            self._settle_at = self._clock.monotonic() + PAUSES.longest_s

    def _judge(self) -> None:
        """Opens or shuts what there is to be opened or shut."""
        held = self._desk.held
        if held is None:
            self._books.released()
        depth = self._books.depth
        self._gate.judge(depth)
        before, self._why = self._why, held or ("depth" if self._gate.closed else None)
        if self._why is not None and self._why != before:
            consumer_paused(depth=depth, pct=depth * 100 // self._gate.bound, why=self._why)
        elif self._why is None and before is not None:
            consumer_resumed(depth=depth, pct=depth * 100 // self._gate.bound)
        wanted = self._consumer.assigned if self._shut else self._books.unsettled
        self._consumer.pause(wanted - self._consumer.paused)
        self._consumer.resume(self._consumer.paused - wanted)
        self._pulse.held = held

    def _hand_over(self) -> None:
        if self._stopping or self._desk.held is not None or self._clock.monotonic() < self._hand_at:
            return
        batch = self._books.batch()
        if not batch:
            return
        if self._books.begin(batch) and not self._commits.note():
            self._books.not_begun(batch)
            return
        self._desk.take(self._books.items(batch))
        self._books.handed(batch)
        queue_enqueued(claims=len(batch), depth=self._books.depth)

    def _polled(self) -> Sequence[Record]:
        most = 0 if self._shut else min(self._policy.max_poll_records, self._gate.room(self._books.depth))
        self._pulse.beat()
        try:
            records = self._consumer.poll(most, self._wait_s())
        except (BrokerUnavailable, CommitRefused) as failure:
            self._poll_failed(failure)
            return ()
        self._pulse.beat()
        self._pulse.running()
        self._poll_failures = 0
        if self._consumer.assigned != self._books.ours:
            # Whatever came from a partition that nobody entered would be read and never worked.
            raise DependencyFailed("The broker's consumer has other partitions than it told of.")
        return records

    def _wait_s(self) -> float:
        if self._books.waiting and not self._stopping and self._desk.held is None:
            return _IN_LINE_S
        if self._shut:
            return _SHUT_S
        quiet = not (self._books.depth or self._books.unsettled or self._books.due())
        return self._policy.fetch_wait_s if quiet else min(self._policy.fetch_wait_s, _BUSY_S)

    def _poll_failed(self, failure: SluiceError) -> None:
        self._poll_failures += 1
        pause_s = PAUSES.pause_s(self._poll_failures, random.random())
        count_fault(self._metrics, failure)
        self._pulse.backing_off(failure.message)
        consumer_loop_error(code=failure.code, reason=failure.message, after_s=round(pause_s, 3))
        self._watch.publish(now=True)
        self._sleep(pause_s)

    def _take_in(self, record: Record) -> None:
        skipped = self._books.accept(record)
        if skipped is not None:
            self._commits.ended()
            self._metrics.outcomes.labels("skipped").inc()
            training_claim_skipped(reason=skipped.reason, run_id=skipped.run_id)
