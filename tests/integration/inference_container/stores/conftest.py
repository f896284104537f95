"""One VersityGW and one rclone for all tests of stores, started when the first asks."""

from collections.abc import Callable, Iterator

import pytest

from inference_container.stores.address import S3Address
from tests.integration.object_servers import given_address, rclone, rclone_program, versitygw, versitygw_program


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """A line on the terminal, though output is captured: a first run takes a minute that somebody watches."""
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    capture = request.config.pluginmanager.get_plugin("capturemanager")

    def line(text: str) -> None:
        if reporter is not None and capture is not None:
            with capture.global_and_fixture_disabled():  # what a fixture writes is captured too
                reporter.ensure_newline()
                reporter.write_line(text)

    return line


@pytest.fixture(scope="session")
def versity_address(tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]) -> Iterator[S3Address]:
    given = given_address()
    if given is not None:
        yield given
        return
    with versitygw(versitygw_program(say), tmp_path_factory.mktemp("versitygw")) as server:
        yield server.address


@pytest.fixture(scope="session")
def rclone_address(tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]) -> Iterator[S3Address]:
    with rclone(rclone_program(say), tmp_path_factory.mktemp("rclone")) as server:
        yield server.address
