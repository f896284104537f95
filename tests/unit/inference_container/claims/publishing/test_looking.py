import threading
from collections.abc import Sequence

import pytest
from typing_extensions import override

from inference_container.broker.memory import MemoryBroker
from inference_container.broker.memory_consumer import MemoryConsumer
from inference_container.broker.ports import Membership, Record
from inference_container.claims.publishing.looking import Bounds, Patience, look, membership, read
from serving.clock import SystemClock
from serving.errors import NotFound
from tests.fakes.clock import ManualClock
from tests.suites.members import Told
from tests.unit.inference_container.claims.brokers import TOPIC, broker_with

CLOCK = SystemClock()


def fill(broker: MemoryBroker, count: int, begin: int = 0) -> None:
    producer = broker.producer()
    for number in range(begin, begin + count):
        producer.send(TOPIC, b"%d" % number).result()


def numbers(broker: MemoryBroker, last: int | None = None) -> list[int]:
    return sorted(int(record.value or b"") for record in look(broker, TOPIC, CLOCK, last))


def test_a_look_reads_all_there_is_and_ends() -> None:
    broker = broker_with(partitions=3)
    fill(broker, 1500)
    assert numbers(broker) == list(range(1500))


def test_a_look_may_begin_some_way_back() -> None:
    broker = broker_with(partitions=2)
    fill(broker, 10)
    assert numbers(broker, last=2) == [6, 7, 8, 9]
    assert numbers(broker, last=100) == list(range(10))
    assert numbers(broker, last=0) == []


def test_a_look_at_nothing_ends_too() -> None:
    assert numbers(broker_with()) == []


def test_two_looks_see_the_same_and_a_group_that_works_loses_nothing() -> None:
    broker = broker_with()
    fill(broker, 10)
    worker = broker.consumer(Membership("workers", (TOPIC,)), Told())
    assert numbers(broker) == numbers(broker) == list(range(10))
    assert len(worker.poll(100, 0.1)) == 10


def test_a_topic_that_is_not_there_is_told() -> None:
    with pytest.raises(NotFound, match="no-such-topic"):
        list(look(broker_with(), "no-such-topic", CLOCK, patience=Patience(topic_s=0.3)))


def test_a_look_that_follows_goes_on_with_what_comes_until_it_is_stopped() -> None:
    broker = broker_with(partitions=1)
    fill(broker, 5)
    stop = threading.Event()
    seen: list[int] = []
    for record in look(broker, TOPIC, CLOCK, last=1, follow=True, stopped=stop.is_set):
        seen.append(int(record.value or b""))
        if seen == [4]:
            fill(broker, 2, begin=5)
        if len(seen) == 3:
            stop.set()
    assert seen == [4, 5, 6]


def test_what_comes_during_a_look_that_does_not_follow_is_left_out() -> None:
    broker = broker_with(partitions=1)
    fill(broker, 600)
    seen: list[int] = []
    for record in look(broker, TOPIC, CLOCK):
        seen.append(int(record.value or b""))
        if len(seen) == 1:
            fill(broker, 50, begin=600)
    assert seen == list(range(600))


def test_a_long_wait_for_partitions_is_no_silence_of_theirs() -> None:
    broker = broker_with(partitions=1)
    fill(broker, 3)
    clock = ManualClock()

    class LateConsumer(MemoryConsumer):
        """Its group lets it in at the tenth poll; each takes a second."""

        polls = 0

        @override
        def poll(self, most: int, wait_s: float) -> Sequence[Record]:
            self.polls += 1
            clock.turn(1.0)
            if self.polls < 10:
                return []
            return super().poll(1 if self.polls > 11 else 0, 0.0)

    bounds = Bounds()
    bounds.consumer = LateConsumer(broker._topics, membership("late", TOPIC), bounds)
    patience = Patience(topic_s=60.0, idle_s=5.0)
    assert len(list(read(bounds.consumer, bounds, TOPIC, clock, patience=patience))) == 3
