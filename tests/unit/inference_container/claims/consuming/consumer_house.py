"""What the tests of the consumer's thread have around it: a desk that only keeps, a broker that does its worst."""

from collections.abc import Callable, Collection, Mapping, Sequence
from queue import SimpleQueue

from typing_extensions import override

from inference_container.broker.memory import MemoryBroker
from inference_container.broker.memory_consumer import MemoryConsumer
from inference_container.broker.ports import (
    Broker,
    Committed,
    Consumer,
    Headers,
    Membership,
    Partition,
    Producer,
    Rebalance,
    Record,
)
from inference_container.claims.consuming.books import Books
from inference_container.claims.consuming.consumer import ConsumerPolicy
from inference_container.claims.consuming.consumer_statistics import Pulse
from inference_container.claims.consuming.faults import prepare
from inference_container.claims.consuming.gate import Gate, GatePolicy
from inference_container.claims.consuming.ledger import Delivery
from inference_container.claims.consuming.reading import Reading
from inference_container.claims.consuming.turns import Turns
from inference_container.claims.deadlines import TtlPolicy
from inference_container.claims.ports import Desk, Ended, Held, Innocent, Item, Refused, Tell, Told, Work
from inference_container.metrics_claims import ClaimMetrics
from serving.clock import Clock
from serving.metrics import Metrics
from tests.unit.inference_container.claims.samples import PLACES, V1, body

TOPIC = "inference-data"
TRAINING = "model-training"
CLAIM = body(V1)


def policy(
    bound: int = 8,
    topics: tuple[str, ...] = (TOPIC,),
    assignor: str = "cooperative-sticky",
    max_poll_records: int = 500,
    most_attempts: int = 3,
    commit_every_s: float = 0.2,
    fetch_wait_s: float = 0.01,
    ttl: bool = True,
) -> ConsumerPolicy:
    return ConsumerPolicy(
        *(Membership("claims", topics, assignor), bound, GatePolicy(), TtlPolicy(ttl), max_poll_records, fetch_wait_s),
        *(commit_every_s, most_attempts),
    )


class KeptDesk(Desk):
    """Does nothing by itself; what it has in hand ends when a test says so."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.why: str | None = None
        self.inside: dict[Delivery, Item] = {}
        self.withdrawn: set[Delivery] = set()
        #: Sources of what was recorded, and of what it was recorded as refused.
        self.recorded: list[str] = []
        self.batches: list[list[Item]] = []
        #: How many were inside when each batch came.
        self.company: list[int] = []

    @override
    def take(self, items: Sequence[Item]) -> None:
        self.company.append(len(self.inside))
        self.batches.append(list(items))
        self.inside |= {item.delivery: item for item in items}

    @override
    def withdraw(self, deliveries: Collection[Delivery]) -> None:
        self.withdrawn |= set(deliveries)

    @property
    @override
    def held(self) -> str | None:
        return self.why

    @property
    def taken(self) -> list[Item]:
        return [item for batch in self.batches for item in batch]

    def end(self, item: Item) -> None:
        del self.inside[item.delivery]
        recorded = item.delivery not in self.withdrawn
        if recorded:
            self.recorded.append(item.record.source)
        self._tell(Ended(item.delivery, recorded))

    def innocent(self, item: Item) -> list[Delivery]:
        """It is known what becomes of a suspect. Filled when the desk may go on with it."""
        found: list[Delivery] = []
        self._tell(Innocent(item.delivery, lambda: found.append(item.delivery)))
        return found

    def let_go(self, item: Item) -> None:
        """As a desk that breaks: neither recorded nor withdrawn."""
        del self.inside[item.delivery]
        self._tell(Ended(item.delivery, recorded=False))

    def hold(self, item: Item) -> None:
        self._tell(Held(item.delivery))

    def end_all(self) -> None:
        for item in list(self.inside.values()):
            self.end(item)

    @property
    def works(self) -> list[Work]:
        return [item for item in self.inside.values() if isinstance(item, Work) and item.doubt is None]

    @property
    def refused(self) -> list[Refused]:
        """Those too that it would put aside after a look into the log, which has nothing of them here."""
        return [refused for item in self.taken if (refused := _refused(item)) is not None]


def _refused(item: Item) -> Refused | None:
    if isinstance(item, Refused):
        return item
    return Refused(item.delivery, item.record, item.claim, item.doubt, item.attempts) if item.doubt else None


class EagerDesk(KeptDesk):
    """Ends at once whatever it takes, on the thread that brings it."""

    @override
    def take(self, items: Sequence[Item]) -> None:
        super().take(items)
        self.end_all()


class WorstConsumer(Consumer):
    """A consumer in memory that never waits, goes on where it had read when a partition comes back to it, as Kafka's
    client does, unless it is told otherwise, and fails when `fail` says so."""

    def __init__(self, broker: Broker, membership: Membership, rebalance: Rebalance, worst: "WorstBroker") -> None:
        self._told = rebalance
        self._worst = worst
        self._read: dict[Partition, int] = {}
        self._left: set[Partition] = set()
        inner = broker.consumer(membership, _Between(self))
        assert isinstance(inner, MemoryConsumer)
        self.inner = inner
        self.closed = False

    @override
    def poll(self, most: int, wait_s: float) -> Sequence[Record]:
        self._worst.ask("poll")
        records = self.inner.poll(most, 0)
        for record in records:
            self._read[record.partition] = record.offset + 1
        return records

    @override
    def pause(self, partitions: Collection[Partition]) -> None:
        self.inner.pause(partitions)

    @override
    def resume(self, partitions: Collection[Partition]) -> None:
        self.inner.resume(partitions)

    @property
    @override
    def assigned(self) -> frozenset[Partition]:
        return self.inner.assigned

    @property
    @override
    def paused(self) -> frozenset[Partition]:
        return self.inner.paused

    @override
    def commit(self, offsets: Mapping[Partition, int], notes: Mapping[Partition, str] = {}) -> None:
        self._worst.ask("commit")
        self.inner.commit(offsets, notes)

    @override
    def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, Committed]:
        self._worst.ask("committed")
        return self.inner.committed(partitions)

    @override
    def end_offsets(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        self._worst.ask("end_offsets")
        return self.inner.end_offsets(partitions)

    @override
    def close(self) -> None:
        self.closed = True
        self._worst.ask("close")
        self.inner.close()

    def assigned_between(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        kept = {each: self._read[each] for each in self._left & set(partitions) & self._read.keys()}
        self._left.clear()
        failures = self._worst.failures.get("committed", 0)
        told = self._told.assigned(partitions)
        # Where nobody could say what is committed, the port promises to begin there.
        begin = dict(told) if self._worst.failures.get("committed", 0) > failures else kept | dict(told)
        self._read = {each: at for each, at in self._read.items() if each not in partitions} | begin
        return begin

    def revoked_between(self, partitions: Collection[Partition]) -> Mapping[Partition, Committed]:
        self._left |= set(partitions)
        told = self._told.revoked(partitions)
        # A commit that fails as they go is not told to anybody.
        return {} if self._worst.fails("revoked") else told

    def lost_between(self, partitions: Collection[Partition]) -> None:
        self._read.clear()
        self._left.clear()
        self._told.lost(partitions)


class _Between(Rebalance):
    def __init__(self, consumer: WorstConsumer) -> None:
        self._consumer = consumer

    @override
    def assigned(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        return self._consumer.assigned_between(partitions)

    @override
    def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, Committed]:
        return self._consumer.revoked_between(partitions)

    @override
    def lost(self, partitions: Collection[Partition]) -> None:
        self._consumer.lost_between(partitions)


class WorstBroker(Broker):
    def __init__(self, clock: Clock | None = None, partitions: int = 2, topics: Sequence[str] = (TOPIC,)) -> None:
        self.inner = MemoryBroker(clock)
        self.inner.ensure_topics(dict.fromkeys(topics, partitions))
        self.consumers: list[WorstConsumer] = []
        #: What is raised by the next call of each name, or by every one.
        self.once: dict[str, Exception] = {}
        self.always: dict[str, Exception] = {}
        self.asked: dict[str, int] = {}
        self.failures: dict[str, int] = {}
        self._producer = self.inner.producer()

    def ask(self, name: str) -> None:
        self.asked[name] = self.asked.get(name, 0) + 1
        error = self.once.pop(name, None) or self.always.get(name)
        if error is not None:
            self.failures[name] = self.failures.get(name, 0) + 1
            raise error

    def fails(self, name: str) -> bool:
        return self.once.pop(name, None) is not None

    @override
    def consumer(self, membership: Membership, rebalance: Rebalance) -> WorstConsumer:
        self.ask("consumer")
        self.consumers.append(WorstConsumer(self.inner, membership, rebalance, self))
        return self.consumers[-1]

    @override
    def producer(self) -> Producer:
        return self._producer

    @override
    def ensure_topics(self, topics: Mapping[str, int]) -> None:
        self.inner.ensure_topics(topics)

    @override
    def close(self) -> None:
        self.inner.close()

    def put(
        self, count: int = 1, value: bytes | None = CLAIM, topic: str = TOPIC, headers: Headers = ()
    ) -> list[Partition]:
        """Spread over the partitions, one after the other."""
        sent = [self._producer.send(topic, value, headers=headers).result() for _ in range(count)]
        return [each.partition for each in sent]

    def committed(self, partitions: Collection[Partition]) -> dict[Partition, Committed]:
        """As a tool sees them that is no member."""
        onlooker = self.inner.consumer(Membership("claims", ()), _Nobody())
        return dict(onlooker.committed(partitions))


class _Nobody(Rebalance):
    @override
    def assigned(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        return {}

    @override
    def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, Committed]:
        return {}

    @override
    def lost(self, partitions: Collection[Partition]) -> None:
        pass


class Member:
    """One process of the service, as far as its consumer's thread goes, turned by the test."""

    def __init__(
        self,
        broker: WorstBroker,
        clock: Clock,
        chosen: ConsumerPolicy | None = None,
        desk: Callable[[Tell], KeptDesk] = KeptDesk,
    ) -> None:
        self._broker = broker
        self._clock = clock
        self.policy = chosen or policy()
        reading = Reading(PLACES, self.policy.ttl, self.policy.max_message_bytes, self.policy.training_topic)
        self.books = Books(reading, self.policy.most_attempts, clock)
        self.gate = Gate(self.policy.bound, self.policy.gate, clock)
        self.pulse = Pulse(self.gate, self.books.statistics(), clock)
        self._inbox: SimpleQueue[Told] = SimpleQueue()
        self.desk = desk(self._inbox.put)
        self.metrics = ClaimMetrics(Metrics())
        prepare(self.metrics)
        self.turns = self._begin()

    def turn(self, times: int = 1, stopping: bool = False) -> None:
        for _ in range(times):
            self.turns.turn(stopping)

    def break_down(self) -> None:
        """As `consumer` does after an error that nobody expected."""
        self.turns.abandon()
        self.turns = self._begin()

    def crash(self) -> None:
        """The group hears nothing of it."""
        self.consumer.inner.crash()

    def _begin(self) -> Turns:
        turns = Turns(
            *(self._broker, self.policy, self.books, self.gate, self.desk),
            *(self._inbox, self.pulse, self.metrics, self._clock, lambda seconds: None),
        )
        self.consumer = self._broker.consumers[-1]
        return turns
