"""Members of a group that come, go, crash and break, over a broker that fails: any schedule, the same promises."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from inference_container.broker.ports import Partition
from inference_container.claims.consuming.ledger import Delivery
from inference_container.claims.ports import Item, Work
from inference_container.claims.refusals import Reason
from inference_container.errors import BrokerUnavailable, CommitRefused
from tests.fakes.clock import ManualClock
from tests.unit.inference_container.claims.consuming.consumer_house import (
    CLAIM,
    TOPIC,
    KeptDesk,
    Member,
    WorstBroker,
    policy,
)

PARTITIONS = tuple(Partition(TOPIC, number) for number in range(3))
BOUND = 5
members = st.integers(0, 1)
troubles = st.sampled_from([BrokerUnavailable(), CommitRefused()])


class History(RuleBasedStateMachine):
    @initialize(assignor=st.sampled_from(["range", "cooperative-sticky"]))
    def begin(self, assignor: str) -> None:
        self.clock = ManualClock()
        self.broker = WorstBroker(self.clock, len(PARTITIONS))
        self.policy = policy(BOUND, assignor=assignor, max_poll_records=3)
        self.members = [Member(self.broker, self.clock, self.policy)]
        self.ends = dict.fromkeys(PARTITIONS, 0)
        #: Desks of processes that are gone.
        self.past: list[KeptDesk] = []
        self.present: list[KeptDesk] = [self.members[0].desk]
        self.let_go_of: set[Delivery] = set()
        self.looked_at: dict[int, int] = {}

    @rule(count=st.integers(1, 6), value=st.sampled_from([CLAIM, CLAIM, CLAIM, b"{", None]))
    def produce(self, count: int, value: bytes | None) -> None:
        for partition in self.broker.put(count, value):
            self.ends[partition] += 1

    @rule(at=members, times=st.integers(1, 4), seconds=st.sampled_from([0.0, 0.1, 0.3, 3.0]))
    def turn(self, at: int, times: int, seconds: float) -> None:
        member = self._member(at)
        for _ in range(times):
            self.clock.turn(seconds)
            before = member.books.depth
            member.turn()
            if member.desk.why is not None:
                assert member.books.depth <= before, "held, and something was fetched"

    @rule(at=members, data=st.data(), count=st.integers(1, 4))
    def end(self, at: int, data: st.DataObject, count: int) -> None:
        desk = self._member(at).desk
        for _ in range(min(count, len(desk.inside))):
            desk.end(data.draw(st.sampled_from(list(desk.inside.values()))))

    @rule(at=members, data=st.data())
    def let_go(self, at: int, data: st.DataObject) -> None:
        desk = self._member(at).desk
        if desk.inside:
            item = data.draw(st.sampled_from(list(desk.inside.values())))
            self.let_go_of.add(item.delivery)
            desk.let_go(item)

    @rule(at=members, data=st.data())
    def hold(self, at: int, data: st.DataObject) -> None:
        desk = self._member(at).desk
        desk.why = "store_unavailable"
        if desk.works:
            desk.hold(data.draw(st.sampled_from(desk.works)))

    @rule(at=members)
    def release(self, at: int) -> None:
        self._member(at).desk.why = None

    @rule()
    def join(self) -> None:
        if len(self.members) < 2:
            self.members.append(Member(self.broker, self.clock, self.policy))
            self.present.append(self.members[-1].desk)

    @rule(at=members)
    def leave(self, at: int) -> None:
        if len(self.members) > 1:
            member = self.members.pop(at)
            member.turn(2, stopping=True)
            member.turns.leave()
            self._bury(member)

    @rule(at=members)
    def crash(self, at: int) -> None:
        member = self._member(at)
        member.crash()
        self.members.remove(member)
        self._bury(member)
        self.clock.turn(46)
        if not self.members:
            self.join()

    @rule()
    def be_thrown_out(self) -> None:
        self.clock.turn(301)

    @rule(at=members)
    def break_down(self, at: int) -> None:
        member = self._member(at)
        member.break_down()

    @rule(name=st.sampled_from(["poll", "commit", "committed", "end_offsets", "revoked"]))
    def fail_once(self, name: str) -> None:
        self.broker.once[name] = BrokerUnavailable()

    @rule()
    def refuse_once(self) -> None:
        self.broker.once["commit"] = CommitRefused()

    def _member(self, at: int) -> Member:
        return self.members[at % len(self.members)]

    def _bury(self, member: Member) -> None:
        self.present.remove(member.desk)
        self.past.append(member.desk)

    @property
    def _done(self) -> set[str]:
        return {source for desk in self.past + self.present for source in desk.recorded}

    @invariant()
    def what_is_committed_never_passes_an_unfinished_offset(self) -> None:
        done = self._done
        for partition, committed in self.broker.committed(PARTITIONS).items():
            assert committed.offset <= self.ends[partition]
            assert {f"{partition}-{offset}" for offset in range(committed.offset)} <= done

    @invariant()
    def depth_never_exceeds_the_bound(self) -> None:
        for member in self.members:
            assert member.books.most_depth <= BOUND
            assert len(member.desk.inside) + member.books.waiting <= BOUND

    @invariant()
    def who_was_begun_before_is_worked_alone(self) -> None:
        for desk in self.present:
            alone = [item for item in desk.inside.values() if self._was_begun_before(item)]
            assert not alone or len(desk.inside) == 1
            seen = self.looked_at.get(id(desk), 0)
            for batch, company in zip(desk.batches[seen:], desk.company[seen:], strict=True):
                if any(map(self._was_begun_before, batch)):
                    assert len(batch) == 1
                    assert company == 0
            self.looked_at[id(desk)] = len(desk.batches)

    def _was_begun_before(self, item: Item) -> bool:
        """By another life or assignment."""
        return isinstance(item, Work) and item.attempts > 1 and item.delivery not in self.let_go_of

    @invariant()
    def nobody_is_put_aside_as_a_killer_who_was_not_begun_thrice_and_alone(self) -> None:
        for item in [item for desk in self.present for item in desk.refused]:
            if item.why.reason == Reason.WORKER_KILLER:
                source, desks = item.record.source, self.past + self.present
                begun = [
                    (batch, beside)
                    for desk in desks
                    for batch, beside in zip(desk.batches, desk.company, strict=True)
                    if any(isinstance(each, Work) and not each.doubt and each.record.source == source for each in batch)
                ]
                assert len(begun) >= 3
                assert any(len(batch) == 1 and beside == 0 for batch, beside in begun)

    @invariant()
    def nobody_is_told_to_go_who_has_ended(self) -> None:
        for member in self.members:
            assert member.books.out >= len(member.desk.inside)

    def teardown(self) -> None:
        """From wherever it stands, working on finishes all, commits all and forgets nothing."""
        if not hasattr(self, "members"):
            return
        self.broker.once.clear()
        for member in self.members:
            member.desk.why = None
        quiet = 0
        while quiet < 20:
            quiet += 1
            for member in self.members:
                self.clock.turn(0.3)
                member.turn()
                if member.desk.inside or member.books.depth:
                    quiet = 0
                member.desk.end_all()
        assert self._done == {f"{each}-{offset}" for each, end in self.ends.items() for offset in range(end)}
        committed = self.broker.committed(PARTITIONS)
        assert {each: there.offset for each, there in committed.items() if there.offset} == {
            each: end for each, end in self.ends.items() if end
        }
        assert not any(there.note for there in committed.values())
        for member in self.members:
            assert member.books.depth == member.books.out == member.books.waiting == 0
            statistics = member.books.statistics()
            assert statistics.orphaned == 0
            assert statistics.strays == 0


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
