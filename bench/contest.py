"""One server at a time on its own core: started, checked, put under load, weighed, stopped.

`bench.predict` calls it with the order of a run. Everything a server did not ship with stays out of its way: it gets a
clean environment, its processes are pinned together, and the generator has another core.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.generator import Figures, Generator, Target, pinned
from scripts.loopback import ROOT, free_port

OURS = "sluice"
READY_WITHIN_S = 90.0
STOPPED_WITHIN_S = 10.0
#: Milliseconds a caller of the overloaded service will wait, as it tells the service.
DEADLINE_MS = 250
#: What a benchmark passes on; settings of a service or a thread count in the caller's shell would change the result.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME", "LD_LIBRARY_PATH")


class ContestFailed(Exception):
    """A server did not start or answered wrongly; the message says which and how."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server and how it is started; `{port}` in the command and in the environment is replaced."""

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str]
    health: str = "/healthz"
    stop: signal.Signals = signal.SIGTERM


@dataclass(frozen=True, slots=True)
class Running:
    contestant: Contestant
    port: int
    pid: int

    def target(self, bodies: Sequence[Path], header: str = "") -> Target:
        return Target(self.port, "/predict", bodies, self.contestant.health, header)

    def processes(self) -> list[int]:
        """The server and everything it started."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (stat := _read(entry / "stat")):
                # The second field is a name in brackets, which may hold anything.
                children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
        found = [self.pid]
        for pid in found:
            found += children.get(pid, [])
        return found

    def rss_mib(self) -> float:
        """Resident memory of all its processes, shared pages counted in each."""
        pages = [_read(Path(f"/proc/{pid}/statm")).split() for pid in self.processes()]
        return sum(int(each[1]) for each in pages if each) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def maps_torch(self) -> bool:
        """Whether PyTorch was loaded into any of its processes."""
        return any("libtorch" in _read(Path(f"/proc/{pid}/maps")) for pid in self.processes())


@dataclass(frozen=True, slots=True)
class Round:
    """One server, one start: its levels, by connections, and what it weighed after them."""

    levels: Mapping[int, Figures]
    rss_mib: float
    torch_loaded: bool


def ours(bundle: Path) -> Contestant:
    """The service as it ships; only its bundle and its port are ours to choose."""
    command = (sys.executable, "-m", "inference_container", "serve", "--bundle", str(bundle), "--port", "{port}")
    return Contestant(OURS, command, {"HOST": "127.0.0.1"})


def peers(python: Path, network: Path) -> dict[str, Contestant]:
    """By name; `mosec-2w` is Mosec with two workers, for the two-core comparison."""
    environ = {
        "BENCH_NETWORK": str(network),
        "PYTHONPATH": str(ROOT),
        # Without these a peer's numeric library would start a thread for every core it sees and trip over them.
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    }

    def peer(name: str, *arguments: str, health: str = "/healthz", stop: signal.Signals = signal.SIGTERM) -> Contestant:
        module = name.partition("-")[0]
        command = (str(python), "-m", f"bench.peers.{module}_server", "{port}", *arguments)
        return Contestant(name, command, environ, health, stop)

    found = (
        peer("mosec", "1", health="/"),
        peer("mosec-2w", "2", health="/"),
        peer("litserve", stop=signal.SIGINT),
        peer("threadpool"),
        peer("predecessor"),
    )
    return {each.name: each for each in found}


@contextmanager
def running(contestant: Contestant, cores: frozenset[int], body: Path, logs: Path) -> Iterator[Running]:
    """The server, pinned to `cores` and able to answer `body`; on the way out it is asked to end, then made to.

    Raises:
        ContestFailed: it ended before it answered, or did not answer in time.
    """

    def has_forecast(server: Running) -> None:
        # A front may be healthy while its workers still load.
        forecasts(server, [body])

    with started(contestant, cores, logs, has_forecast) as server:
        yield server


@contextmanager
def started(
    contestant: Contestant, cores: frozenset[int], logs: Path, check: Callable[[Running], None]
) -> Iterator[Running]:
    """The server, pinned to `cores`, once `check` raises ContestFailed no more; stopped as `running` says.

    Raises:
        ContestFailed: it ended before that, or took too long.
    """
    port = free_port()
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    log = logs / f"{contestant.name}.log"
    with log.open("wb") as sink, pinned(cores):
        process = subprocess.Popen(
            [part.replace("{port}", str(port)) for part in contestant.command],
            cwd=ROOT,
            env={**inherited, **{name: each.replace("{port}", str(port)) for name, each in contestant.environ.items()}},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Running(contestant, port, process.pid)
    try:
        _wait_until_ready(server, process, check, log)
        yield server
    finally:
        process.send_signal(contestant.stop)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOPPED_WITHIN_S)
        # Children that outlive their parent would take the core from whoever comes next.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_ready(
    server: Running, process: "subprocess.Popen[bytes]", check: Callable[[Running], None], log: Path
) -> None:
    give_up, last_word = time.monotonic() + READY_WITHIN_S, ""
    while process.poll() is None and time.monotonic() < give_up:
        try:
            check(server)
            return
        except ContestFailed as failure:
            last_word = str(failure)
            time.sleep(0.1)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    why = f"ended with status {process.returncode}" if process.poll() is not None else last_word
    raise ContestFailed(f"{server.contestant.name} did not become ready: {why}\n{tail}")


def forecasts(server: Running, bodies: Sequence[Path]) -> list[tuple[str, float]]:
    """Time and value of its one-step forecast for each body.

    Raises:
        ContestFailed: it answered with another status, or with something else.
    """
    found: list[tuple[str, float]] = []
    for body in bodies:
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.port}/predict", body.read_bytes(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                (step,) = json.load(answer)["predictions"]
            found.append((str(step["ts"]), float(step["down"])))
        except (OSError, ValueError, KeyError) as error:
            said = error.read().decode(errors="replace") if isinstance(error, urllib.error.HTTPError) else ""
            raise ContestFailed(f"{server.contestant.name} gave no forecast: {error} {said}") from error
    return found


def measure_levels(
    server: Running, generator: Generator, bodies: Sequence[Path], levels: Sequence[int], seconds: float
) -> Round:
    """A warm-up, then each number of connections for `seconds`, its own warm-up not counted."""
    target = server.target(bodies)
    generator.closed(target, 4, seconds=0.7, warm_up_s=0.0)
    found = {
        connections: generator.closed(target, connections, seconds, warm_up_s=min(1.0, seconds / 2))
        for connections in levels
    }
    return Round(found, server.rss_mib(), server.maps_torch())


def overload(server: Running, generator: Generator, bodies: Sequence[Path], capacity: float, seconds: float) -> Figures:
    """Twice the server's own capacity arrives whatever it does, each request with a deadline."""
    target = server.target(bodies, f"X-Deadline-Ms: {DEADLINE_MS}")
    return generator.open(target, 2 * capacity, seconds, warm_up_s=min(2.0, seconds / 2))


def _read(path: Path) -> str:
    """Empty for a process that ended meanwhile."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
