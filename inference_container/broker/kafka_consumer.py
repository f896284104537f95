"""A member of a group on Kafka.

Obeys what kafka-python 3 asks of its users and hides it behind `ports`: rebalances are told on the thread that polls
(see `kafka_listener`), only explicit offsets are ever committed, what is ours is what the group last told us, and a
partition that is given straight back is read again from what is committed: the client itself would go on where it had
read to, and what had been taken but not finished would be lost with no lag to show for it.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import assert_never

from kafka import KafkaConsumer as Client  # type: ignore[import-untyped]  # ships no types
from kafka.coordinator.assignors.cooperative_sticky import (  # type: ignore[import-untyped]  # ships no types
    CooperativeStickyAssignor,
)
from kafka.coordinator.assignors.range import RangePartitionAssignor  # type: ignore[import-untyped]  # ships no types
from typing_extensions import override

from inference_container.broker.kafka_connection import KafkaConnection
from inference_container.broker.kafka_errors import is_fenced, translated
from inference_container.broker.kafka_holdings import Holdings
from inference_container.broker.kafka_joining import keep_finished_joins
from inference_container.broker.kafka_listener import Bridge, Change
from inference_container.broker.kafka_loop import connecting
from inference_container.broker.kafka_messages import committed, ours, record, theirs, to_commit
from inference_container.broker.kafka_parking import empty_the_place
from inference_container.broker.ports import Committed, Consumer, Membership, Partition, Rebalance, Record
from inference_container.broker.sharing import COOPERATIVE_STICKY, RANGE
from inference_container.errors import CommitRefused
from serving.errors import DependencyFailed, SluiceError

_ASSIGNORS = {COOPERATIVE_STICKY: CooperativeStickyAssignor, RANGE: RangePartitionAssignor}


class KafkaConsumer(Consumer):
    def __init__(self, connection: KafkaConnection, membership: Membership, rebalance: Rebalance) -> None:
        """
        Raises:
            BrokerUnavailable: nobody answers.
            DependencyFailed: the broker refuses this client, or there is no such assignor.
        """
        self._rebalance = rebalance
        self._answer_ms = int(connection.answer_timeout_s * 1000)
        self._held = Holdings()
        self._trouble: Exception | None = None
        self._fenced = False
        self._closed = False
        if membership.assignor not in _ASSIGNORS:
            raise DependencyFailed("There is no such assignor.", assignor=membership.assignor)
        with connecting() as made:
            self._inner = Client(
                **connection.options(),
                kafka_client=made.client,
                group_id=membership.group,
                group_instance_id=membership.instance_id,
                # An instance of its own: two consumers that share one would each claim everything.
                partition_assignment_strategy=[_ASSIGNORS[membership.assignor]()],
                session_timeout_ms=int(membership.session_timeout_s * 1000),
                heartbeat_interval_ms=int(membership.heartbeat_s * 1000),
                max_poll_interval_ms=int(membership.max_poll_interval_s * 1000),
                metrics_enabled=False,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                isolation_level="read_committed",
                # New partitions of a topic are noticed within this time.
                metadata_max_age_ms=30_000,
            )
        self._made = made
        keep_finished_joins(self._inner._coordinator, made.loop)
        self._bridge = Bridge(self._on_change, f"poll-{membership.group}")
        try:
            self._subscribe(membership.topics, connection.connect_timeout_s)
        except Exception as failure:
            made.end()
            self._bridge.close()
            raise translated(failure) from failure

    def _subscribe(self, topics: Sequence[str], timeout_s: float) -> None:
        self._inner.subscribe(topics=list(topics), listener=self._bridge.listener(self._made.loop))
        self._made.learn_topics(timeout_s)

    @override
    def poll(self, most: int, wait_s: float) -> Sequence[Record]:
        if self._closed:
            raise RuntimeError("the consumer is closed")
        if self._fenced:
            self._lose(self._held.ours)
            raise DependencyFailed("Another member has taken this one's static name.")
        # The client refuses to hand out none at all, and who does not poll is thrown out.
        self._held.holding = most < 1
        self._put_right()
        empty_the_place(self._inner._fetcher)
        try:
            found = self._bridge.drive(
                partial(self._inner.poll, timeout_ms=int(wait_s * 1000), max_records=max(1, most))
            )
        except Exception as failure:
            self._trouble = None
            self._fenced = self._fenced or is_fenced(failure)
            raise translated(failure) from failure
        if self._trouble is not None:
            trouble, self._trouble = self._trouble, None
            for place in found.keys() & self._inner.assignment():
                self._inner.seek(place, found[place][0].offset)  # not handed out: the next poll brings them
            raise trouble
        # What left us within this very poll is for whoever has it now, and what came back with it is read anew.
        found = {place: messages for place, messages in found.items() if self._held.trusted(ours(place))}
        return [record(message) for messages in found.values() for message in messages]

    @override
    def pause(self, partitions: Collection[Partition]) -> None:
        self._held.pause(partitions)
        self._apply()

    @override
    def resume(self, partitions: Collection[Partition]) -> None:
        self._held.resume(partitions)
        self._apply()

    @property
    @override
    def assigned(self) -> frozenset[Partition]:
        return self._held.ours

    @property
    @override
    def paused(self) -> frozenset[Partition]:
        return self._held.paused

    @override
    def commit(self, offsets: Mapping[Partition, int], notes: Mapping[Partition, str] = {}) -> None:
        if not offsets.keys() <= self._held.ours:
            # Kafka itself would take them from any living member, over the head of the one that has them now.
            raise CommitRefused(partitions=sorted(map(str, offsets)))
        self._commit({each: Committed(offset, notes.get(each, "")) for each, offset in offsets.items()})

    @override
    def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, Committed]:
        found: dict[Partition, Committed] = {}
        for partition in partitions:
            try:
                told = self._inner.committed(theirs(partition), metadata=True, timeout_ms=self._answer_ms)
            except Exception as failure:
                raise translated(failure) from failure
            if (kept := committed(told)) is not None:
                found[partition] = kept
        return found

    @override
    def end_offsets(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        if not partitions:
            return {}
        try:
            found = self._inner.end_offsets([theirs(each) for each in partitions], timeout_ms=self._answer_ms)
        except Exception as failure:
            raise translated(failure) from failure
        return {ours(place): offset for place, offset in found.items()}

    @override
    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            self._bridge.drive(partial(self._inner.close, autocommit=False, timeout_ms=self._answer_ms))
        except Exception as failure:
            raise translated(failure) from failure
        finally:
            self._made.end()
            self._bridge.close()
        if self._trouble is not None:
            raise self._trouble

    def crash(self) -> None:
        """As if the process were killed: the group hears nothing more, and misses it when its session has run out."""
        self._closed = True
        self._made.kill()
        self._bridge.close()

    def _on_change(self, change: Change, partitions: frozenset[Partition]) -> None:
        try:
            match change:
                case "assigned":
                    self._take(partitions)
                case "revoked":
                    self._give_back(partitions & self._held.ours)
                case "lost":
                    self._lose(partitions & self._held.ours)
                case _ as never:
                    assert_never(never)
        except Exception as failure:
            self._trouble = failure

    def _take(self, partitions: frozenset[Partition]) -> None:
        self._held.took(partitions)
        self._apply()
        told = self._rebalance.assigned(partitions)
        for partition, offset in told.items():
            self._inner.seek(theirs(partition), offset)
        self._held.put_right(told.keys())
        self._put_right()

    def _give_back(self, partitions: frozenset[Partition]) -> None:
        if not partitions:
            return
        try:
            finished = self._rebalance.revoked(partitions)
            # Not committed: whoever has them next works some of it again, which is allowed. Failing the poll is not.
            with suppress(SluiceError):
                self._commit(finished)
        finally:
            self._held.gave_back(partitions)

    def _lose(self, partitions: frozenset[Partition]) -> None:
        self._held.lost(partitions)
        if partitions:
            self._rebalance.lost(partitions)

    def _put_right(self) -> None:
        """Sets partitions that came straight back to what is committed. Those that can not be asked about stay shut."""
        if places := self._held.to_rewind:
            known = self.committed(places)
            for partition in places:
                if partition in known:
                    self._inner.seek(theirs(partition), known[partition].offset)
                else:
                    self._inner.seek_to_beginning(theirs(partition))
            self._held.put_right(places)
        self._apply()

    def _apply(self) -> None:
        """Tells the client which partitions may be read."""
        known = set(map(ours, self._inner.assignment())) & self._held.ours
        self._inner.pause(*map(theirs, known & self._held.shut))
        self._inner.resume(*map(theirs, known - self._held.shut))

    def _commit(self, finished: Mapping[Partition, Committed]) -> None:
        # Never without offsets: the client would commit what it has handed out, not what is finished.
        if not finished:
            return
        try:
            self._inner.commit(to_commit(finished), timeout_ms=self._answer_ms)
        except Exception as failure:
            self._fenced = self._fenced or is_fenced(failure)
            raise translated(failure) from failure
