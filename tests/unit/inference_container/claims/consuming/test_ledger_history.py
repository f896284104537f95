"""The ledger against a broker that does its worst, in any order: gaps, failed commits, rebalances, crashes, rivals."""

from collections.abc import Collection

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from inference_container.broker.ports import Partition
from inference_container.claims.consuming.ledger import Completion, Delivery, Ledger
from tests.fakes.clock import ManualClock
from tests.unit.inference_container.claims.samples import record

PARTITIONS = tuple(Partition("inference-data", number) for number in range(3))
partitions = st.sampled_from(PARTITIONS)


class Broker:
    """The least that a broker is, with a client that keeps its position through a rebalance, as kafka-python does."""

    def __init__(self) -> None:
        self.offsets: dict[Partition, list[int]] = {partition: [] for partition in PARTITIONS}
        self.end = dict.fromkeys(PARTITIONS, 0)
        self.committed: dict[Partition, int] = {}
        self.fetch: dict[Partition, int] = {}
        #: Nobody told the ledger what is committed for these, so it may say the same once more.
        self.untold: set[Partition] = set()

    def take(self, offsets: dict[Partition, int]) -> None:
        for partition, offset in offsets.items():
            before = self.committed.get(partition, -1)
            assert offset >= before, "never below what was committed"
            assert offset > before or partition in self.untold, "never for nothing"
        self.committed |= offsets
        self.untold -= offsets.keys()

    def start(self, partition: Partition) -> int:
        return self.committed.get(partition, 0)


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.broker = Broker()
        self.ledger = Ledger(ManualClock())
        self.ours: set[Partition] = set()
        self.at_work: list[Delivery] = []
        #: What has a result that counts.
        self.done: set[tuple[Partition, int]] = set()

    @initialize()
    def join(self) -> None:
        self._gain(PARTITIONS, known=True, kept=False)

    @rule(partition=partitions, gap=st.integers(0, 2))
    def produce(self, partition: Partition, gap: int) -> None:
        offset = self.broker.end[partition] + gap
        self.broker.offsets[partition].append(offset)
        self.broker.end[partition] = offset + 1

    @rule(partition=partitions, count=st.integers(1, 5))
    def poll(self, partition: Partition, count: int) -> None:
        if partition not in self.ours:
            return
        found = [each for each in self.broker.offsets[partition] if each >= self.broker.fetch[partition]][:count]
        for offset in found:
            delivery = self.ledger.deliver(record(offset=offset, partition=partition))
            assert delivery is not None, "a client that only goes on is never refused"
            self.at_work.append(delivery)
            self.broker.fetch[partition] = offset + 1

    @precondition(lambda self: self.at_work)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        delivery = self.at_work.pop(data.draw(st.integers(0, len(self.at_work) - 1)))
        current = self.ledger.current(delivery)
        completion = self.ledger.finish(delivery)
        assert completion is (Completion.COUNTED if current else Completion.LATE)
        if completion is Completion.COUNTED:
            self.done.add((delivery.partition, delivery.offset))

    @rule(answered=st.booleans())
    def commit(self, answered: bool) -> None:
        offsets = self.ledger.committable()
        if answered:
            self.broker.take(dict(offsets))
            self.ledger.committed(offsets)

    @rule(answered=st.booleans(), known=st.booleans())
    def give_back(self, answered: bool, known: bool) -> None:
        """An eager rebalance that changes nothing: all taken, all given."""
        self._lose(tuple(self.ours), answered)
        self._gain(tuple(self.broker.fetch), known, kept=known)

    @rule(partition=partitions, answered=st.booleans())
    def move_away(self, partition: Partition, answered: bool) -> None:
        self._lose([partition], answered)
        self.broker.fetch.pop(partition, None)
        self.ours.discard(partition)

    @rule(partition=partitions)
    def be_thrown_out(self, partition: Partition) -> None:
        if partition in self.ours:
            self.ledger.lost([partition])
            del self.broker.fetch[partition]
            self.ours.discard(partition)

    @rule(partition=partitions, count=st.integers(1, 4))
    def rival_works(self, partition: Partition, count: int) -> None:
        if partition in self.ours:
            return
        start = self.broker.start(partition)
        for offset in [each for each in self.broker.offsets[partition] if each >= start][:count]:
            self.done.add((partition, offset))
            self.broker.take({partition: offset + 1})

    @rule(partition=partitions, known=st.booleans())
    def come_back(self, partition: Partition, known: bool) -> None:
        if partition not in self.ours:
            self._gain([partition], known, kept=False)

    @rule()
    def crash(self) -> None:
        self.ledger = Ledger(ManualClock())
        self.at_work.clear()
        ours, self.ours = tuple(self.ours), set()
        self._gain(ours, known=True, kept=False)

    def _lose(self, gone: Collection[Partition], answered: bool) -> None:
        ours = [partition for partition in gone if partition in self.ours]
        revoked = self.ledger.revoked(ours)
        assert set(revoked.in_flight) <= set(self.at_work)
        assert not any(map(self.ledger.current, revoked.in_flight))
        if answered:
            self.broker.take(dict(revoked.commit))

    def _gain(self, gained: Collection[Partition], known: bool, kept: bool) -> None:
        """`kept`: the client goes on where it was, unless it is told; else it begins at what is committed."""
        told = self.ledger.assigned(gained, dict(self.broker.committed) if known else None)
        assert set(told) <= set(gained)
        self.broker.untold -= set(gained)
        self.broker.untold |= set() if known else set(gained)
        for partition in gained:
            there = self.broker.fetch[partition] if kept else self.broker.start(partition)
            self.broker.fetch[partition] = told.get(partition, there)
        self.ours.update(gained)

    @invariant()
    def nothing_that_exists_below_what_is_committed_is_unfinished(self) -> None:
        for partition, committed in self.broker.committed.items():
            for offset in self.broker.offsets[partition]:
                assert offset >= committed or (partition, offset) in self.done

    @invariant()
    def the_depth_is_what_is_at_work(self) -> None:
        books = self.ledger.statistics()
        assert self.ledger.depth == books.in_flight + books.orphaned == len(self.at_work)

    def teardown(self) -> None:
        """From wherever it stands, working on finishes all, commits all, and leaves nothing behind."""
        self._gain([each for each in PARTITIONS if each not in self.ours], known=True, kept=False)
        for partition in PARTITIONS:
            self.poll(partition, len(self.broker.offsets[partition]) + 1)
        for delivery in self.at_work:
            if self.ledger.finish(delivery) is Completion.COUNTED:
                self.done.add((delivery.partition, delivery.offset))
        self.at_work.clear()
        self.broker.take(dict(self.ledger.committable()))
        for partition, offsets in self.broker.offsets.items():
            assert {offset for place, offset in self.done if place == partition} == set(offsets)
            assert not offsets or self.broker.committed[partition] == offsets[-1] + 1
        assert self.ledger.depth == 0


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
