import pytest
from typing_extensions import override

from inference_container.broker.memory import MemoryBroker
from inference_container.broker.memory_consumer import MemoryConsumer
from inference_container.broker.ports import Consumer
from tests.fakes.clock import ManualClock
from tests.suites.broker import Reading, Sending, group, members, topic
from tests.suites.broker_commits import Committing
from tests.suites.broker_groups import Changing, Naming
from tests.suites.members import World

__all__ = ["group", "members", "topic"]  # fixtures of the suite


class MemoryWorld(World):
    largest = 10_000
    patience_s = 0.002

    def __init__(self) -> None:
        self._clock = ManualClock()
        self._broker = MemoryBroker(self._clock, self.largest)

    @property
    @override
    def broker(self) -> MemoryBroker:
        return self._broker

    @override
    def tick(self, seconds: float) -> None:
        self._clock.turn(seconds)

    @override
    def pass_time(self, seconds: float) -> None:
        self._clock.turn(seconds)

    @override
    def crash(self, consumer: Consumer) -> None:
        assert isinstance(consumer, MemoryConsumer)
        consumer.crash()


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


class TestSending(Sending):
    pass


class TestReading(Reading):
    pass


class TestCommitting(Committing):
    pass


class TestChanging(Changing):
    pass


class TestNaming(Naming):
    pass
