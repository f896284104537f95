"""The tour as somebody starts it: what it ends with, and that nothing is left of it."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.processes import alive, descendants, eventually
from tests.models.tiny_gguf import build_tiny_gguf, form_of

pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).parents[2]
REPLY = "Ask your pharmacist about the knee."


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_gguf(tmp_path_factory.mktemp("models") / "chosen.gguf", "script", reply=form_of(REPLY))


#: A runner in the background ignores Ctrl-C and hang-ups, its children inherit that, and the tour rightly leaves it so.
_AS_FROM_A_TERMINAL = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
for each in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(each, signal.SIG_DFL)
runpy.run_module("scripts.demo", run_name="__main__", alter_sys=True)
"""


class Tour:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self._collect, daemon=True)
        self.reader.start()

    @property
    def shown(self) -> str:
        return "".join(self.lines)

    def until(self, text: str) -> None:
        eventually(lambda: text in self.shown or self.process.poll() is not None, 90, lambda: self.shown)
        assert text in self.shown, self.shown

    def ended(self, within_s: float = 90) -> int:
        status = self.process.wait(within_s)
        self.reader.join(10)
        return status

    def services(self) -> set[int]:
        """Process ids of both services: the children of the tour."""
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {int(pid) for pid in found}

    def _collect(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(iter(self.process.stdout.readline, ""))


@contextmanager
def tour(settings: Mapping[str, str]) -> Iterator[Tour]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-c", _AS_FROM_A_TERMINAL],
        cwd=ROOT,
        env={**kept, "CHAT_API_PORT": "0", "INFERENCE_API_PORT": "0", **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    running = Tour(process)
    try:
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(40)
        running.reader.join(10)
        # A service that was left behind may hold the pipe: closing it would hang where the test should fail.
        if process.stdout is not None and not running.reader.is_alive():
            process.stdout.close()


def test_the_tour_ends_with_0_once_both_services_answered(gguf: Path, tmp_path: Path) -> None:
    with tour({"GGUF_PATH": str(gguf), "DEMO_EXIT": "1", "XDG_CACHE_HOME": str(tmp_path)}) as running:
        assert running.ended() == 0, running.shown
    assert REPLY in running.shown
    assert "a recomputation" in running.shown
    assert "inference-data-" in running.shown
    assert "lag 0" in running.shown


def test_an_environment_that_asks_for_other_models_gets_the_chosen_one_all_the_same(gguf: Path) -> None:
    others = {
        "LLM_MODE": "mock",
        "DEFAULT_LLM_MODE": "mock",
        "MODEL_DISABLED": "1",
        "MODEL_SOURCE": "hf://some/where/else.gguf",
        "BUNDLE_PATH": "none",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }
    with tour({"GGUF_PATH": str(gguf), "DEMO_EXIT": "1", **others}) as running:
        assert running.ended() == 0, running.shown
    assert REPLY in running.shown
    assert re.search(r"chosen\.gguf: \d+ tokens read", running.shown)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent was killed")
@pytest.mark.parametrize(
    ("sign", "status"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 0), ("SIGKILL", -signal.SIGKILL)]
)
def test_nothing_is_left_of_a_tour_that_was_told_to_end(gguf: Path, sign: str, status: int) -> None:
    with tour({"GGUF_PATH": str(gguf)}) as running:
        running.until("Ctrl-C ends both.")
        services = running.services()
        assert len(services) == 2
        # Where they stand no .env of the checkout is read.
        assert {Path(f"/proc/{pid}/cwd").resolve() for pid in services} == {ROOT / "var" / "demo"}
        everyone = descendants(running.process.pid)
        assert everyone > services  # the engine and the worker too
        running.process.send_signal(signal.Signals[sign])
        assert running.ended(40) == status, running.shown
        eventually(lambda: not any(alive(pid) for pid in everyone), 20, lambda: f"{everyone}")
    assert "Traceback" not in running.shown


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ctrl_c_while_the_services_start_ends_them_without_a_traceback(gguf: Path) -> None:
    with tour({"GGUF_PATH": str(gguf)}) as running:
        eventually(lambda: len(running.services()) == 2, 60, lambda: running.shown)
        services = running.services()
        running.process.send_signal(signal.SIGINT)
        running.process.send_signal(signal.SIGINT)  # somebody impatient
        assert running.ended(40) == 130, running.shown
    assert not any(alive(pid) for pid in services)
    assert "Traceback" not in running.shown


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"HF_TIMEOUT_SECONDS": "30"}, "Replaced by TRIAGE_DEADLINE_SECONDS"),
        ({"SAMPLE_IDX": "3"}, "A forecast always starts after the last row"),
        ({"GGUF_PATH": "no/such/model.gguf"}, "There is no model file at"),
        ({"CHAT_API_PORT": "eighty"}, "CHAT_API_PORT=eighty is not a port"),
    ],
)
def test_what_can_not_be_toured_ends_at_once_with_a_sentence(
    gguf: Path, settings: Mapping[str, str], sentence: str
) -> None:
    begun = time.monotonic()
    with tour({"GGUF_PATH": str(gguf), **settings}) as running:
        assert running.ended(60) == 1, running.shown
    assert time.monotonic() - begun < 45  # far below the time that a service gets to become ready
    assert sentence in running.shown
    assert "Traceback" not in running.shown
