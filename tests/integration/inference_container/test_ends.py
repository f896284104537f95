"""Told to end while broker and store do not answer: the process ends all the same, and soon."""

import itertools
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.inference_container.conftest import MODULE
from tests.integration.processes import running

#: An idle house has nothing to drain. What asks a broker or a store still is given two seconds, twice.
SOON_S = 10.0


@contextmanager
def address(listening: bool) -> Iterator[str]:
    """Where connections are refused; or taken, and nobody says a word."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        if listening:
            door.listen(64)
        yield f"127.0.0.1:{door.getsockname()[1]}"


@dataclass(frozen=True, slots=True)
class End:
    status: int
    took_s: float
    log: str


CASES = list(itertools.product(("bundle", "promoted"), ("refused", "mute")))


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, str], End]:
    """Of each case. All run at once: most of the time is waited."""
    found = {}
    with ExitStack() as stack:
        services = {}
        for case in CASES:
            bundle, door = case
            place = stack.enter_context(address(door == "mute"))
            folder = tmp_path_factory.mktemp("-".join(case))
            settings = _settings(place, "1" if bundle == "promoted" else "0", folder)
            services[case] = stack.enter_context(running(MODULE, "INFERENCE_API_PORT", folder, settings))
        for service in services.values():
            service.until_answering(60)
        time.sleep(2)  # until every client is in the middle of asking
        assert [service.get("/healthz").status_code for service in services.values()] == [200] * len(CASES)
        began = time.monotonic()
        for service in services.values():
            service.process.send_signal(signal.SIGTERM)
        for case, service in services.items():
            status = service.process.wait(60)
            found[case] = End(status, time.monotonic() - began, "\n".join(service.log))
    return found


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_a_broker_and_a_store_that_never_answered_do_not_hold_the_end(
    ends: Mapping[tuple[str, str], End], case: tuple[str, str]
) -> None:
    end = ends[case]
    assert (end.status, "Traceback" in end.log) == (0, False), end.log
    assert end.took_s < SOON_S, end.log


def _settings(outside: str, autoload: str, folder: Path) -> Mapping[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": outside,
        "S3_ENDPOINT": outside,
        "S3_ACCESS_KEY": "somebody",
        "S3_SECRET_KEY": "not-a-secret-of-anybody",
        "S3_SECURE": "0",
        "INFERENCE_AUTOLOAD_PROMOTED": autoload,
        "BUNDLE_CACHE": str(folder / "bundles"),
    }
