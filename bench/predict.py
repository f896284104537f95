"""`make bench-predict`: /predict against its peers, one server at a time, same model, same requests, same core.

    python -m bench.predict [--rounds 3] [--secs 4] [--levels 1,10,50,200] [--peers mosec,litserve,...]
                            [--overload] [--two-cores] [--quick] [--json FILE] [--into FILE]

Prints tables and a verdict for every promise; status 1 when a floor is missed, 2 when the comparison could not be made.
`--into docs/performance.md` also writes what it prints between that page's marks. The peers are installed at the first
run, into an environment of their own.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.contest import OURS, ContestFailed, Round
from bench.generator import GeneratorUnavailable
from bench.peers.environment import PeersMissing
from bench.stage import agree, overloads_of, prepare, rounds_of, say
from bench.verdict import closed_loop_lines, failed, levels_table, overload_lines, overload_table, verdict_table

PEERS = ("mosec", "litserve", "threadpool", "predecessor")
TWO_CORE_PEER = "mosec-2w"
#: What stands between them on a page is ours to replace.
MARKS = ("<!-- bench.predict writes from here -->", "<!-- to here -->")


@dataclass(frozen=True, slots=True)
class Options:
    rounds: int
    secs: float
    levels: tuple[int, ...]
    peers: tuple[str, ...]
    overload_secs: float  #: 0 leaves the open loop out
    two_cores: bool
    json_file: Path | None
    page: Path | None


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
    parser.add_argument("--into", type=Path, metavar="FILE", help="also write the report between that page's marks")
    given = parser.parse_args(arguments)
    chosen = tuple(name for name in given.peers.split(",") if name)
    unknown = sorted(set(chosen) - set(PEERS))
    if unknown:
        parser.error(f"unknown peers: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    if not all(level.isdigit() and int(level) > 0 for level in given.levels.split(",")):
        parser.error("--levels wants whole numbers above 0")
    if given.rounds < 1 or given.secs <= 0 or given.overload_secs <= 0:
        parser.error("rounds and seconds must be positive")
    if given.into and not all(mark in given.into.read_text() for mark in MARKS):
        parser.error(f"{given.into} lacks the marks {' and '.join(MARKS)}")
    return Options(
        rounds=1 if given.quick else given.rounds,
        secs=1.0 if given.quick else given.secs,
        levels=tuple(int(level) for level in given.levels.split(",")),
        peers=chosen,
        overload_secs=0.0 if not given.overload else 5.0 if given.quick else given.overload_secs,
        two_cores=given.two_cores,
        json_file=given.json,
        page=given.into,
    )


def run(options: Options, cores: Sequence[int], scratch: Path) -> int:
    """The whole comparison; 0 when every floor holds, 1 when one does not."""
    stage = prepare(scratch, bool(options.peers), cores[-1])
    names, one, two = (OURS, *options.peers), frozenset(cores[:1]), frozenset(cores[:2])
    agree(stage, names, one)
    report = Report([], {})
    results = rounds_of(stage, names, one, options.rounds, options.levels, options.secs)
    lines = closed_loop_lines(results, options.levels, cores=1)
    report.add(f"{machine(len(cores))}; {options.rounds} round(s), {options.secs:g} s per level, medians.")
    report.add(f"One core for the server, another for its callers:\n\n{levels_table(results, options.levels)}")
    report.figures["one_core"] = plain(results)
    if options.two_cores:
        names = (OURS, TWO_CORE_PEER) if "mosec" in options.peers else (OURS,)
        levels = [level for level in options.levels if level >= 50] or [50, 200]
        both = rounds_of(stage, names, two, options.rounds, levels, options.secs)
        lines += closed_loop_lines(both, levels, cores=2)
        shared = ", shared with its callers" if len(cores) == 2 else ""
        report.add(f"Two cores for the server{shared}:\n\n{levels_table(both, levels)}")
        report.figures["two_cores"] = plain(both)
    if options.overload_secs:
        overloads = overloads_of(stage, results, one, options.levels, options.overload_secs)
        lines += overload_lines(overloads[OURS])
        loaded = f"{options.overload_secs:.0f} s of arrivals at twice the server's own capacity, one core"
        report.add(f"{loaded}:\n\n{overload_table(overloads)}")
        report.figures["overload"] = {
            name: {"capacity": each.capacity, **each.figures.model_dump()} for name, each in overloads.items()
        }
    report.add(verdict_table(lines))
    report.figures["verdict"] = [{**asdict(line), "verdict": line.verdict} for line in lines]
    report.write(options)
    return int(failed(lines))


@dataclass(frozen=True, slots=True)
class Report:
    """What a run found, as paragraphs for people and as figures for machines."""

    paragraphs: list[str]
    figures: dict[str, object]

    def add(self, paragraph: str) -> None:
        """Printed at once: a long run that fails later has at least said this."""
        print(f"{paragraph}\n", flush=True)
        self.paragraphs.append(paragraph)

    def write(self, options: Options) -> None:
        """To the files that were asked for."""
        if options.json_file:
            options.json_file.write_text(json.dumps(self.figures, indent=1))
        if options.page:
            options.page.write_text(between_marks(options.page.read_text(), "\n\n".join(self.paragraphs)))


def between_marks(page: str, report: str, marks: tuple[str, str] = MARKS) -> str:
    """The page with the report in place of what stood between the marks."""
    begin, end = marks
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n\n{report}\n\n{end}{rest.partition(end)[2]}"


def plain(results: Mapping[str, Sequence[Round]]) -> dict[str, object]:
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
