"""What the tour gives its services, and how it notices that one is gone or is not ours."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import demo
from scripts.demo import chat_settings, model
from scripts.houses import ROOT, House, environment, free_port, until_ready, wanted_port
from scripts.tour import TourFailed
from service_chat.models.manifest import DEFAULT_MODEL, SMALL_MODEL, ModelFile
from service_chat.models.store import FetchedModel
from service_chat.settings import ChatSettings
from serving.errors import DependencyFailed

FOUND = FetchedModel(Path("/models/chosen.gguf"), "a" * 64, 1)
RIVALS = {
    "LLM_MODE": "mock",
    "llm_mode": "mock",
    "DEFAULT_LLM_MODE": "mock",
    "MODEL_DISABLED": "1",
    "MODEL_SOURCE": "hf://else/where/model.gguf",
    "MODEL_SHA256": "b" * 64,
    "GGUF_PATH": "other.gguf",
    "model_disabled": "true",
}


@given(st.sets(st.sampled_from(sorted(RIVALS))))
def test_whatever_the_environment_asks_for_the_services_always_get_the_chosen_model(names: set[str]) -> None:
    given_to_it = environment({name: RIVALS[name] for name in names}, chat_settings(FOUND))
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            patch.delenv(name)
        for name, value in given_to_it.items():
            patch.setenv(name, value)
        settings = ChatSettings.from_environment()
    assert (settings.llm_mode, settings.model_disabled, settings.model_source) == ("gguf", False, "")
    assert (settings.gguf_path, settings.model_sha256) == (FOUND.path, FOUND.sha256)


def test_variables_that_name_no_model_reach_the_services() -> None:
    assert environment({"GGUF_N_CTX": "2048"}, chat_settings(FOUND))["GGUF_N_CTX"] == "2048"


#: Ctrl-C in the very moment between the fork and its end, where Python's fork hooks swallow every exception.
_INTERRUPTED_FORK = """
import os, signal, sys, time
from pathlib import Path
from scripts.houses import end_on_signals, running

signal.signal(signal.SIGINT, signal.default_int_handler)
end_on_signals()
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))
try:
    with running("clock", ("timeit", "-n", "1", "import time; time.sleep(60)"), 0, {}, Path(sys.argv[1])):
        time.sleep(20)
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_ctrl_c_while_a_service_is_forked_is_not_lost(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _INTERRUPTED_FORK, str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=40)
    assert (ended.returncode, ended.stderr) == (130, "")


@pytest.mark.parametrize("text", ["abc", "-1", "65536", "80.5", "²", "1e3"])
def test_a_port_that_is_none_is_told_in_a_sentence(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_API_PORT", text)
    with pytest.raises(TourFailed, match=f"CHAT_API_PORT={text} is not a port"):
        wanted_port("CHAT_API_PORT", 8002)


def test_an_empty_port_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_API_PORT", "")
    assert wanted_port("CHAT_API_PORT", 8002) == 8002


def test_a_service_that_ended_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    gone = subprocess.Popen([sys.executable, "-c", "raise SystemExit(2)"])
    gone.wait()
    with pytest.raises(TourFailed, match=r"status 2:\n(?s:.)*line 99") as failed:
        until_ready(House("chat service", "http://127.0.0.1:1", gone, log), (), print)
    assert "line 9\n" not in str(failed.value)


def test_a_service_that_ends_beside_the_awaited_one_ends_the_wait(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("out of memory")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with a_process() as process:
        awaited = House("chat service", f"http://127.0.0.1:{free_port(0)}", process, tmp_path / "log")
        with pytest.raises(TourFailed, match=r"forecast service ended(?s:.)*out of memory"):
            until_ready(awaited, (House("forecast service", "", gone, tmp_path / "log"),), print)


@pytest.mark.parametrize("body", [b"<html>gateway</html>", b"[1]", b""])
def test_an_answer_that_is_no_json_ends_the_wait_in_a_sentence(body: bytes, tmp_path: Path) -> None:
    with a_process() as process, a_stranger(body) as url, pytest.raises(TourFailed, match="no JSON object"):
        until_ready(House("chat service", url, process, tmp_path / "log"), (), print)


def test_a_proxy_in_the_environment_is_not_asked_about_loopback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port(0)}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with (
        a_process() as process,
        a_stranger(b'{"status": "failed", "message": "no such file"}') as url,
        pytest.raises(TourFailed, match="can not start: no such file"),
    ):
        until_ready(House("chat service", url, process, tmp_path / "log"), (), print, timeout_s=5)


def test_where_no_hub_answers_the_small_model_is_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def fetched(wanted: ModelFile, _: object) -> FetchedModel:
        asked.append(wanted)
        if wanted is DEFAULT_MODEL:
            raise DependencyFailed("the hub [does not] answer")
        return FOUND

    monkeypatch.delenv("GGUF_PATH", raising=False)
    monkeypatch.setattr(demo, "fetched", fetched)
    assert model(lambda: None) is FOUND
    assert asked == [DEFAULT_MODEL, SMALL_MODEL]
    assert "[does not]" in capsys.readouterr().out


def test_a_model_that_can_not_be_had_at_all_is_a_sentence_and_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def visit() -> int:
        raise DependencyFailed("The package index does not answer")

    monkeypatch.setattr(demo, "visit", visit)
    monkeypatch.setattr(demo, "end_on_signals", lambda: None)
    assert demo.main() == 1
    assert "The package index does not answer" in capsys.readouterr().out


@contextmanager
def a_process() -> Iterator["subprocess.Popen[bytes]"]:
    """Something that stays alive until the block ends."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def a_stranger(body: bytes) -> Iterator[str]:
    """Answers 503 with `body` to everything; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: the answer is what counts."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
