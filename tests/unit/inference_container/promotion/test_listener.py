"""Events are heard by every process, and what can not be read is put aside by one."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from typing_extensions import override

from inference_container.broker.memory import MemoryBroker
from inference_container.broker.ports import Consumer, Headers, Membership, Partition, Rebalance
from inference_container.claims.messages import read_promotion
from inference_container.claims.refusals import Refusal
from inference_container.errors import BrokerUnavailable, MessageTooLarge
from inference_container.promotion.listener import PromotionListener
from inference_container.promotion.ports import Letter, Refused, Selected
from tests.unit.inference_container.promotion.test_pointer import OLD, PLACES, SAMPLE, edited, form

TOPIC = "model-selected"


def read(value: bytes | None) -> Selected | Refused:
    found = read_promotion(value, PLACES)
    return (
        Refused(found.reason, found.error)
        if isinstance(found, Refusal)
        else Selected(found.identifier, found.bundle_id)
    )


class Moody(MemoryBroker):
    """A broker that does not answer for a while; or has a defect."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[Exception] = []
        self.asked = 0

    @override
    def consumer(self, membership: Membership, rebalance: Rebalance) -> Consumer:  # type: ignore[override]
        self.asked += 1
        if self.failures:
            raise self.failures.pop()
        return super().consumer(membership, rebalance)


@dataclass
class Process:
    """One replica's listener, and what it did."""

    broker: MemoryBroker
    identifier: str = "default"
    hints: int = 0
    letters: list[Letter] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)
    listener: PromotionListener = field(init=False)

    def __post_init__(self) -> None:
        self.listener = PromotionListener(self.broker, TOPIC, "house", self.identifier, read, self._hint, self._send)
        self.listener.start()

    def _hint(self) -> None:
        self.hints += 1

    def _send(self, letter: Letter) -> None:
        if self.trouble:
            raise self.trouble.pop()
        self.letters.append(letter)

    def end(self) -> None:
        self.listener.stop()
        assert self.listener.join(10)
        assert not self.listener.alive


@pytest.fixture
def broker() -> MemoryBroker:
    made = MemoryBroker()
    made.ensure_topics({TOPIC: 2})
    return made


@pytest.fixture
def start(broker: MemoryBroker) -> Iterator[Callable[[], Process]]:
    made: list[Process] = []

    def one(identifier: str = "default", at: MemoryBroker | None = None) -> Process:
        made.append(Process(at or broker, identifier))
        return made[-1]

    yield one
    for each in made:
        each.end()


def say(broker: MemoryBroker, value: bytes | None, key: bytes = b"default", headers: Headers = ()) -> str:
    """Where it lies."""
    producer = broker.producer()
    sent = producer.send(TOPIC, value, key, headers).result(1)
    producer.close()
    return f"{sent.partition}-{sent.offset}"


def wait(check: Callable[[], bool], within_s: float = 10.0) -> None:
    end = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.005)


def committed(broker: MemoryBroker) -> int:
    """Messages of the topic that the group of the letters is done with."""
    member = broker.consumer(Membership("house-promotion-letters", (TOPIC,)), Nobody())
    return sum(each.offset for each in member.committed([Partition(TOPIC, 0), Partition(TOPIC, 1)]).values())


class Nobody(Rebalance):
    @override
    def assigned(self, partitions: object) -> dict[Partition, int]:
        return {}

    @override
    def revoked(self, partitions: object) -> dict[Partition, "object"]:  # type: ignore[override]
        return {}

    @override
    def lost(self, partitions: object) -> None:
        pass


def test_a_good_event_is_a_hint_to_every_process(broker: MemoryBroker, start: Callable[[], Process]) -> None:
    processes = [start(), start(), start()]
    say(broker, SAMPLE.encode())
    wait(lambda: all(each.hints for each in processes))
    assert not any(each.letters for each in processes)


def test_an_event_of_before_the_start_is_heard_too(broker: MemoryBroker, start: Callable[[], Process]) -> None:
    say(broker, SAMPLE.encode())
    one = start()
    wait(lambda: one.hints == 1)
    one.end()
    again = start()
    wait(lambda: again.hints == 1)


def test_another_identifiers_event_is_neither_hint_nor_letter(
    broker: MemoryBroker, start: Callable[..., Process]
) -> None:
    mine, other = start(), start("other")
    say(broker, edited(identifier="other"), b"other")
    wait(lambda: other.hints == 1)
    wait(lambda: committed(broker) == 1)
    assert (mine.hints, mine.letters, other.letters) == (0, [], [])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (OLD, "no_bundle_id"),
        (form(OLD), "not_json"),
        (b"\xff\xfe", "not_utf8"),
        (b"[]", "wrong_schema"),
        (edited(bucket="private-data"), "not_allowed"),
        (b"{" + b" " * 70_000 + b"}", "too_large"),
    ],
)
def test_what_can_not_be_followed_becomes_one_letter_however_many_listen(
    broker: MemoryBroker, start: Callable[[], Process], value: bytes, reason: str
) -> None:
    processes = [start(), start(), start()]
    source = say(broker, value, b"promotion", (("trace", b"1"),))
    wait(lambda: committed(broker) == 1)
    (letter,) = [letter for each in processes for letter in each.letters]
    assert (letter.key, letter.value, letter.headers) == (b"promotion", value, (("trace", b"1"),))
    assert (letter.source, letter.why.reason, letter.loading) == (source, reason, False)
    assert not any(each.hints for each in processes)


def test_a_letter_is_not_written_again_after_a_restart(broker: MemoryBroker, start: Callable[[], Process]) -> None:
    say(broker, OLD)
    first = start()
    wait(lambda: len(first.letters) == 1)
    first.end()
    second = start()
    say(broker, SAMPLE.encode())
    wait(lambda: second.hints == 1)
    wait(lambda: committed(broker) == 2)
    assert second.letters == []


def test_a_tombstone_is_no_fault(broker: MemoryBroker, start: Callable[[], Process]) -> None:
    one = start()
    say(broker, None)
    wait(lambda: committed(broker) == 1)
    assert (one.hints, one.letters) == (0, [])


def test_a_letter_that_could_not_be_sent_is_sent_later_and_hints_go_on_meanwhile(
    broker: MemoryBroker, start: Callable[[], Process]
) -> None:
    one = start()
    one.trouble = [BrokerUnavailable()]
    sources = [say(broker, OLD), say(broker, b"nothing")]
    say(broker, SAMPLE.encode())
    wait(lambda: one.hints == 1)
    wait(lambda: len(one.letters) >= 2)
    wait(lambda: committed(broker) == 3)
    assert {each.source for each in one.letters} == set(sources)


def test_a_letter_that_is_too_large_for_the_broker_does_not_hold_those_behind_it(
    broker: MemoryBroker, start: Callable[[], Process]
) -> None:
    one = start()
    one.trouble = [MessageTooLarge()]
    say(broker, OLD)
    wait(lambda: committed(broker) == 1)
    say(broker, b"nothing")
    wait(lambda: [each.why.reason for each in one.letters] == ["not_json"])


@pytest.mark.parametrize("failure", [BrokerUnavailable(), RuntimeError("a defect")])
def test_a_broker_that_does_not_answer_does_not_end_the_threads(
    start: Callable[..., Process], failure: Exception
) -> None:
    broker = Moody()
    broker.ensure_topics({TOPIC: 1})
    broker.failures = [failure, failure]
    one = start("default", broker)
    say(broker, SAMPLE.encode())
    wait(lambda: one.hints == 1)
    assert one.listener.alive
    wait(lambda: broker.asked >= 4)


def test_it_ends_while_it_waits_for_a_broker(start: Callable[..., Process]) -> None:
    broker = Moody()
    broker.failures = [BrokerUnavailable() for _ in range(1000)]
    one = start("default", broker)
    wait(lambda: broker.asked >= 2)
    begun = time.monotonic()
    one.end()
    assert time.monotonic() - begun < 5


def test_its_threads_do_not_keep_a_process_alive(start: Callable[[], Process]) -> None:
    start()
    mine = [each for each in threading.enumerate() if each.name.startswith("promotion-")]
    assert len(mine) == 2
    assert all(each.daemon for each in mine)
