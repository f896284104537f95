"""The load generator: compiled at first use, started per measurement, its figures as values.

`bench.predict` and its tests call `compiled` once and `Generator.closed` and `Generator.open` per measurement. What is
counted and from when stands at the head of `load.c`.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

SOURCE = Path(__file__).with_name("load.c")
#: What `p99` and its like hold when nothing was measured.
NOTHING = -1.0
#: An answer that took longer is of no use to whoever waits for it.
SLO_MS = 500.0


class GeneratorUnavailable(Exception):
    """There is no generator on this machine; the message says what is missing."""


class Latencies(BaseModel):
    """Milliseconds, nearest rank; `NOTHING` when `count` is 0."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    count: int
    p50: float
    p95: float
    p99: float
    max: float


class Figures(BaseModel):
    """What one measurement found. A request that was sent, answered or given up during warm-up is in none of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    seconds: float
    offered: int
    timeouts: int  #: nobody answered in time; the client hung up
    unsent: int  #: of the time-outs, those for which no connection ever came free
    failures: int  #: hung up on, or answered with something that is not HTTP
    within_slo: int  #: answered 200 within the objective
    accepted: Latencies  #: of the answers with status 200
    refused: Latencies  #: of those with 429
    expired: Latencies  #: of those with 504
    probes: Latencies  #: of the health probe's 200s
    probe_failures: int
    statuses: Mapping[str, int]

    @property
    def per_second(self) -> float:
        """Answers with status 200."""
        return self.accepted.count / self.seconds

    @property
    def goodput(self) -> float:
        """Answers with status 200 within the objective, per second."""
        return self.within_slo / self.seconds

    @property
    def errors(self) -> int:
        """Requests that did not get a 200."""
        return self.offered - self.accepted.count

    @property
    def unaccounted(self) -> int:
        """Requests that were offered and ended in no known way; anything but 0 is a mistake of the generator."""
        return self.offered - sum(self.statuses.values()) - self.timeouts - self.failures


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked, and where."""

    port: int
    path: str
    bodies: Sequence[Path]
    probe_path: str | None = None
    header: str = ""  #: one whole header line, without its end


@dataclass(frozen=True, slots=True)
class Generator:
    """A compiled generator and the cores it may run on."""

    program: Path
    cores: frozenset[int]

    def closed(
        self, target: Target, connections: int, seconds: float, warm_up_s: float, patience_s: float = 20.0
    ) -> Figures:
        """That many callers, each asking again as soon as it was answered or has waited for `patience_s`.

        Raises:
            GeneratorUnavailable: nobody accepts connections at the port.
        """
        return self._measure(target, connections, seconds, warm_up_s, patience_s, rate=0.0)

    def open(
        self,
        target: Target,
        rate: float,
        seconds: float,
        warm_up_s: float,
        connections: int = 1500,
        patience_s: float = 5.0,
    ) -> Figures:
        """Poisson arrivals at `rate` per second, whatever the server does, over at most that many connections.

        Latency and patience count from the arrival.

        Raises:
            GeneratorUnavailable: nobody accepts connections at the port.
        """
        return self._measure(target, connections, seconds, warm_up_s, patience_s, rate=rate)

    def _measure(
        self, target: Target, connections: int, seconds: float, warm_up_s: float, patience_s: float, *, rate: float
    ) -> Figures:
        numbers = [seconds, warm_up_s, connections, rate, patience_s, SLO_MS]
        header = f"{target.header}\r\n" if target.header else ""
        command = [
            *(str(self.program), str(target.port), target.path, *(f"{number:g}" for number in numbers)),
            *(target.probe_path or "-", header, *(str(body) for body in target.bodies)),
        ]
        with pinned(self.cores):
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        with process:
            said, complaint = process.communicate()
        if process.returncode != 0:
            raise GeneratorUnavailable(f"The generator ended with status {process.returncode}: {complaint.strip()}")
        return Figures.model_validate_json(said)


@contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """What this thread starts meanwhile runs on those cores only, with all that it starts in turn."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def compiled(cache: Path) -> Path:
    """The program, compiled into `cache` unless it is there already.

    Raises:
        GeneratorUnavailable: not Linux, no C compiler, or it refused.
    """
    if sys.platform != "linux":
        raise GeneratorUnavailable("The load generator waits with epoll: it runs on Linux only.")
    program = cache / f"load-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]}"
    if program.exists():
        return program
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise GeneratorUnavailable(
            "The load generator is written in C and there is no compiler: install cc, or set CC."
        )
    cache.mkdir(parents=True, exist_ok=True)
    fresh = program.with_suffix(f".{os.getpid()}")
    done = subprocess.run(
        [compiler, "-O2", "-std=gnu11", "-o", str(fresh), str(SOURCE), "-lm"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise GeneratorUnavailable(f"{compiler} could not compile the load generator:\n{done.stderr.strip()}")
    fresh.replace(program)
    return program
