import gc
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kafka.fixtures import kafka_bootstrap, kafka_jars
from tests.kafka.server import KafkaServer

__all__ = ["kafka_bootstrap", "kafka_jars"]


@pytest.fixture(scope="module")
def own_server(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    server = KafkaServer(kafka_jars, tmp_path_factory.mktemp("kafka"))
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def kafka_server(own_server: KafkaServer) -> KafkaServer:
    """A broker of this module alone, which may be stopped, killed and restarted. It runs when a test begins."""
    if not own_server.running:
        own_server.start()
    return own_server


@pytest.fixture
def no_sockets_left(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Collects what the client forgot here, where the warnings about it are expected, and not in a later test."""
    caplog.set_level(logging.CRITICAL, "kafka")  # a kept record keeps a traceback, and that keeps a socket
    yield
    gc.collect()
