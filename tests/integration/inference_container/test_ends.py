"""Told to end while broker and store do not answer: the process ends all the same, and soon."""

import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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


@pytest.mark.parametrize("listening", [False, True], ids=["refused", "mute"])
@pytest.mark.parametrize("autoload", ["0", "1"], ids=["bundle", "promoted"])
def test_a_broker_and_a_store_that_never_answered_do_not_hold_the_end(
    tmp_path: Path, listening: bool, autoload: str
) -> None:
    outside = address(listening)
    with outside as place, running(MODULE, "INFERENCE_API_PORT", tmp_path, _settings(place, autoload, tmp_path)) as it:
        it.until_answering(40)
        time.sleep(2)  # until every client is in the middle of asking
        assert it.get("/healthz").status_code == 200
        began = time.monotonic()
        status = it.stop(signal.SIGTERM, 60)
        took_s = time.monotonic() - began
    assert (status, "Traceback" in "\n".join(it.log)) == (0, False), "\n".join(it.log)
    assert took_s < SOON_S, "\n".join(it.log)


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
