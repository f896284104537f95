"""One forecast service for all tests that only ask it questions."""

from collections.abc import Iterator

import pytest

from tests.integration.processes import ServiceProcess, running

MODULE = ("inference_container", "serve")


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running(MODULE, "INFERENCE_API_PORT", tmp_path_factory.mktemp("inference"), {}) as process:
        process.until_ready()
        yield process
