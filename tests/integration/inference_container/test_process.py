"""The forecast service as a process: start, death of a worker, overload, shutdown."""

import contextlib
import json
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from inference_container.defaults import default_bundle_path
from tests.fakes.weather import weather
from tests.integration.inference_container.conftest import MODULE
from tests.integration.processes import ServiceProcess, alive, descendants, eventually, running

ROWS = 120


def serve(cwd: Path, settings: Mapping[str, str] | None = None) -> AbstractContextManager[ServiceProcess]:
    return running(MODULE, "INFERENCE_API_PORT", cwd, settings or {})


def ask(service: ServiceProcess) -> httpx.Response:
    with service.client() as client:
        return client.post("/predict", json={"data": weather(ROWS)})


def test_the_socket_answers_while_the_model_still_loads(tmp_path: Path) -> None:
    with serve(tmp_path) as service:
        service.until_answering()
        eventually(lambda: len(descendants(service.process.pid)) == 1, 20)
        (worker,) = descendants(service.process.pid)
        os.kill(worker, signal.SIGSTOP)  # it loads within half a second: sooner than these questions are asked
        try:
            ready = service.get("/ready")
            assert ready.status_code == 503
            assert ready.json()["status"] == "not_ready"
            assert ready.json()["state"] in ("starting", "loading", "warming")
            assert service.get("/healthz").json()["model_ready"] is False
            early = ask(service)
            assert early.status_code == 503
            assert int(early.headers["retry-after"]) >= 1
        finally:
            os.kill(worker, signal.SIGCONT)
        service.until_ready()
        assert ask(service).status_code == 200
        assert service.get("/healthz").json()["startup_ready_ms"] > 0
        # The first probe of a head is answered by the application, those after it without: nobody can tell which.
        first, second = (service.get("/healthz") for _ in range(2))
        assert first.json() == second.json()
        assert first.headers.keys() == second.headers.keys()


def test_without_a_bundle_a_forecast_is_refused_and_the_process_lives(tmp_path: Path) -> None:
    with serve(tmp_path, {"BUNDLE_PATH": "none"}) as service:
        service.until_answering()
        answer = ask(service)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert "BUNDLE_PATH" in service.get("/ready").json()["message"]
        assert service.get("/healthz").status_code == 200


def test_a_bundle_that_forecasts_something_else_than_its_trainer_recorded_is_refused(tmp_path: Path) -> None:
    spoiled = tmp_path / "bundle"
    shutil.copytree(default_bundle_path(), spoiled)
    golden = json.loads((spoiled / "golden.json").read_text())
    text = json.dumps(_nudge(golden))
    (spoiled / "golden.json").write_text(text)
    _rehash(spoiled)
    with serve(tmp_path, {"BUNDLE_PATH": str(spoiled)}) as service:
        service.until_answering()
        eventually(lambda: service.get("/ready").json()["state"] == "failed", 60)
        assert "golden_mismatch" in service.get("/ready").json()["message"]
        assert ask(service).status_code == 503
        assert [line["code"] for line in service.events("model_rejected")] == ["golden_mismatch"]


def _nudge(node: object, inside: bool = False) -> object:
    """Every expected output a little off, inputs as they were."""
    if isinstance(node, dict):
        return {key: _nudge(value, inside or "expect" in key or "output" in key) for key, value in node.items()}
    if isinstance(node, list):
        return [_nudge(value, inside) for value in node]
    return node + 0.5 if inside and isinstance(node, float) else node


def _rehash(bundle: Path) -> None:
    """Makes size, hashes and identity fit again, as a forger would."""
    import hashlib

    from inference_container.bundles.loader import bundle_id_of, read_manifest

    raw = json.loads((bundle / "manifest.json").read_text())
    content = (bundle / "golden.json").read_bytes()
    raw["files"]["golden.json"] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (bundle / "manifest.json").write_text(json.dumps(raw))
    raw["bundle_id"] = bundle_id_of(read_manifest(bundle).files)
    (bundle / "manifest.json").write_text(json.dumps(raw))


def test_a_killed_worker_comes_back_and_health_never_fails(tmp_path: Path) -> None:
    with serve(tmp_path) as service:
        service.until_ready()
        before = ask(service).json()["predictions"]
        (worker,) = descendants(service.process.pid)
        os.kill(worker, signal.SIGKILL)
        assert service.get("/healthz").status_code == 200
        degraded = {"status": "ready", "degraded": ["worker_restarting"]}
        eventually(lambda: service.get("/ready").json() == degraded, 2)
        eventually(lambda: service.get("/ready").json() == {"status": "ready"}, 20)
        assert ask(service).json()["predictions"] == before
        assert [line["reason"] for line in service.events("child_exited")] == ["killed by SIGKILL"]


def test_a_worker_that_comes_back_finds_the_model_its_siblings_serve_whatever_became_of_the_folder(
    tmp_path: Path,
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(default_bundle_path(), bundle)
    with serve(tmp_path, {"BUNDLE_PATH": str(bundle), "QUEUE_WORKERS": "2"}) as service:
        service.until_ready()
        eventually(lambda: service.get("/queue_stats").json()["workers"] == 2, 30)
        before = ask(service).json()["predictions"]
        (bundle / "golden.json").write_text((bundle / "golden.json").read_text() + " ")
        for pid in descendants(service.process.pid):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: len(service.events("model_activated")) == 4, 30)
        assert service.events("model_rejected") == []
        assert ask(service).json()["predictions"] == before
        shutil.rmtree(bundle)
        (worker, _) = descendants(service.process.pid)
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: len(service.events("model_activated")) == 5, 30)
        assert ask(service).json()["predictions"] == before


def test_callers_that_hang_up_free_their_places(tmp_path: Path) -> None:
    with serve(tmp_path) as service:
        service.until_ready()
        (worker,) = descendants(service.process.pid)
        os.kill(worker, signal.SIGSTOP)
        try:
            for _ in range(6):
                with pytest.raises(httpx.ReadTimeout), service.client(0.3) as client:
                    client.post("/predict", json={"data": weather(ROWS)})
            eventually(lambda: service.get("/queue_stats").json()["qsize"] == 0, 20)
            assert service.get("/queue_stats").json()["abandoned"] == 6
        finally:
            os.kill(worker, signal.SIGCONT)
        assert ask(service).status_code == 200


def test_a_body_that_never_ends_is_not_waited_for_beyond_the_deadline(tmp_path: Path) -> None:
    with serve(tmp_path, {"INFERENCE_TIMEOUT": "1"}) as service:
        service.until_ready()
        with socket.create_connection(("127.0.0.1", service.port), timeout=5) as slow:
            slow.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
            assert slow.recv(100).startswith(b"HTTP/1.1 504")


def test_kill_9_of_the_service_leaves_no_worker_behind(tmp_path: Path) -> None:
    with serve(tmp_path, {"QUEUE_WORKERS": "2"}) as service:
        service.until_ready()
        workers = descendants(service.process.pid)
        assert len(workers) == 2
        service.stop(signal.SIGKILL)
        eventually(lambda: not any(alive(pid) for pid in workers), 20)


def test_a_full_queue_is_refused_with_a_whole_number_to_wait_and_one_good_request_follows(tmp_path: Path) -> None:
    with serve(tmp_path, {"QUEUE_MAXSIZE": "1", "ENABLE_MICROBATCH": "0"}) as service:
        service.until_ready()
        answers: list[httpx.Response] = []
        with service.client() as client:
            body = client.build_request("POST", "/predict", json={"data": weather(2000)}).content
            callers = [
                threading.Thread(
                    target=lambda: answers.extend(client.post("/predict", content=body) for _ in range(20))
                )
                for _ in range(16)
            ]
            for caller in callers:
                caller.start()
            for caller in callers:
                caller.join()
        statuses = [a.status_code for a in answers]
        assert set(statuses) == {200, 429}
        assert all(int(a.headers["retry-after"]) >= 1 for a in answers if a.status_code == 429)
        stats = service.get("/queue_stats").json()
        assert stats["rejected_full"] == statuses.count(429)
        assert stats["completed"] == statuses.count(200)
        assert ask(service).status_code == 200


def test_a_deadline_that_passes_is_a_504(tmp_path: Path) -> None:
    with serve(tmp_path, {"INFERENCE_TIMEOUT": "0.5"}) as service:
        service.until_ready()
        (worker,) = descendants(service.process.pid)
        os.kill(worker, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            assert ask(service).status_code == 504
            assert time.monotonic() - begun < 10
            assert service.get("/healthz").status_code == 200
        finally:
            os.kill(worker, signal.SIGCONT)
        assert ask(service).status_code == 200


def test_sigterm_lets_a_running_forecast_finish(tmp_path: Path) -> None:
    with serve(tmp_path) as service:
        service.until_ready()
        (worker,) = descendants(service.process.pid)
        os.kill(worker, signal.SIGSTOP)
        answers: list[int] = []
        caller = threading.Thread(target=lambda: answers.append(ask(service).status_code))
        caller.start()
        eventually(lambda: service.get("/queue_stats").json()["active_jobs"] == 1, 20)
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        os.kill(worker, signal.SIGCONT)
        caller.join(10)
        assert answers == [200]
        assert service.process.wait(10) == 0


REFUSED = [
    ("PREDICT_MAX_CONCURRENCY", "64", "QUEUE_WORKERS"),
    ("PREDICT_FORCE_OK", "1", "never answered with a success"),
    ("QUEUE_MAXSIZE", "0", "QUEUE_MAXSIZE"),
    ("CORS_ALLOW_ORIGINS", "*", "name the origins"),
    ("KFP_METADATA_PATH", "x", "Kubeflow"),
]


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str]]:
    """Status and log of the services that could not be started. All start at once: most of a start is imports."""
    with contextlib.ExitStack() as stack:
        home = tmp_path_factory.mktemp("refused")
        started = [stack.enter_context(serve(home, {name: value})) for name, value, _ in REFUSED]
        statuses = [service.process.wait(40) for service in started]
    return [(status, "\n".join(service.log)) for status, service in zip(statuses, started, strict=True)]


@pytest.mark.parametrize("at", range(len(REFUSED)), ids=[name for name, _, _ in REFUSED])
def test_an_environment_that_can_not_be_served_with_stops_the_start_in_words(
    ends: list[tuple[int, str]], at: int
) -> None:
    status, log = ends[at]
    assert status == 2
    assert REFUSED[at][2] in log
    assert "Traceback" not in log


def test_every_line_of_a_run_has_a_utc_timestamp(tmp_path: Path) -> None:
    with serve(tmp_path, {"ACCESS_LOG": "1", "LOG_PROBES": "1", "MINIO_DEFAULT_BUCKET": "dataset"}) as service:
        service.until_ready()
        ask(service)
        service.stop()
    lines = [json.loads(line) for line in service.log]
    assert all(str(line["ts"]).endswith("Z") and line["level"] for line in lines)
    assert {"http_access", "setting_without_effect", "shutdown_done"} <= {line["event"] for line in lines}
