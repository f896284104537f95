import time

import pytest
from typing_extensions import override

from inference_container.broker.kafka import KafkaBroker
from inference_container.broker.kafka_connection import KafkaConnection
from inference_container.broker.kafka_consumer import KafkaConsumer
from inference_container.broker.ports import Consumer
from tests.kafka.marks import KAFKA
from tests.suites.broker import Reading, Sending, group, members, topic
from tests.suites.broker_commits import Committing
from tests.suites.broker_groups import Changing, Naming
from tests.suites.members import World

__all__ = ["group", "members", "topic"]  # fixtures of the suite

pytestmark = KAFKA


class KafkaWorld(World):
    largest = 100_000
    patience_s = 0.05

    def __init__(self, bootstrap: str) -> None:
        self._broker = KafkaBroker(KafkaConnection(tuple(bootstrap.split(",")), largest_message=self.largest))

    @property
    @override
    def broker(self) -> KafkaBroker:
        return self._broker

    @override
    def tick(self, seconds: float) -> None:
        pass

    @override
    def pass_time(self, seconds: float) -> None:
        time.sleep(seconds)

    @override
    def crash(self, consumer: Consumer) -> None:
        assert isinstance(consumer, KafkaConsumer)
        consumer.crash()


@pytest.fixture
def world(kafka_bootstrap: str) -> KafkaWorld:
    return KafkaWorld(kafka_bootstrap)


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
