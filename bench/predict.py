"""`make bench-predict`: /predict against its peers, one server at a time, same model, same requests, same core.

    python -m bench.predict [--rounds 3] [--secs 4] [--levels 1,10,50,200] [--peers mosec,litserve,...]
                            [--overload] [--two-cores] [--quick] [--json FILE]

Prints the tables of docs/performance.md and a verdict for every promise; status 1 when a floor is missed, 2 when the
comparison could not be made. The peers are installed at the first run, into an environment of their own.
"""

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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
from bench.generator import Generator, GeneratorUnavailable, compiled
from bench.peers.environment import PeersMissing, cache_folder, peers_python
from bench.peers.workload import ARRAYS, SPEC, request_bodies, write_network
from bench.verdict import (
    Overload,
    closed_loop_lines,
    failed,
    levels_table,
    overload_lines,
    overload_table,
    rate,
    verdict_table,
)
from scripts.loopback import ROOT

PEERS = ("mosec", "litserve", "threadpool", "predecessor")
TWO_CORE_PEER = "mosec-2w"
BODIES = 8
#: How far a peer's forecast may lie from ours before the comparison means nothing.
RELATIVE_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Options:
    rounds: int
    secs: float
    levels: tuple[int, ...]
    peers: tuple[str, ...]
    overload_secs: float  #: 0 leaves the open loop out
    two_cores: bool
    json_file: Path | None


@dataclass(frozen=True, slots=True)
class Stage:
    """What every measurement of a run shares."""

    field: dict[str, Contestant]
    bodies: tuple[Path, ...]
    generator: Generator
    scratch: Path

    def levels(self, name: str, cores: frozenset[int], options: Options, levels: Sequence[int]) -> Round:
        with running(self.field[name], cores, self.bodies[0], self.scratch) as server:
            found = measure_levels(server, self.generator, self.bodies, levels, options.secs)
        reached = ", ".join(f"c={level} {figures.per_second:,.0f}/s" for level, figures in found.levels.items())
        say(f"  {name}: {reached}")
        return found


def say(words: str) -> None:
    """Progress goes to stderr, so that stdout is the report alone."""
    print(words, file=sys.stderr, flush=True)


def parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m bench.predict", description="/predict against its peers.")
    parser.add_argument("--rounds", type=int, default=3, help="starts of each server; the tables hold medians")
    parser.add_argument("--secs", type=float, default=4.0, help="seconds measured per level")
    parser.add_argument("--levels", default="1,10,50,200", help="connections, comma-separated")
    parser.add_argument("--peers", default=",".join(PEERS), help="comma-separated; empty measures us alone")
    parser.add_argument("--overload", action="store_true", help="also offer twice the capacity, in an open loop")
    parser.add_argument("--overload-secs", type=float, default=60.0, help="seconds of that")
    parser.add_argument("--two-cores", action="store_true", help="also compare on two cores, with Mosec's two workers")
    parser.add_argument("--quick", action="store_true", help="one round of one second: does everything work?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure there")
    given = parser.parse_args(arguments)
    chosen = tuple(name for name in given.peers.split(",") if name)
    unknown = sorted(set(chosen) - set(PEERS))
    if unknown:
        parser.error(f"unknown peers: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    if not all(level.isdigit() and int(level) > 0 for level in given.levels.split(",")):
        parser.error("--levels wants whole numbers above 0")
    if given.rounds < 1 or given.secs <= 0 or given.overload_secs <= 0:
        parser.error("rounds and seconds must be positive")
    return Options(
        rounds=1 if given.quick else given.rounds,
        secs=1.0 if given.quick else given.secs,
        levels=tuple(int(level) for level in given.levels.split(",")),
        peers=chosen,
        overload_secs=0.0 if not given.overload else 5.0 if given.quick else given.overload_secs,
        two_cores=given.two_cores,
        json_file=given.json,
    )


def prepare(scratch: Path, options: Options, generator_core: int) -> Stage:
    """Everything that is made before a server starts.

    Raises:
        ContestFailed: the bundle could not be imported.
        GeneratorUnavailable, PeersMissing: as their modules say.
    """
    program = compiled(cache_folder() / "bench")
    python = peers_python() if options.peers else Path(sys.executable)
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


def agree(stage: Stage, names: Sequence[str], cores: frozenset[int]) -> None:
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
    stage: Stage, names: Sequence[str], cores: frozenset[int], options: Options, levels: Sequence[int]
) -> dict[str, list[Round]]:
    """Each server in each round, the order turned by one every time: whoever runs first meets the coolest machine."""
    found: dict[str, list[Round]] = {name: [] for name in names}
    for number in range(options.rounds):
        say(f"Round {number + 1} of {options.rounds}, {len(cores)} core(s)")
        turned = number % len(names)
        for name in (*names[turned:], *names[:turned]):
            found[name].append(stage.levels(name, cores, options, levels))
    return found


def overloads_of(
    stage: Stage, results: dict[str, list[Round]], cores: frozenset[int], options: Options
) -> dict[str, Overload]:
    """Ours, and Mosec for comparison: the only peer here that refuses."""
    found: dict[str, Overload] = {}
    for name in [name for name in (OURS, "mosec") if name in results]:
        capacity = max(rate(results[name], level) for level in options.levels)
        say(f"Overload: {name}, {2 * capacity:,.0f} arrivals per second for {options.overload_secs:.0f} s")
        with running(stage.field[name], cores, stage.bodies[0], stage.scratch) as server:
            # A fresh process is slow for its first second; an overload should not begin there.
            measure_levels(server, stage.generator, stage.bodies, [50], 1.0)
            figures = overload(server, stage.generator, stage.bodies, capacity, options.overload_secs)
        found[name] = Overload(capacity, figures)
    return found


def run(options: Options, cores: Sequence[int], scratch: Path) -> int:
    """The whole comparison; 0 when every floor holds, 1 when one does not."""
    stage = prepare(scratch, options, cores[-1])
    names, one = (OURS, *options.peers), frozenset(cores[:1])
    agree(stage, names, one)
    results = rounds_of(stage, names, one, options, options.levels)
    lines = closed_loop_lines(results, options.levels, cores=1)
    print(f"{machine(len(cores))}; {options.rounds} round(s) of {options.secs:g} s per level, medians\n")
    print(f"One core for the server, another for the callers:\n\n{levels_table(results, options.levels)}\n")
    report: dict[str, object] = {"one_core": plain(results)}
    if options.two_cores:
        names = (OURS, TWO_CORE_PEER) if "mosec" in options.peers else (OURS,)
        levels = [level for level in options.levels if level >= 50] or [50, 200]
        both = rounds_of(stage, names, frozenset(cores[:2]), options, levels)
        lines += closed_loop_lines(both, levels, cores=2)
        shared = " (shared with the callers)" if len(cores) == 2 else ""
        print(f"Two cores for the server{shared}:\n\n{levels_table(both, levels)}\n")
        report["two_cores"] = plain(both)
    if options.overload_secs:
        overloads = overloads_of(stage, results, one, options)
        lines += overload_lines(overloads[OURS])
        print(f"Open loop at twice the server's own capacity, one core:\n\n{overload_table(overloads)}\n")
        report["overload"] = {
            name: {"capacity": each.capacity, **each.figures.model_dump()} for name, each in overloads.items()
        }
    print(verdict_table(lines))
    if options.json_file:
        report["verdict"] = [{**asdict(line), "verdict": line.verdict} for line in lines]
        options.json_file.write_text(json.dumps(report, indent=1))
    return int(failed(lines))


def plain(results: dict[str, list[Round]]) -> dict[str, object]:
    """For the JSON report."""
    return {
        name: [
            {
                "levels": {level: figures.model_dump() for level, figures in each.levels.items()},
                "rss_mib": each.rss_mib,
                "torch_loaded": each.torch_loaded,
            }
            for each in rounds
        ]
        for name, rounds in results.items()
    }


def machine(cores: int) -> str:
    model = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "name" in line),
        platform.machine(),
    )
    return f"{model}, {cores} cores, Python {platform.python_version()}"


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        say("The comparison needs Linux and two cores: one for the server, one for its callers.")
        return 2
    try:
        with tempfile.TemporaryDirectory(prefix="sluice-") as scratch:
            return run(options, cores, Path(scratch))
    except (ContestFailed, GeneratorUnavailable, PeersMissing) as failure:
        say(str(failure))
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
