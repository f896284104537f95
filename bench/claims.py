"""`make bench-claims`: claims per second, against the loop usually written first, and what a burst does to HTTP.

    python -m bench.claims [--claims 6000] [--rounds 3] [--history 100000] [--quick] [--into FILE]

Kafka, the object server, our service and all that measures share one machine. Every ratio is of one run: rounds are
interleaved, so that a neighbour who wakes up meets all sides alike. Status 1 when a floor is missed.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.claim_rounds import Burst, Claims, Steady
from bench.contest import ContestFailed
from bench.generator import GeneratorUnavailable
from bench.predict import between_marks, machine
from bench.stage import prepare, say
from bench.verdict import Line, failed, markdown, verdict_table
from tests.chaos.world import world
from tests.integration.object_servers import versitygw_program
from tests.kafka.jars import NoKafka, jars

MARKS = ("<!-- bench.claims writes from here -->", "<!-- to here, claims -->")
PER_SECOND_FLOOR, NAIVE_FLOOR, HISTORY_CEILING = 400.0, 5.0, 1.1
HTTP_CEILING, RSS_CEILING = 2.0, 1.1
FEW_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Options:
    claims: int
    rounds: int
    history: int
    http_secs: float
    page: Path | None


@dataclass(frozen=True, slots=True)
class Found:
    young: Sequence[Steady]  #: with little history
    old: Sequence[Steady]
    naive: Sequence[Steady]
    bursts: Sequence[Burst]

    def lines(self) -> list[Line]:
        rate = statistics.median(each.per_second for each in self.young)
        against = rate / statistics.median(each.per_second for each in self.naive)
        cost = _cost(self.old) / _cost(self.young)
        http = statistics.median(each.busy.accepted.p99 / each.quiet.accepted.p99 for each in self.bursts)
        refused = sum(each.busy.statuses.get("429", 0) for each in self.bursts)
        unpaused = sum(not each.paused or not each.resumed for each in self.bursts)
        weight = self.bursts[-1].rss_mib / self.bursts[0].rss_mib
        return [
            Line("claims/s of 30-row parquet, steady", rate, "/s", PER_SECOND_FLOOR, None, True),
            Line("claims/s against the naive loop", against, "x", NAIVE_FLOOR, None, True),
            Line("CPU of a claim, long history against short", cost, "x", HISTORY_CEILING, None, False),
            Line("HTTP p99 during a burst of claims, c=20, of quiet", http, "x", HTTP_CEILING, None, False),
            Line("429s during bursts", refused, "", 0.0, None, False),
            Line("bursts without a pause and a resume", unpaused, "", 0.0, None, False),
            Line("RSS after the last burst, of that after the first", weight, "x", RSS_CEILING, None, False),
        ]

    def table(self) -> str:
        rows = [["claims", "per second", "CPU ms of a claim, service", "and object server"]]
        named = (("sluice, little history", self.young), ("sluice, long history", self.old), ("naive loop", self.naive))
        for name, rounds in named:
            rate, ours, theirs = (
                statistics.median(getattr(each, field) for each in rounds)
                for field in ("per_second", "cpu_ms", "store_cpu_ms")
            )
            rows.append([name, f"{rate:,.0f}", f"{ours:.2f}", f"{theirs:.2f}"])
        return markdown(rows)

    def bursts_table(self) -> str:
        rows = [
            ["HTTP, c=20", "req/s quiet", "p99 ms quiet", "req/s in the burst", "p99 ms", "429", "claims/s", "RSS MiB"]
        ]
        for number, each in enumerate(self.bursts, 1):
            quiet, busy = each.quiet, each.busy
            cells = (quiet.per_second, quiet.accepted.p99, busy.per_second, busy.accepted.p99)
            shown = [f"{cells[0]:,.0f}", f"{cells[1]:.1f}", f"{cells[2]:,.0f}", f"{cells[3]:.1f}"]
            refused = str(busy.statuses.get("429", 0))
            rows.append([f"burst {number}", *shown, refused, f"{each.per_second:,.0f}", f"{each.rss_mib:.0f}"])
        return markdown(rows)


def _cost(rounds: Sequence[Steady]) -> float:
    return statistics.median(each.cpu_ms + each.store_cpu_ms for each in rounds)


def run(options: Options, scratch: Path) -> Found:
    cores = sorted(os.sched_getaffinity(0))
    stage = prepare(scratch, peers_wanted=False, generator_core=cores[-1])
    young, old, naive = [], [], []
    with world(jars(say), versitygw_program(say), scratch / "world") as there:
        claims = Claims(there, scratch / "bundle", scratch)
        for number in range(options.rounds):
            say(f"Round {number + 1} of {options.rounds}")
            young.append(claims.steady(f"young-{number}", options.claims, FEW_ROWS))
            naive.append(claims.naive(f"naive-{number}", max(200, options.claims // 10)))
            old.append(claims.steady(f"old-{number}", options.claims, options.history))
            say(f"  {young[-1].per_second:,.0f}/s, {old[-1].per_second:,.0f}/s, naive {naive[-1].per_second:,.0f}/s")
        bursts = claims.bursts(stage, options.claims, options.rounds, options.http_secs)
    return Found(young, old, naive, bursts)


def parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m bench.claims", description="Claims per second.")
    parser.add_argument("--claims", type=int, default=10_000, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--history", type=int, default=100_000, help="rows in the log before the last measurement")
    parser.add_argument("--http-secs", type=float, default=10.0, help="seconds of HTTP, quiet and in a burst")
    parser.add_argument("--quick", action="store_true", help="one short round: does everything work?")
    parser.add_argument("--into", type=Path, metavar="FILE", help="also write the report between that page's marks")
    given = parser.parse_args(arguments)
    if given.quick:
        return Options(1500, 1, 5000, 3.0, given.into)
    return Options(given.claims, given.rounds, given.history, given.http_secs, given.into)


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="sluice-") as scratch:
            found = run(options, Path(scratch))
    except (ContestFailed, GeneratorUnavailable, NoKafka) as failure:
        say(str(failure))
        return 2
    about = f"{machine(len(os.sched_getaffinity(0)))}; {options.rounds} round(s) of {options.claims:,} claims, medians."
    lines = found.lines()
    report = "\n\n".join([about, found.table(), found.bursts_table(), verdict_table(lines)])
    print(report)
    if options.page:
        options.page.write_text(between_marks(options.page.read_text(), report, MARKS))
    return 1 if failed(lines) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
