"""Starts one of the two services on a free loopback port and stops it again: for the load profile and the benchmarks.

The service runs as people run it, as `python -m ...` in a process of its own. What happens meanwhile is the caller's.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parent.parent
READY_WITHIN_S = 90.0
STOPPED_WITHIN_S = 20.0
Name = Literal["chat", "inference"]


class ServiceFailed(Exception):
    """The service ended or did not become ready; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Service:
    url: str  #: without a slash at its end
    pid: int


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(name: Name, environ: Mapping[str, str]) -> Iterator[Service]:
    """The service, ready; on the way out it is asked to drain and, should it refuse, killed by its pid.

    `environ` is added to this process's own environment.

    Raises:
        ServiceFailed: it ended before it was ready, or was not ready within a minute and a half.
    """
    port = free_port()
    # Python ends at SIGTERM without a word; as an exception it passes through here and the service is ended first.
    signal.signal(signal.SIGTERM, lambda signum, _: sys.exit(128 + signum))
    with tempfile.TemporaryDirectory(prefix="sluice-") as scratch:
        log = Path(scratch) / "service.log"
        ours = {"HOST": "127.0.0.1", "RECORDS_PATH": str(Path(scratch) / "records.sqlite"), **environ}
        if name == "chat":
            command, ours["CHAT_API_PORT"] = ["service_chat"], str(port)
        else:
            command, ours["INFERENCE_API_PORT"] = ["inference_container", "serve"], str(port)
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT,
                env={**os.environ, **ours},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        try:
            service = Service(f"http://127.0.0.1:{port}", process.pid)
            _wait_until_ready(service, process, log)
            yield service
        finally:
            process.terminate()
            try:
                process.wait(STOPPED_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(service: Service, process: "subprocess.Popen[bytes]", log: Path) -> None:
    give_up, last_word = time.monotonic() + READY_WITHIN_S, ""
    while process.poll() is None and time.monotonic() < give_up:
        try:
            urllib.request.urlopen(f"{service.url}/ready", timeout=2).close()
            return
        except urllib.error.HTTPError as loading:
            last_word = loading.read().decode(errors="replace")
        except OSError:
            pass  # the socket is not there yet
        time.sleep(0.1)
    why = "ended" if process.poll() is not None else f"was not ready within {READY_WITHIN_S:.0f} s: {last_word}"
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    raise ServiceFailed(f"the service {why}\n{tail}")
