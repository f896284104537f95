"""A run's stage: the network and its requests made, every server known, each brought on in its turn.

`bench.predict` decides what is measured and reports it; `contest` brings on one server. Here is what they share, and
the question that comes first: does everyone forecast the same?
"""

import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contest import (
    OURS,
    Contestant,
    ContestFailed,
    Round,
    forecasts,
    measure_levels,
    ours,
    overload,
    peers,
    running,
)
from bench.generator import Generator, compiled
from bench.peers.environment import cache_folder, peers_python
from bench.peers.workload import ARRAYS, SPEC, request_bodies, write_network
from bench.verdict import Overload, rate
from scripts.loopback import ROOT

BODIES = 8
#: How far a peer's forecast may lie from ours before the comparison means nothing.
RELATIVE_TOLERANCE = 1e-4
CoreSet = frozenset[int]


@dataclass(frozen=True, slots=True)
class Stage:
    """What every measurement of a run shares."""

    field: dict[str, Contestant]
    bodies: tuple[Path, ...]
    generator: Generator
    scratch: Path

    def levels(self, name: str, cores: CoreSet, levels: Sequence[int], seconds: float) -> Round:
        with running(self.field[name], cores, self.bodies[0], self.scratch) as server:
            found = measure_levels(server, self.generator, self.bodies, levels, seconds)
        reached = ", ".join(f"c={level} {figures.per_second:,.0f}/s" for level, figures in found.levels.items())
        say(f"  {name}: {reached}")
        return found


def say(words: str) -> None:
    """Progress goes to stderr, so that stdout is the report alone."""
    print(words, file=sys.stderr, flush=True)


def prepare(scratch: Path, peers_wanted: bool, generator_core: int) -> Stage:
    """Everything that is made before a server starts.

    Raises:
        ContestFailed: the bundle could not be imported.
        GeneratorUnavailable, PeersMissing: as their modules say.
    """
    program = compiled(cache_folder() / "bench")
    python = peers_python() if peers_wanted else Path(sys.executable)
    write_network(scratch)
    bundle = scratch / "bundle"
    command = [sys.executable, "-m", "inference_container", "bundle", "import"]
    imported = subprocess.run(
        [*command, str(scratch / ARRAYS), str(scratch / SPEC), "--out", str(bundle)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if imported.returncode != 0:
        raise ContestFailed(f"The bundle could not be imported: {imported.stderr.strip()}")
    bodies = []
    for number, body in enumerate(request_bodies(BODIES)):
        bodies.append(scratch / f"body-{number}.json")
        bodies[-1].write_bytes(body)
    field = {OURS: ours(bundle), **peers(python, scratch)}
    return Stage(field, tuple(bodies), Generator(program, frozenset({generator_core})), scratch)


def agree(stage: Stage, names: Sequence[str], cores: CoreSet) -> None:
    """Every server forecasts the same, or there is nothing to compare.

    It is also our service's first start: whatever it prepares once for a bundle is prepared before anything is weighed.

    Raises:
        ContestFailed: one forecasts something else.
    """
    say("Does everyone forecast the same?")
    expected: list[tuple[str, float]] = []
    for name in names:
        with running(stage.field[name], cores, stage.bodies[0], stage.scratch) as server:
            found = forecasts(server, stage.bodies)
        expected = expected or found
        for (time, value), (their_time, their_value) in zip(expected, found, strict=True):
            # Times are spelled with and without a zone; what they share is the minute.
            if time[:16] != their_time[:16] or not math.isclose(value, their_value, rel_tol=RELATIVE_TOLERANCE):
                raise ContestFailed(f"{name} forecasts {their_value} at {their_time}, {names[0]} {value} at {time}")
    if len({value for _, value in expected}) < len(expected):
        raise ContestFailed("Different requests were forecast alike: somebody does not read them.")


def rounds_of(
    stage: Stage, names: Sequence[str], cores: CoreSet, rounds: int, levels: Sequence[int], seconds: float
) -> dict[str, list[Round]]:
    """Each server in each round, the order turned by one every time: whoever runs first meets the coolest machine."""
    found: dict[str, list[Round]] = {name: [] for name in names}
    for number in range(rounds):
        say(f"Round {number + 1} of {rounds}, {len(cores)} core(s)")
        turned = number % len(names)
        for name in (*names[turned:], *names[:turned]):
            found[name].append(stage.levels(name, cores, levels, seconds))
    return found


def overloads_of(
    stage: Stage, results: Mapping[str, Sequence[Round]], cores: CoreSet, levels: Sequence[int], seconds: float
) -> dict[str, Overload]:
    """Ours, and Mosec for comparison: the only peer here that refuses."""
    found: dict[str, Overload] = {}
    for name in [name for name in (OURS, "mosec") if name in results]:
        capacity = max(rate(results[name], level) for level in levels)
        say(f"Overload: {name}, {2 * capacity:,.0f} arrivals per second for {seconds:.0f} s")
        with running(stage.field[name], cores, stage.bodies[0], stage.scratch) as server:
            # A fresh process is slow for its first second; an overload should not begin there.
            measure_levels(server, stage.generator, stage.bodies, [50], 1.0)
            figures = overload(server, stage.generator, stage.bodies, capacity, seconds)
        found[name] = Overload(capacity, figures)
    return found
