import threading
from collections.abc import Callable, Iterator

import pytest
from kafka import TopicPartition  # type: ignore[import-untyped]  # ships no types
from kafka.net.selector import NetworkSelector  # type: ignore[import-untyped]  # ships no types

from inference_container.broker.kafka_listener import Bridge, Change
from inference_container.broker.ports import Partition

PLACES = [TopicPartition("claims", 0), TopicPartition("claims", 3)]
Answers = list[tuple[Change, frozenset[Partition], int]]


@pytest.fixture
def loop() -> Iterator[NetworkSelector]:
    running = NetworkSelector()
    running.start()
    yield running
    running.close()


@pytest.fixture
def answers() -> Answers:
    return []


@pytest.fixture
def bridge(answers: Answers) -> Iterator[Bridge]:
    def answer(change: Change, partitions: frozenset[Partition]) -> None:
        answers.append((change, partitions, threading.get_ident()))

    made = Bridge(answer, "poll")
    yield made
    made.close()


def asking(bridge: Bridge, loop: NetworkSelector) -> Callable[[], str]:
    """What a poll does in which a rebalance comes up."""
    listener = bridge.listener(loop)

    def work() -> str:
        loop.run(listener.on_partitions_revoked, PLACES)
        loop.run(listener.on_partitions_assigned, [])
        return "records"

    return work


def test_a_rebalance_is_answered_where_the_poll_was_called(
    bridge: Bridge, loop: NetworkSelector, answers: Answers
) -> None:
    assert bridge.drive(asking(bridge, loop)) == "records"
    both = frozenset({Partition("claims", 0), Partition("claims", 3)})
    assert answers == [("revoked", both, threading.get_ident())]


def test_what_the_work_raises_comes_out(bridge: Bridge) -> None:
    def fail() -> None:
        raise LookupError("a bug in the client")

    with pytest.raises(LookupError):
        bridge.drive(fail)


def test_after_a_poll_that_was_broken_off_the_close_still_gets_its_answers(loop: NetworkSelector) -> None:
    answers: list[Change] = []

    def answer(change: Change, partitions: frozenset[Partition]) -> None:
        answers.append(change)
        if len(answers) == 1:
            raise KeyboardInterrupt  # Ctrl-C, in the middle of a poll

    bridge = Bridge(answer, "poll")
    with pytest.raises(KeyboardInterrupt):
        bridge.drive(asking(bridge, loop))
    assert bridge.drive(asking(bridge, loop)) == "records"
    assert answers == ["revoked", "revoked"]
    bridge.close()
