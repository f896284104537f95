"""A whole service as a user runs it: `python -m …` on a free loopback port, its log kept, ended by pid."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.ports import free_port


@dataclass
class ServiceProcess:
    process: "subprocess.Popen[str]"
    port: int
    log: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, timeout_s: float = 30) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=timeout_s)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=5)

    def until_answering(self, timeout_s: float = 20) -> None:
        eventually(self._answers, timeout_s, lambda: "".join(self.log))

    def until_ready(self, timeout_s: float = 60) -> None:
        self.until_answering(timeout_s)  # on a busy machine the imports alone take their time
        eventually(self._ready, timeout_s, lambda: "\n".join(self.log))

    def events(self, name: str) -> list[dict[str, object]]:
        """Log lines with this event name, oldest first."""
        parsed = (json.loads(line) for line in list(self.log) if line.startswith("{"))
        return [line for line in parsed if line["event"] == name]

    def stop(self, sign: signal.Signals = signal.SIGTERM, timeout_s: float = 20) -> int:
        self.process.send_signal(sign)
        return self.process.wait(timeout_s)

    def _ready(self) -> bool:
        assert self.process.poll() is None, "\n".join(self.log)
        try:
            return self.get("/ready").status_code == 200
        # Before it listens, somebody else's connection may pass through the port that was free; a busy machine is slow.
        except httpx.TransportError:
            return False

    def _answers(self) -> bool:
        assert self.process.poll() is None, "\n".join(self.log)
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False


@contextmanager
def running(
    module: Sequence[str], port_name: str, cwd: Path, settings: Mapping[str, str], output: Path | None = None
) -> Iterator[ServiceProcess]:
    """Starts `python -m module…` in `cwd` and ends it with the block, whatever happens in it.

    `output`: a file for what it writes to standard output; it writes nothing there that a test would otherwise need.
    """
    port = free_port()
    root = Path(__file__).parents[2]
    inherited = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "XDG_CACHE_HOME", "LANG", "TMPDIR")}
    with output.open("wb") if output is not None else nullcontext() as stdout:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=cwd,
            env={**inherited, "PYTHONPATH": str(root), port_name: str(port), **settings},
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )
    service = ServiceProcess(process, port)
    reader = threading.Thread(target=_collect, args=(process, service.log), daemon=True)
    reader.start()
    try:
        yield service
    finally:
        if process.poll() is None:
            _end(process)
        reader.join(5)
        assert process.stderr is not None
        process.stderr.close()


def _end(process: "subprocess.Popen[str]") -> None:
    """Told once to drain, and once more not to: what a test left running is nobody's any more."""
    for patience_s in (1, 10):
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
            return
    process.kill()
    process.wait()


def _collect(process: "subprocess.Popen[str]", log: list[str]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        log.append(line.rstrip("\n"))


def eventually(check: Callable[[], bool], timeout_s: float, told: Callable[[], str] = lambda: "") -> None:
    """Returns once `check` holds. Fails with what `told` says when it does not in time."""
    end = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < end, f"not within {timeout_s} s\n{told()}"
        time.sleep(0.02)


def descendants(pid: int) -> set[int]:
    """All processes below `pid`, at this moment (Linux)."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found |= {int(child), *descendants(int(child))}
    return found


def alive(pid: int) -> bool:
    """A zombie is not alive: it holds nothing but its number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
