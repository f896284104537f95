from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from inference_container.broker.memory import MemoryBroker, MemoryProducer
from inference_container.broker.memory_consumer import MemoryConsumer
from inference_container.broker.ports import Headers, Membership, Partition, Rebalance, Record, Sent
from inference_container.claims.dead_letters import DeadLetterTopics, Kind, Why, dead_letter
from inference_container.claims.deadlines import deadline_header, milliseconds
from inference_container.claims.publishing.looking import Patience
from inference_container.claims.publishing.replaying import Fate, ReplayOrder, Told, replay_letters
from inference_container.errors import BrokerUnavailable
from serving.clock import SystemClock
from serving.errors import NotFound
from tests.unit.inference_container.claims.brokers import TOPIC, everything_in

CLOCK = SystemClock()
DLQ = "DLQ-performance-eval"
PAST = deadline_header(1000)
FUTURE = deadline_header(milliseconds(CLOCK) + 3_600_000)


class Killed(BaseException):
    """The process is gone: nobody catches this."""


class FatefulBroker(MemoryBroker):
    """Its clients are killed at a chosen step (a commit or a send), just before or just after it."""

    def __init__(self) -> None:
        super().__init__(largest_message=100_000)
        self.steps_left: int | None = None
        self.after = False

    def step(self) -> bool:
        """Whether this is the one; dies if it is and nothing of it is to happen."""
        if self.steps_left is None:
            return False
        self.steps_left -= 1
        if self.steps_left == 0 and not self.after:
            raise Killed
        return self.steps_left == 0

    @override
    def consumer(self, membership: Membership, rebalance: Rebalance) -> "FatefulConsumer":
        return FatefulConsumer(self, membership, rebalance)

    @override
    def producer(self) -> "FatefulProducer":
        return FatefulProducer(self)


class FatefulConsumer(MemoryConsumer):
    def __init__(self, fate: FatefulBroker, membership: Membership, rebalance: Rebalance) -> None:
        super().__init__(fate._topics, membership, rebalance)
        self._fate = fate

    @override
    def commit(self, offsets: Mapping[Partition, int], notes: Mapping[Partition, str] = {}) -> None:
        last = self._fate.step()
        super().commit(offsets, notes)
        if last:
            raise Killed


class FatefulProducer(MemoryProducer):
    def __init__(self, fate: FatefulBroker) -> None:
        super().__init__(fate._topics, fate._largest)
        self._fate = fate

    @override
    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
    ) -> "Future[Sent]":
        last = self._fate.step()
        sent = super().send(topic, value, key, headers, timestamp_ms)
        if last:
            raise Killed
        return sent


@pytest.fixture
def broker() -> FatefulBroker:
    return made()


def made(partitions: int = 2) -> FatefulBroker:
    broker = FatefulBroker()
    broker.ensure_topics({TOPIC: 2, DLQ: partitions})
    return broker


def died(
    broker: MemoryBroker, value: bytes, reason: str = "no_data", headers: Headers = (), topic: str = TOPIC
) -> None:
    record = Record(Partition(topic, 0), 7, b"key-" + value, value, headers, 5)
    letter = dead_letter(record, Kind.CLAIM, Why(reason, "A sentence."), 3, 9, DeadLetterTopics())
    lay_down(broker, letter.value, letter.headers, letter.key)


def lay_down(broker: MemoryBroker, value: bytes | None, headers: Headers = (), key: bytes | None = None) -> None:
    MemoryProducer(broker._topics, 1_000_000).send(DLQ, value, key, headers).result()


def run(broker: MemoryBroker, **chosen: object) -> list[Told]:
    order = ReplayOrder(DLQ, **chosen)  # type: ignore[arg-type]  # a test's shorthand
    return list(replay_letters(broker, order, CLOCK, patience=Patience(topic_s=0.3, idle_s=0.3)))


def fates(told: list[Told]) -> Counter[Fate]:
    return Counter(each.fate for each in told)


def sent(broker: MemoryBroker) -> Counter[bytes]:
    return Counter(record.value or b"" for record in everything_in(broker))


def test_a_letter_goes_back_as_it_was(broker: FatefulBroker) -> None:
    died(broker, b"claim", headers=(("x", b"1"), FUTURE))
    (told,) = run(broker)
    assert (told.fate, told.reason, told.topic) == (Fate.REPLAYED, "no_data", TOPIC)
    assert told.letter.startswith(f"{DLQ}-")
    (record,) = everything_in(broker)
    assert (record.key, record.value, record.headers) == (b"key-claim", b"claim", (("x", b"1"), FUTURE))


def test_a_second_replay_sends_nothing(broker: FatefulBroker) -> None:
    for number in range(10):
        died(broker, b"%d" % number)
    assert fates(run(broker)) == {Fate.REPLAYED: 10}
    assert run(broker) == []
    died(broker, b"new")
    assert fates(run(broker)) == {Fate.REPLAYED: 1}
    assert set(sent(broker).values()) == {1}


def test_what_one_choice_left_another_still_finds(broker: FatefulBroker) -> None:
    for number in range(12):
        died(broker, b"%d" % number, reason="a" if number % 3 else "b")
    assert fates(run(broker, reason="b", limit=2)) == {Fate.REPLAYED: 2}
    assert fates(run(broker, reason="b")) == {Fate.REPLAYED: 2}
    assert fates(run(broker)) == {Fate.REPLAYED: 8}
    assert sent(broker) == {b"%d" % number: 1 for number in range(12)}


def test_what_died_again_waits_for_the_next_replay(broker: FatefulBroker) -> None:
    for number in range(700):
        died(broker, b"%d" % number)
    count = 0
    for told in replay_letters(broker, ReplayOrder(DLQ), CLOCK):
        assert told.fate is Fate.REPLAYED
        count += 1
        died(broker, b"again-%d" % count)
    assert count == 700


def test_a_dry_run_tells_the_same_and_changes_nothing(broker: FatefulBroker) -> None:
    for number in range(5):
        died(broker, b"%d" % number)
    for _ in range(2):
        assert fates(run(broker, dry_run=True, limit=3)) == {Fate.WOULD_BE: 3}
    assert sent(broker) == {}
    assert fates(run(broker)) == {Fate.REPLAYED: 5}


def test_a_passed_deadline_is_told_and_can_be_left_away(broker: FatefulBroker) -> None:
    died(broker, b"late", headers=(("x", b"1"), PAST))
    died(broker, b"bad", headers=(("deadline_ms", b"soon"),))
    died(broker, b"soon", headers=(FUTURE,))
    assert fates(run(broker)) == {Fate.EXPIRED: 1, Fate.NO_DEADLINE: 1, Fate.REPLAYED: 1}
    assert sent(broker) == {b"soon": 1}
    assert fates(run(broker, drop_deadline=True)) == {Fate.REPLAYED: 2}
    headers = {record.value: record.headers for record in everything_in(broker)}
    assert headers == {b"late": (("x", b"1"),), b"bad": (), b"soon": (FUTURE,)}


def test_what_can_not_be_replayed_is_told_each_time_and_stops_nothing(broker: FatefulBroker) -> None:
    lay_down(broker, b"of somebody else")
    record = Record(Partition(TOPIC, 0), 7, b"k", b"v", (), 5)
    shortened = dead_letter(record, Kind.CLAIM, Why("no_data", "A sentence."), 3, 9, DeadLetterTopics()).without_value()
    lay_down(broker, shortened.value, shortened.headers)
    died(broker, b"large" * 30_000)
    died(broker, b"good")
    assert fates(run(broker)) == {Fate.NO_LETTER: 2, Fate.TOO_LARGE: 1, Fate.REPLAYED: 1}
    assert fates(run(broker)) == {Fate.NO_LETTER: 2, Fate.TOO_LARGE: 1}
    assert sent(broker) == {b"good": 1}


def test_a_letter_that_nobody_acknowledged_stops_the_next_replay_until_somebody_decides(broker: FatefulBroker) -> None:
    died(broker, b"to nowhere", topic="gone")
    died(broker, b"good")
    with pytest.raises(BrokerUnavailable):
        run(broker, limit=2)
    before = sent(broker)
    assert fates(run(broker)) == {Fate.UNCERTAIN: 1}
    assert fates(run(broker)) == {Fate.UNCERTAIN: 1}
    assert sent(broker) == before
    broker.ensure_topics({"gone": 1})
    assert fates(run(broker, uncertain="send"))[Fate.REPLAYED] >= 1
    assert run(broker) == []
    assert [record.value for record in everything_in(broker, "gone")] == [b"to nowhere"]
    assert sent(broker) == {b"good": 1}


def test_an_uncertain_letter_that_is_skipped_counts_as_replayed(broker: FatefulBroker) -> None:
    died(broker, b"to nowhere", topic="gone")
    with pytest.raises(BrokerUnavailable):
        run(broker)
    assert fates(run(broker, uncertain="skip")) == {Fate.UNCERTAIN: 1}
    assert run(broker) == []


def test_a_topic_without_letters_is_empty_and_one_that_is_not_there_is_told(broker: FatefulBroker) -> None:
    assert run(broker) == []
    with pytest.raises(NotFound):
        list(replay_letters(broker, ReplayOrder("DLQ-no"), CLOCK, patience=Patience(topic_s=0.3)))


@dataclass(frozen=True)
class Run:
    reason: str | None
    limit: int | None
    drop_deadline: bool
    uncertain: Literal["stop", "skip"]
    killed_at: int
    after: bool


_runs = st.builds(
    Run,
    st.sampled_from([None, "a", "b"]),
    st.sampled_from([None, 1, 3]),
    st.booleans(),
    st.sampled_from(["stop", "skip"]),
    st.integers(1, 7),  # a letter takes three steps; one that is never reached kills nobody
    st.booleans(),
)


@settings(max_examples=50)
@given(letters=st.lists(st.sampled_from("abl?"), min_size=1, max_size=8), runs=st.lists(_runs, min_size=1, max_size=4))
def test_no_letter_is_ever_sent_twice_and_none_is_forgotten(letters: list[str], runs: list[Run]) -> None:
    broker = made()
    whole: set[bytes] = set()
    for number, kind in enumerate(letters):
        if kind == "?":
            lay_down(broker, b"%d" % number)
            continue
        whole.add(b"%d" % number)
        died(broker, b"%d" % number, reason="b" if kind == "b" else "a", headers=(PAST,) if kind == "l" else ())
    uncertain: set[str] = set()
    for each in runs:
        broker.steps_left, broker.after = each.killed_at, each.after
        order = ReplayOrder(DLQ, each.reason, each.limit, False, each.drop_deadline, each.uncertain)
        told: list[Told] = []
        try:
            for one in replay_letters(broker, order, CLOCK):
                told.append(one)
        except Killed:
            pass
        uncertain |= {one.letter for one in told if one.fate is Fate.UNCERTAIN}
    broker.steps_left = None
    last = run(broker, uncertain="skip", drop_deadline=True)
    uncertain |= {one.letter for one in last if one.fate is Fate.UNCERTAIN}
    assert set(fates(run(broker, drop_deadline=True))) <= {Fate.NO_LETTER}
    counts = sent(broker)
    assert set(counts.values()) <= {1}
    assert counts.keys() <= whole
    assert len(whole - counts.keys()) <= len(uncertain) <= len(runs)
