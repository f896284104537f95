"""Both services as processes tell what they use: in their metrics, and in their log where that was asked for."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.integration.processes import ServiceProcess, eventually, running

MB = 1024 * 1024
WANTED = {"ENABLE_RESOURCE_LOGS": "1", "RESOURCE_LOG_SECONDS": "1", "BUILD_REVISION": "abc123"}
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="read from Linux's own files")


def value(service: ServiceProcess, sample: str) -> float:
    """Of a sample as it stands in the exposition."""
    found = re.search(rf"^{re.escape(sample)} (\S+)$", service.get("/metrics").text, re.MULTILINE)
    assert found is not None, sample
    return float(found[1])


def test_the_forecast_service_tells_of_itself_and_of_its_workers(tmp_path: Path) -> None:
    settings = {**WANTED, "QUEUE_WORKERS": "1"}
    with running(("inference_container", "serve"), "INFERENCE_API_PORT", tmp_path, settings) as service:
        service.until_ready()
        assert 20 * MB < value(service, "process_resident_memory_bytes") < 1000 * MB
        # Of this program: the test that started it may have been as large as it likes.
        peak = value(service, "process_max_resident_memory_bytes")
        assert value(service, "process_resident_memory_bytes") <= peak < 1000 * MB
        assert 5 < value(service, "process_open_fds") < value(service, "process_max_fds")
        assert value(service, 'child_resident_memory_bytes{child="worker"}') > 20 * MB
        assert value(service, 'service_info{revision="abc123",service="inference",version="0.1.0"}') == 1
        used = value(service, 'child_cpu_seconds_total{child="worker"}')
        assert used > 0
        (worker,) = service.events("child_started")
        os.kill(int(str(worker["pid"])), signal.SIGKILL)
        eventually(lambda: len(service.events("child_started")) == 2, 30, lambda: "".join(service.log))
        assert value(service, 'child_cpu_seconds_total{child="worker"}') >= used
        eventually(lambda: len(service.events("resource_usage")) >= 2, 20, lambda: "".join(service.log))
        # A line of a moment without a worker tells of none.
        eventually(lambda: _workers(service) != [], 20, lambda: "".join(service.log))
        assert _workers(service)[0]["count"] == 1


def _workers(service: ServiceProcess) -> list[dict[str, object]]:
    """What the lines of the log tell of workers."""
    children = [line["children"] for line in service.events("resource_usage")]
    return [each["worker"] for each in children if isinstance(each, dict) and "worker" in each]


def test_the_chat_service_tells_of_itself_and_says_nothing_in_the_log_unless_asked(tmp_path: Path) -> None:
    with running(("service_chat",), "CHAT_API_PORT", tmp_path, {"LLM_MODE": "mock"}) as service:
        service.until_ready()
        assert value(service, "process_resident_memory_bytes") > 20 * MB
        assert value(service, 'service_info{revision="unknown",service="chat",version="0.1.0"}') == 1
        assert 'child="' not in service.get("/metrics").text  # there is none
    assert service.events("resource_usage") == []
