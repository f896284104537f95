"""What one replica occupies: the API process and one worker that computes on ONNX Runtime."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.weather import weather
from tests.integration.inference_container.conftest import MODULE
from tests.integration.processes import ServiceProcess, descendants, eventually, running

_LIMIT_MIB = 130
_OF_WORKERS = {"numpy", "onnxruntime"}
_OF_THE_API = {"pydantic_core", "uvloop"}
_OF_NEITHER = {"torch", "pandas", "pyarrow", "onnx"}


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """Restarted: what a first start writes for later ones is there."""
    home = tmp_path_factory.mktemp("replica")
    for first in (True, False):
        with running(MODULE, "INFERENCE_API_PORT", home, {"QUEUE_WORKERS": "1"}) as process:
            process.until_ready()
            if not first:
                yield process


def _ask(service: ServiceProcess, times: int) -> None:
    with service.client() as client:
        assert {client.post("/predict", json={"data": weather(120)}).status_code for _ in range(times)} == {200}


def _worker(service: ServiceProcess) -> int:
    (pid,) = descendants(service.process.pid)
    return pid


def _resident_mib(*pids: int) -> float:
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _libraries(pid: int) -> set[str]:
    """The packages whose compiled parts are loaded."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    return {line.split("/site-packages/")[1].split("/")[0] for line in maps.splitlines() if "/site-packages/" in line}


def test_each_process_holds_its_own_libraries_and_not_the_others(replica: ServiceProcess) -> None:
    _ask(replica, 1)
    api, worker = _libraries(replica.process.pid), _libraries(_worker(replica))
    assert api & (_OF_WORKERS | _OF_THE_API | _OF_NEITHER) == _OF_THE_API
    assert worker & (_OF_WORKERS | _OF_THE_API | _OF_NEITHER) == _OF_WORKERS


def test_a_replica_stays_small_after_work_and_after_its_worker_came_back(replica: ServiceProcess) -> None:
    _ask(replica, 200)
    assert _resident_mib(replica.process.pid, _worker(replica)) < _LIMIT_MIB
    os.kill(_worker(replica), signal.SIGKILL)
    eventually(lambda: len(replica.events("model_activated")) == 2, 20)
    _ask(replica, 200)
    assert _resident_mib(replica.process.pid, _worker(replica)) < _LIMIT_MIB
