"""The Kafka that tests run on: `KAFKA_BOOTSTRAP_SERVERS` if set, else one of our own.

Imported by the one conftest above all tests: each further one that did would get a broker of its own.

Without any, tests marked `kafka` are skipped with the reason, or failed where CI promises one.
"""

import gc
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kafka.jars import NoKafka, jars
from tests.kafka.server import KafkaServer


@pytest.fixture(scope="session")
def kafka_jars(request: pytest.FixtureRequest) -> Path:
    """The folder of Kafka's jars, for tests that start a broker of their own."""
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")

    def say(word: str) -> None:
        if reporter is not None:
            reporter.write_line(f"\n{word}")

    try:
        return jars(say)
    except NoKafka as lack:
        if os.environ.get("CI") == "true":
            pytest.fail(str(lack))
        pytest.skip(str(lack))  # a laptop without Java or Maven; under CI it fails, above


@pytest.fixture(scope="session")
def kafka_node(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A broker that all tests share: use topics and groups of your own. Who stops it has to start it again."""
    server = KafkaServer(kafka_jars, tmp_path_factory.mktemp("kafka"))
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def kafka_bootstrap(request: pytest.FixtureRequest) -> str:
    """Addresses of a broker that all tests share, and leave running."""
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        return given
    node: KafkaServer = request.getfixturevalue("kafka_node")
    return node.bootstrap


@pytest.fixture
def no_sockets_left(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Collects what the client forgot here, where the warnings about it are expected, and not in a later test."""
    caplog.set_level(logging.CRITICAL, "kafka")  # a kept record keeps a traceback, and that keeps a socket
    yield
    gc.collect()
