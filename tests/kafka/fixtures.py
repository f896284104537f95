"""The Kafka that tests run on: `KAFKA_BOOTSTRAP_SERVERS` if set, else one of our own. Imported by each conftest that
wants it.

Without any, tests marked `kafka` are skipped with the reason, or failed where CI promises one.
"""

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
def kafka_bootstrap(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Addresses of a broker that all tests share: use topics and groups of your own, and leave it running."""
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield given
        return
    server = KafkaServer(request.getfixturevalue("kafka_jars"), tmp_path_factory.mktemp("kafka"))
    try:
        server.start()
        yield server.bootstrap
    finally:
        server.close()
