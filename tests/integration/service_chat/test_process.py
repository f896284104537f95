"""The chat service as a process: loading, dying engines, full lanes, deadlines, hang-ups, shutdown."""

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.processes import ServiceProcess, alive, descendants, eventually, running
from tests.integration.service_chat.conftest import Start

QUESTION = {"patient_mrn": "P000123", "query": "zebra-crossing-canary: can I take ibuprofen?"}


def ask(service: ServiceProcess, timeout_s: float = 60) -> httpx.Response:
    with service.client(timeout_s) as client:
        return client.post("/triage", json=QUESTION)


class Asking:
    """One question in a thread of its own."""

    def __init__(self, service: ServiceProcess) -> None:
        self.answers: list[httpx.Response] = []
        self._service = service
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        with contextlib.suppress(httpx.TransportError):  # some tests kill the service that it asks
            self.answers.append(ask(self._service))

    def answer(self) -> httpx.Response:
        self._thread.join(60)
        return self.answers[0]


def running_jobs(service: ServiceProcess) -> int:
    return int(service.get("/health/model").json()["running"])


def lengthy(gguf: Path, **extra: str) -> dict[str, str]:
    return {"GGUF_PATH": str(gguf), "GGUF_N_CTX": "8192", "GGUF_MAX_TOKENS": "4000", **extra}


def test_health_never_fails_while_an_engine_is_killed_in_the_middle_of_an_answer(start: Start, slow_gguf: Path) -> None:
    began = time.monotonic()
    with start(lengthy(slow_gguf)) as service:
        service.until_ready()
        start_s = time.monotonic() - began
        asking = Asking(service)
        eventually(lambda: running_jobs(service) == 1, 20)
        (engine,) = descendants(service.process.pid)
        os.kill(engine, signal.SIGKILL)
        killed = time.monotonic()
        statuses: list[int] = []
        while True:
            statuses.append(service.get("/health").status_code)
            ready = service.get("/ready")
            assert ready.status_code == 200, ready.text
            if "degraded" not in ready.json() and len(descendants(service.process.pid) - {engine}) == 1:
                break
            assert ready.json().get("degraded", ["engine_restarting"]) == ["engine_restarting"]
        # Or as long as all of the first start took, on a machine that is busy.
        assert time.monotonic() - killed <= max(5, start_s)
        assert set(statuses) == {200}
        broken = asking.answer()
        assert broken.status_code == 503
        assert broken.json()["code"] == "worker_died"
        assert int(broken.headers["retry-after"]) >= 1
        assert [e["reason"] for e in service.events("child_exited")] == ["killed by SIGKILL"]


def test_kill_9_of_the_service_leaves_no_engine_behind(start: Start, slow_gguf: Path) -> None:
    with start(lengthy(slow_gguf)) as service:
        service.until_ready()
        Asking(service)
        eventually(lambda: running_jobs(service) == 1, 20)
        engines = descendants(service.process.pid)
        assert len(engines) == 1
        service.stop(signal.SIGKILL)
        eventually(lambda: not any(alive(pid) for pid in engines), 20)


def test_a_question_that_arrives_during_a_restart_is_answered_after_it(start: Start, scripted_gguf: Path) -> None:
    with start({"GGUF_PATH": str(scripted_gguf)}) as service:
        service.until_ready()
        (engine,) = descendants(service.process.pid)
        os.kill(engine, signal.SIGKILL)
        eventually(lambda: "degraded" in service.get("/ready").json(), 5)
        answer = ask(service)
        assert answer.status_code == 200
        assert answer.json()["degraded"] == []


def test_a_model_that_can_not_be_loaded_keeps_the_service_alive_and_says_why(start: Start, tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"not a model")
    with start({"GGUF_PATH": str(tmp_path / "broken.gguf")}) as service:
        service.until_answering()
        eventually(lambda: service.get("/ready").json()["status"] == "failed", 20)
        ready = service.get("/ready")
        assert ready.status_code == 503
        assert ready.json()["message"]
        answer = ask(service)
        assert answer.status_code == 200
        assert answer.json()["degraded"] == ["model_unavailable"]
        assert service.get("/health").status_code == 200


def test_while_the_model_loads_the_door_answers_and_says_how_far_it_is(start: Start) -> None:
    """A server that sends most of the file and then nothing keeps the load where it is."""
    with slow_file_server() as url, start({"MODEL_SOURCE": url}) as service:
        service.until_answering()
        eventually(lambda: 20 < (service.get("/ready").json().get("percent") or 0) < 80, 20)
        ready = service.get("/ready")
        assert ready.status_code == 503
        assert (ready.json()["status"], ready.json()["phase"]) == ("loading", "downloading")
        assert service.get("/health").status_code == 200
        early = ask(service)
        assert (early.status_code, early.json()["code"]) == (503, "not_ready")
        assert int(early.headers["retry-after"]) >= 1


def test_a_model_that_can_not_be_fetched_leaves_the_rest_of_the_service(start: Start) -> None:
    with start({"MODEL_SOURCE": "http://127.0.0.1:9/model.gguf"}) as service:
        service.until_answering()
        eventually(lambda: service.get("/ready").json()["status"] == "failed", 30)
        assert ask(service).json()["degraded"] == ["model_unavailable"]


@contextlib.contextmanager
def slow_file_server() -> Iterator[str]:
    done = threading.Event()

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(8 << 20))
            self.end_headers()
            for _ in range(40):  # three quarters of the file, slowly, then silence
                self.wfile.write(bytes(6 * (1 << 20) // 40))
                if done.wait(0.05):
                    return
            done.wait(60)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/model.gguf"
    finally:
        done.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_kill_switch_answers_from_the_record_and_is_ready(start: Start) -> None:
    with start({"MODEL_DISABLED": "1"}) as service:
        service.until_ready()
        assert service.get("/ready").json()["degraded"] == ["model_disabled"]
        body = ask(service).json()
        assert body["degraded"] == ["model_unavailable"]
        assert "record" in body["response"]
        assert body["usage"] is None
        assert descendants(service.process.pid) == set()
        assert service.get("/health/model").json()["state"] == "disabled"


def test_a_deadline_is_answered_from_the_record_and_frees_the_engine(start: Start, slow_gguf: Path) -> None:
    with start(lengthy(slow_gguf, TRIAGE_DEADLINE_SECONDS="1.0")) as service:
        service.until_ready()
        begun = time.monotonic()
        body = ask(service).json()
        assert body["degraded"] == ["deadline"]
        assert time.monotonic() - begun < 3
        eventually(lambda: running_jobs(service) == 0, 5)


def test_a_full_lane_refuses_with_a_whole_number_to_wait(start: Start, slow_gguf: Path) -> None:
    settings = lengthy(slow_gguf, TRIAGE_QUEUE_MAXSIZE="1", GGUF_SLOTS="1", GGUF_MAX_TOKENS="300")
    with start(settings) as service:
        service.until_ready()
        first = Asking(service)
        eventually(lambda: running_jobs(service) == 1, 20)
        second = Asking(service)
        eventually(lambda: service.get("/health/model").json()["queue_depth"] == 1, 20)
        refused = ask(service)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert {first.answer().status_code, second.answer().status_code} == {200}


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_a_caller_that_hangs_up_and_stays_away_stops_the_engine(start: Start, slow_gguf: Path, accept: str) -> None:
    with start(lengthy(slow_gguf, TRIAGE_GRACE_SECONDS="0.3")) as service:
        service.until_ready()
        with (
            contextlib.suppress(httpx.ReadTimeout),  # the plain answer sends nothing: this is the hang-up
            service.client(1.0) as client,
            client.stream("POST", "/triage", json=QUESTION, headers={"Accept": accept}) as answer,
        ):
            begun = time.monotonic()
            for _ in answer.iter_lines():
                if time.monotonic() - begun > 1:  # the stream sends all the time: leave it in the middle
                    break
        eventually(lambda: running_jobs(service) == 0, 5)
        assert len(service.events("request_abandoned")) == 1


def test_a_process_that_drains_says_so_to_probes_and_to_new_questions(start: Start, slow_gguf: Path) -> None:
    with start(lengthy(slow_gguf, UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN="4")) as service:
        service.until_ready()
        asking = Asking(service)
        eventually(lambda: running_jobs(service) == 1, 20)
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: service.get("/ready").status_code == 503, 4)
        assert service.get("/ready").json()["status"] == "draining"
        assert service.get("/health").status_code == 200
        refused = ask(service)
        assert (refused.status_code, refused.json()["code"]) == (503, "draining")
        assert refused.headers["connection"] == "close"
        assert asking.answer().json()["code"] == "draining"
        assert service.process.wait(10) == 0


def test_a_second_signal_ends_the_wait(start: Start, slow_gguf: Path) -> None:
    with start(lengthy(slow_gguf, UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN="30")) as service:
        service.until_ready()
        Asking(service)
        eventually(lambda: running_jobs(service) == 1, 20)
        service.process.send_signal(signal.SIGINT)
        eventually(lambda: service.get("/ready").status_code == 503, 20)
        begun = time.monotonic()
        for _ in range(2):  # the second is heard, the third cuts what is still open
            service.process.send_signal(signal.SIGINT)
            time.sleep(0.2)
        service.process.wait(15)
        assert time.monotonic() - begun < 15


def test_sigterm_lets_a_running_answer_finish(start: Start, slow_gguf: Path) -> None:
    settings = lengthy(slow_gguf, GGUF_MAX_TOKENS="400")
    with start(settings) as service:
        service.until_ready()
        asking = Asking(service)
        eventually(lambda: running_jobs(service) == 1, 20)
        assert service.stop(signal.SIGTERM) == 0
        assert asking.answer().status_code == 200
        body = asking.answer().json()
        assert body["usage"]["completion_tokens"] == 400
        assert body["degraded"] == ["model_invalid"]  # its form was not whole by then


def test_an_answer_that_outlasts_the_grace_ends_in_a_problem_and_not_in_a_cut(start: Start, slow_gguf: Path) -> None:
    with start(lengthy(slow_gguf, UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN="1")) as service:
        service.until_ready()
        asking = Asking(service)
        eventually(lambda: running_jobs(service) == 1, 20)
        assert service.stop(signal.SIGTERM) == 0
        answer = asking.answer()
        assert answer.status_code == 503
        assert answer.json()["code"] == "draining"
        assert [e["abandoned"] for e in service.events("shutdown_done")] == [1]
        assert not [e for e in service.log if "Exception" in e]


def test_nothing_a_patient_wrote_and_no_record_number_reaches_the_log(start: Start, scripted_gguf: Path) -> None:
    with start({"GGUF_PATH": str(scripted_gguf), "LOG_PROBES": "1"}) as service:
        service.until_ready()
        ask(service)
        with service.client() as client:
            client.post("/triage?mrn=P000123", json={**QUESTION, "patient_mrn": "P777777"})
            client.post("/triage", content=b'{"patient_mrn": "P000123", "query": zebra-crossing-canary')
        service.stop()
    log = "\n".join(service.log)
    lines: list[dict[str, Any]] = [json.loads(line) for line in service.log]
    assert all(str(line["ts"]).endswith("Z") and line["level"] for line in lines)
    spans = [line["event"] for line in lines if line["logger"] == "service_chat.tracing"][:8]
    assert spans == [
        *("request_received", "db_api_patient_summary_start", "db_api_patient_summary_end"),
        *("llm_inference_start", "llm_inference_end"),
        *("chat_log_storage_start", "chat_log_storage_end", "request_completed"),
    ]
    for secret in ("zebra-crossing-canary", "P000123", "P777777", "ibuprofen"):
        assert secret not in log


def test_the_same_lines_of_one_request_share_its_trace(service: ServiceProcess) -> None:
    before = {name: len(service.events(name)) for name in ("request_completed", "http_access")}
    trace_id = ask(service).json()["trace_id"]
    eventually(lambda: len(service.events("http_access")) == before["http_access"] + 1, 20)
    for name, earlier in before.items():
        assert [line["trace_id"] for line in service.events(name)[earlier:]] == [trace_id]


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"LLM_MODE": "hf-qwen2.5"}, "set LLM_MODE=remote"),
    ({"DEFAULT_LLM_MODE": "qwen"}, "Set LLM_MODE=gguf"),
    ({"LLM_MODE": "remote"}, "REMOTE_BASE_URL"),
    ({"LLM_MODE": "mock", "HF_QWEN_MODEL_ID": "x"}, "LLM_MODE=remote"),
    ({"GGUF_MAX_TOKENS": "4096", "GGUF_N_CTX": "4096"}, "room for a prompt"),
    ({"GGUF_MAX_TOKENS": "64", "GGUF_N_CTX": "512"}, "GGUF_MAX_TOKENS=64: it must be at least 864"),
    ({"MODEL_SOURCE": "ftp://x/y"}, "must begin with"),
    ({"MODEL_SOURCE": "hf://nothing"}, "a hub reference is"),
    ({"LLM_MODE": "remote", "REMOTE_BASE_URL": "localhost", "REMOTE_MODEL": "m"}, "explicit base URL"),
]


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str]]:
    """Status and log of the services that could not be started. All start at once: most of a start is imports."""
    with contextlib.ExitStack() as stack:
        home = tmp_path_factory.mktemp("refused")
        started = [
            stack.enter_context(running(("service_chat",), "CHAT_API_PORT", home, settings)) for settings, _ in REFUSED
        ]
        statuses = [service.process.wait(40) for service in started]
    return [(status, "\n".join(service.log)) for status, service in zip(statuses, started, strict=True)]


@pytest.mark.parametrize("at", range(len(REFUSED)), ids=[said for _, said in REFUSED])
def test_an_environment_that_can_not_be_served_with_stops_the_start_in_words(
    ends: list[tuple[int, str]], at: int
) -> None:
    status, log = ends[at]
    assert status == 2
    assert REFUSED[at][1] in log
    assert "Traceback" not in log
