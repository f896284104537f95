"""Any order of joining, leaving, dying, stalling and polling, on the broker in memory."""

from collections.abc import Collection, Mapping

from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from inference_container.broker.memory import MemoryBroker
from inference_container.broker.memory_consumer import MemoryConsumer
from inference_container.broker.ports import Committed, Membership, Partition, Rebalance
from inference_container.errors import BrokerUnavailable, CommitRefused
from tests.fakes.clock import ManualClock

STEPS = st.lists(
    st.tuples(st.sampled_from(["poll", "poll", "poll", "commit", "join", "leave", "crash", "wait"]), st.integers(0, 3)),
    max_size=60,
)


class Worker(Rebalance):
    """Works what it gets at once; what it has finished is what it was told minus nothing."""

    def __init__(self, house: "House") -> None:
        self.house = house
        self.mine: set[Partition] = set()
        self.next: dict[Partition, int] = {}
        self.consumer: MemoryConsumer = house.broker.consumer(
            Membership("workers", ("claims",), house.assignor, session_timeout_s=10, max_poll_interval_s=20), self
        )

    @override
    def assigned(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        assert not self.mine & set(partitions)
        self.mine |= set(partitions)
        self.house.check()
        return {}

    @override
    def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, Committed]:
        assert self.mine >= set(partitions)
        self.mine -= set(partitions)
        return {each: Committed(self.next.pop(each)) for each in partitions if each in self.next}

    @override
    def lost(self, partitions: Collection[Partition]) -> None:
        assert self.mine >= set(partitions)
        self.mine -= set(partitions)
        for each in partitions:
            self.next.pop(each, None)

    def poll(self) -> None:
        for record in self.consumer.poll(5, 0):
            assert record.partition in self.mine
            # In order and without a hole, from what is committed or what came before.
            committed = self.consumer.committed([record.partition]).get(record.partition, Committed(0)).offset
            assert record.offset == self.next.get(record.partition, committed)
            self.next[record.partition] = record.offset + 1
            self.house.done.add(record.source)
        assert self.consumer.assigned == self.mine

    def commit(self) -> None:
        before = self.consumer.committed(self.next)
        try:
            self.consumer.commit(self.next)
        except (CommitRefused, BrokerUnavailable):
            return
        assert all(before.get(partition, Committed(0)).offset <= offset for partition, offset in self.next.items())


class House:
    def __init__(self, assignor: str) -> None:
        self.assignor = assignor
        self.clock = ManualClock()
        self.broker = MemoryBroker(self.clock)
        self.broker.ensure_topics({"claims": 5})
        self.workers: list[Worker] = []
        self.stalled = False
        self.done: set[str] = set()
        producer = self.broker.producer()
        self.all = {producer.send("claims", b"%d" % n).result(0) for n in range(60)}

    def check(self) -> None:
        """Members that the group still knows never have a partition in common."""
        if not self.stalled:
            owned = [partition for worker in self.workers for partition in worker.mine]
            assert len(owned) == len(set(owned))

    def step(self, verb: str, which: int) -> None:
        if verb == "join" and len(self.workers) < 4:
            self.workers.append(Worker(self))
        elif verb == "wait":
            self.clock.turn(7)
            self.stalled = True  # from now on one may be out without having heard of it
        elif self.workers:
            worker = self.workers[which % len(self.workers)]
            if verb == "poll":
                worker.poll()
            elif verb == "commit":
                worker.commit()
            elif verb in ("leave", "crash"):
                self.workers.remove(worker)
                worker.consumer.close() if verb == "leave" else worker.consumer.crash()


@settings(max_examples=150)
@given(st.sampled_from(["range", "cooperative-sticky"]), STEPS)
def test_whatever_happens_everything_is_read_and_no_partition_is_with_two(
    assignor: str, steps: list[tuple[str, int]]
) -> None:
    house = House(assignor)
    for verb, which in steps:
        house.step(verb, which)
    house.step("join", 0)
    wanted = {f"{sent.partition}-{sent.offset}" for sent in house.all}
    for _ in range(300):
        house.clock.turn(0.5)  # who died is missed meanwhile
        for worker in house.workers:
            worker.poll()
        if house.done == wanted:
            break
    assert house.done == wanted
    house.stalled = False
    house.check()
    assert sum(len(worker.mine) for worker in house.workers) == 5
