"""The processes of the tour: a service started, watched while it loads, and ended with whoever started it.

`demo` opens one `running` per service and asks it for its URL. What the services are asked is `tour`'s.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import httpx

from scripts.tour import TourFailed, json_object

ROOT = Path(__file__).parents[1]
READY_WITHIN_S = 180.0
STOPPED_WITHIN_S = 15.0
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TAIL_LINES = 12
_PR_SET_PDEATHSIG = 1
#: Loaded here, because between fork and exec nothing may be loaded.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class House:
    """A service that was started. It may still be loading, or have ended."""

    title: str
    url: str  #: without a slash at its end
    process: "subprocess.Popen[bytes]"
    log: Path

    def check(self) -> None:
        """Raises TourFailed, with the end of the log, once the process is gone."""
        status = self.process.poll()
        if status is not None:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
            raise TourFailed(f"the {self.title} ended with status {status}:\n{tail}")


@contextlib.contextmanager
def running(title: str, module: Sequence[str], port: int, settings: Mapping[str, str], state: Path) -> Iterator[House]:
    """Runs `python -m module…` on loopback with `state` as its working directory, and ends it with the block.

    `settings` tell the module its `port` by the name it knows.

    The working directory is ours on purpose: the services read `.env` where they stand, and the one of a checkout may
    ask for another model or another bundle than the tour promises.
    """
    log = state / f"{module[0]}.log"
    here = {"HOST": "127.0.0.1", "RECORDS_PATH": str(state / "records.sqlite")}
    process: subprocess.Popen[bytes] | None = None
    try:
        with log.open("wb") as sink, _endings_held():
            process = subprocess.Popen(
                [sys.executable, "-m", *module],
                cwd=state,
                env=environment(os.environ, {**here, **settings}),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches a whole session. It is for the tour alone, which then ends its services in order.
                start_new_session=True,
                preexec_fn=_end_with(os.getpid()),
            )
        yield House(title, f"http://127.0.0.1:{port}", process, log)
    finally:
        if process is not None:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOPPED_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _endings_held() -> Iterator[None]:
    """Lets Ctrl-C and the like wait until the block is over.

    An exception that a signal raises while a process is forked falls into Python's fork hooks, which print it and go
    on: the tour would have heard Ctrl-C and never end. Nor would anybody end a process that is not assigned yet.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def environment(inherited: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """What a service of the tour gets: `ours` beats every other way to say the same.

    A second spelling of a name would stop the service as a contradiction, and variables are read in any case.
    """
    gone = {*ours, "DEFAULT_LLM_MODE", "MODEL_SOURCE"}
    kept = {name: value for name, value in inherited.items() if name.upper() not in gone}
    path = os.pathsep.join(part for part in (str(ROOT), kept.get("PYTHONPATH")) if part)
    return {**kept, **ours, "PYTHONPATH": path}


def _end_with(parent: int) -> Callable[[], None]:
    """What a new process does first: hears signals, and asks to be told when the tour goes, also killed (Linux)."""

    def ask() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:  # it went before we asked
                os._exit(0)

    return ask


def end_on_signals() -> None:
    """Makes Ctrl-C, SIGTERM and SIGHUP exceptions, so that every block closes what it opened. A second one is ignored.

    What was ignored when we started stays so: that is how `nohup` asks for it.
    """

    def leave(signum: int, _: FrameType | None) -> None:
        for ending in ENDINGS:
            signal.signal(ending, signal.SIG_IGN)
        if signum == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + signum)

    for ending in ENDINGS:
        if signal.getsignal(ending) != signal.SIG_IGN:
            signal.signal(ending, leave)


def wanted_port(name: str, default: int) -> int:
    """The port that the environment asks for.

    Raises:
        TourFailed: it is no port.
    """
    text = os.environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise TourFailed(f"{name}={text} is not a port: a whole number up to 65535")
    return int(text)


def free_port(wanted: int) -> int:
    """`wanted`, or any other where that can not be had."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until_ready(
    house: House, beside: Sequence[House], say: Callable[[str], None], timeout_s: float = READY_WITHIN_S
) -> None:
    """Returns once `house` may be asked; `say` hears what it is at meanwhile.

    Raises:
        TourFailed: it, or one `beside` it, ended or can not start; or it took longer than `timeout_s` seconds.
    """
    give_up, said = time.monotonic() + timeout_s, ""
    with httpx.Client(trust_env=False, timeout=5) as client:
        while time.monotonic() < give_up:
            for each in (house, *beside):
                each.check()
            with contextlib.suppress(httpx.TransportError):  # not listening yet
                answer = client.get(f"{house.url}/ready")
                if answer.status_code == 200:
                    return
                body = json_object(answer)
                message = str(body.get("message", answer.status_code))
                if body.get("state", body.get("status")) == "failed":
                    raise TourFailed(f"the {house.title} can not start: {message}")
                if message != said:
                    say(f"{house.title}: {message}")
                    said = message
            time.sleep(0.2)
    raise TourFailed(f"the {house.title} was not ready within {timeout_s:.0f} s")
