from collections.abc import Iterator

import pytest

from tests.kafka.server import KafkaServer


@pytest.fixture
def kafka_server(kafka_node: KafkaServer) -> Iterator[KafkaServer]:
    """The broker that all share, for tests that need its programs, or stop, kill and restart it."""
    yield kafka_node
    if not kafka_node.running:
        kafka_node.start()
