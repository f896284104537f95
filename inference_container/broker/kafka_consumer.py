"""A member of a group on Kafka.

Obeys what kafka-python 3 asks of its users and hides it behind `ports`: rebalances are told on the thread that polls
(see `kafka_listener`), only explicit offsets are ever committed, what is ours is what the group last told us, and a
partition that is given straight back is read again from what is committed: the client itself would go on where it had
read to, and what had been taken but not finished would be lost with no lag to show for it.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol, assert_never

from kafka import KafkaConsumer as Client  # type: ignore[import-untyped]  # ships no types; described below
from kafka import OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import (  # type: ignore[import-untyped]  # ships no types
    CooperativeStickyAssignor,
)
from kafka.coordinator.assignors.range import RangePartitionAssignor  # type: ignore[import-untyped]  # ships no types
from typing_extensions import override

from inference_container.broker.kafka_connection import KafkaConnection
from inference_container.broker.kafka_errors import is_fenced, translated
from inference_container.broker.kafka_listener import Bridge, Change
from inference_container.broker.kafka_loop import connecting
from inference_container.broker.ports import Consumer, Headers, Membership, Partition, Rebalance, Record
from inference_container.broker.sharing import COOPERATIVE_STICKY, RANGE
from inference_container.errors import CommitRefused
from serving.errors import DependencyFailed, SluiceError

_ASSIGNORS = {COOPERATIVE_STICKY: CooperativeStickyAssignor, RANGE: RangePartitionAssignor}


class _Message(Protocol):
    """A record as the client hands it out."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp: int


class KafkaConsumer(Consumer):
    def __init__(self, connection: KafkaConnection, membership: Membership, rebalance: Rebalance) -> None:
        """
        Raises:
            BrokerUnavailable: nobody answers.
            DependencyFailed: the broker refuses this client, or there is no such assignor.
        """
        self._rebalance = rebalance
        self._answer_ms = int(connection.answer_timeout_s * 1000)
        self._close_ms = int(connection.answer_timeout_s * 1000)
        self._ours: set[Partition] = set()
        self._paused: set[Partition] = set()
        #: Given back, and maybe given again with the client's old position (eager assignors only).
        self._stale: set[Partition] = set()
        #: Ours again, but nothing may be read before the position is put right.
        self._to_rewind: set[Partition] = set()
        self._holding = False
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
        self._bridge = Bridge(self._on_change, f"poll-{membership.group}")
        try:
            self._subscribe(membership.topics, connection.connect_timeout_s)
        except Exception as failure:
            made.end()
            self._bridge.close()
            raise translated(failure) from failure

    def _subscribe(self, topics: Sequence[str], timeout_s: float) -> None:
        self._inner.subscribe(topics=list(topics), listener=self._bridge.listener(self._made.loop))
        # The client asks about its topics when it subscribes, unless it is just then asking about none: that answer
        # counts as this one's, and the member is assigned nothing until the next look, half a minute later.
        self._bridge.drive(lambda: [self._inner.partitions_for_topic(topic) for topic in topics], timeout_s)

    @override
    def poll(self, most: int, wait_s: float) -> Sequence[Record]:
        if self._closed:
            raise RuntimeError("the consumer is closed")
        if self._fenced:
            self._lose(frozenset(self._ours))
            raise DependencyFailed("Another member has taken this one's static name.")
        # The client refuses to hand out none at all, and who does not poll is thrown out.
        self._hold(most < 1)
        self._put_right()
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
            for place, messages in found.items():
                self._inner.seek(place, messages[0].offset)  # they were not handed out: the next poll brings them
            raise trouble
        return [_record(message) for messages in found.values() for message in messages]

    @override
    def pause(self, partitions: Collection[Partition]) -> None:
        self._paused |= self._ours & set(partitions)
        self._apply()

    @override
    def resume(self, partitions: Collection[Partition]) -> None:
        self._paused -= set(partitions)
        self._apply()

    @property
    @override
    def assigned(self) -> frozenset[Partition]:
        return frozenset(self._ours)

    @property
    @override
    def paused(self) -> frozenset[Partition]:
        return frozenset(self._paused)

    @override
    def commit(self, offsets: Mapping[Partition, int]) -> None:
        if not offsets.keys() <= self._ours:
            # Kafka itself would take them from any living member, over the head of the one that has them now.
            raise CommitRefused(partitions=sorted(map(str, offsets)))
        self._commit(offsets)

    @override
    def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        found: dict[Partition, int] = {}
        for partition in partitions:
            try:
                offset = self._inner.committed(_theirs(partition), timeout_ms=self._answer_ms)
            except Exception as failure:
                raise translated(failure) from failure
            if offset is not None and offset >= 0:
                found[partition] = offset
        return found

    @override
    def end_offsets(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        if not partitions:
            return {}
        try:
            found = self._inner.end_offsets([_theirs(each) for each in partitions], timeout_ms=self._answer_ms)
        except Exception as failure:
            raise translated(failure) from failure
        return {Partition(place.topic, place.partition): offset for place, offset in found.items()}

    @override
    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            self._bridge.drive(partial(self._inner.close, autocommit=False, timeout_ms=self._close_ms))
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
                    self._give_back(partitions & self._ours)
                case "lost":
                    self._lose(partitions & self._ours)
                case _ as never:
                    assert_never(never)
        except Exception as failure:
            self._trouble = failure

    def _take(self, partitions: frozenset[Partition]) -> None:
        self._ours |= partitions
        self._paused -= partitions
        self._to_rewind |= partitions & self._stale
        self._stale -= partitions
        self._apply()
        told = self._rebalance.assigned(partitions)
        for partition, offset in told.items():
            self._inner.seek(_theirs(partition), offset)
        self._to_rewind -= told.keys()
        self._put_right()

    def _give_back(self, partitions: frozenset[Partition]) -> None:
        if not partitions:
            return
        try:
            offsets = self._rebalance.revoked(partitions)
            # Not committed: whoever has them next works some of it again, which is allowed. Failing the poll is not.
            with suppress(SluiceError):
                self._commit(offsets)
        finally:
            self._forget(partitions)
            self._stale |= partitions

    def _lose(self, partitions: frozenset[Partition]) -> None:
        self._forget(partitions)
        self._stale.clear()  # the client forgets all positions when its membership is gone
        if partitions:
            self._rebalance.lost(partitions)

    def _forget(self, partitions: frozenset[Partition]) -> None:
        self._ours -= partitions
        self._paused -= partitions
        self._to_rewind -= partitions

    def _put_right(self) -> None:
        """Sets partitions that came straight back to what is committed. Those that can not be asked about stay shut."""
        if self._to_rewind:
            committed = self.committed(self._to_rewind)
            for partition in self._to_rewind:
                if partition in committed:
                    self._inner.seek(_theirs(partition), committed[partition])
                else:
                    self._inner.seek_to_beginning(_theirs(partition))
            self._to_rewind.clear()
        self._apply()

    def _hold(self, holding: bool) -> None:
        self._holding = holding
        self._apply()

    def _apply(self) -> None:
        """Tells the client which partitions may be read."""
        known = {Partition(place.topic, place.partition) for place in self._inner.assignment()} & self._ours
        shut = known if self._holding else known & (self._paused | self._to_rewind)
        self._inner.pause(*map(_theirs, shut))
        self._inner.resume(*map(_theirs, known - shut))

    def _commit(self, offsets: Mapping[Partition, int]) -> None:
        # Never without offsets: the client would commit what it has handed out, not what is finished.
        # leader_epoch is -1: the client refuses None here.
        if not offsets:
            return
        told = {_theirs(each): OffsetAndMetadata(offset, "", -1) for each, offset in offsets.items()}
        try:
            self._inner.commit(told, timeout_ms=self._answer_ms)
        except Exception as failure:
            self._fenced = self._fenced or is_fenced(failure)
            raise translated(failure) from failure


def _theirs(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)


def _record(message: _Message) -> Record:
    headers: Headers = tuple((name, content or b"") for name, content in message.headers)
    place = Partition(message.topic, message.partition)
    return Record(place, message.offset, message.key, message.value, headers, message.timestamp)
