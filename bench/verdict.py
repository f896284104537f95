"""Figures to a table of ratios and a verdict for each promise: floors that must hold, aims that we want.

`bench.predict` prints both and ends with the verdict's status. Pure: fed rounds, returns values and Markdown.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.contest import OURS, Round
from bench.generator import Figures, Latencies

Cores = Literal[1, 2]
#: Answers per second against Mosec's, by connections: floor and aim.
MOSEC_FLOORS = {1: (5.0, 6.5), 10: (2.0, 2.7), 50: (1.15, 1.3), 200: (1.2, 1.4)}
MOSEC_TWO_CORES = (1.2, 1.5)
#: Against the others at 50 connections: floor.
OTHER_FLOORS = {"litserve": 9.0, "threadpool": 7.0, "predecessor": 120.0}
SPREAD_CEILING = 1.5
HEALTH_CEILING_MS: Mapping[Cores, float] = {1: 10.0, 2: 5.0}
GOODPUT = (60.0, 85.0)
ACCEPTED_P99_AIM_MS, REFUSED_P99_AIM_MS = 60.0, 20.0
RSS_CEILING_MIB = 130.0

Results = Mapping[str, Sequence[Round]]


@dataclass(frozen=True, slots=True)
class Overload:
    """Open loop at twice the server's own capacity."""

    capacity: float  #: answers per second in the best closed loop
    figures: Figures


@dataclass(frozen=True, slots=True)
class Line:
    """One promise, what was found, and what that means."""

    promise: str
    found: float
    unit: str
    floor: float | None  #: must hold; None when there is only an aim
    aim: float | None
    at_least: bool  #: whether more is better

    @property
    def verdict(self) -> Literal["aim reached", "floor holds", "FLOOR MISSED", "aim missed"]:
        if self.floor is not None and not self._reaches(self.floor):
            return "FLOOR MISSED"
        if self.aim is None:
            return "floor holds"
        if self._reaches(self.aim):
            return "aim reached"
        return "floor holds" if self.floor is not None else "aim missed"

    def _reaches(self, bound: float) -> bool:
        # NaN, when there was nothing to measure, reaches nothing.
        return self.found >= bound if self.at_least else self.found <= bound


def failed(lines: Sequence[Line]) -> bool:
    return any(line.verdict == "FLOOR MISSED" for line in lines)


def median(rounds: Sequence[Round], connections: int, figure: Callable[[Figures], float]) -> float:
    """Over the rounds; NaN when that level was not run."""
    found = [figure(each.levels[connections]) for each in rounds if connections in each.levels]
    return statistics.median(found) if found else float("nan")


def rate(rounds: Sequence[Round], connections: int) -> float:
    """Answers with status 200 per second."""
    return median(rounds, connections, lambda figures: figures.per_second)


def ratio(results: Results, peer: str, connections: int) -> float:
    """Our answers per second over the peer's."""
    return rate(results[OURS], connections) / (rate(results[peer], connections) or float("nan"))


def closed_loop_lines(results: Results, levels: Sequence[int], cores: Cores) -> list[Line]:
    """A line for each promise that these levels and peers can speak to."""
    where = "one core" if cores == 1 else "two cores"
    lines: list[Line] = []
    floors = MOSEC_FLOORS if cores == 1 else {50: MOSEC_TWO_CORES}
    mosec = "mosec" if cores == 1 else "mosec-2w"
    for connections, (floor, aim) in floors.items():
        if mosec in results and connections in levels:
            found = ratio(results, mosec, connections)
            lines.append(Line(f"req/s against {mosec}, c={connections}, {where}", found, "x", floor, aim, True))
    if cores == 1 and 50 in levels:
        for peer, floor in OTHER_FLOORS.items():
            if peer in results:
                lines.append(Line(f"req/s against {peer}, c=50", ratio(results, peer, 50), "x", floor, None, True))
    own = results[OURS]
    if cores == 1 and 50 in levels:
        spread = median(own, 50, lambda figures: tail(figures.accepted) / figures.accepted.p50)
        lines.append(Line("p99 / p50, c=50", spread, "x", SPREAD_CEILING, None, False))
    if 200 in levels:
        health = median(own, 200, lambda figures: tail(figures.probes))
        promise = f"health p99, c=200, {where}"
        lines.append(Line(promise, health, " ms", HEALTH_CEILING_MS[cores], None, False))
    errors = sum(figures.errors + figures.probe_failures for each in own for figures in each.levels.values())
    lines.append(Line(f"errors below the limit, {where}", errors, "", 0.0, None, False))
    if cores == 1:
        rss = statistics.median(each.rss_mib for each in own)
        lines.append(Line("RSS of all our processes", rss, " MiB", RSS_CEILING_MIB, None, False))
        lines.append(Line("starts with torch loaded", sum(each.torch_loaded for each in own), "", 0.0, None, False))
    return lines


def overload_lines(overload: Overload) -> list[Line]:
    found = overload.figures
    goodput = 100 * found.goodput / overload.capacity
    return [
        Line("overload: goodput within 500 ms, of capacity", goodput, " %", *GOODPUT, True),
        Line("overload: p99 of 200s", tail(found.accepted), " ms", None, ACCEPTED_P99_AIM_MS, False),
        Line("overload: p99 of 429s", tail(found.refused), " ms", None, REFUSED_P99_AIM_MS, False),
        Line("overload: client time-outs", found.timeouts, "", 0.0, None, False),
        Line("overload: ended neither 200, 429 nor 504", otherwise(found), "", 0.0, None, False),
    ]


def tail(latencies: Latencies) -> float:
    """The 99th percentile; NaN when there was nothing."""
    return latencies.p99 if latencies.count else float("nan")


def otherwise(figures: Figures) -> int:
    """Requests that ended neither with 200, 429 or 504 nor with a caller who gave up."""
    told = sum(figures.statuses.get(status, 0) for status in ("200", "429", "504"))
    return figures.offered - told - figures.timeouts


def levels_table(results: Results, levels: Sequence[int]) -> str:
    """A row for each server; `ours is` says how many times its answers per second ours are."""
    head = ["server"]
    for connections in levels:
        head += [f"c={connections} req/s", "p50 / p99 ms", "ours is"]
    rows = [[*head, "errors", f"health p99 ms, c={max(levels)}", "RSS MiB"]]
    for name, rounds in results.items():
        cells = [name]
        for connections in levels:
            middle = milliseconds(median(rounds, connections, lambda figures: figures.accepted.p50))
            slowest = milliseconds(median(rounds, connections, lambda figures: figures.accepted.p99))
            against = "" if name == OURS else f"{ratio(results, name, connections):.2f} x"
            cells += [f"{rate(rounds, connections):,.0f}", f"{middle} / {slowest}", against]
        errors = sum(figures.errors for each in rounds for figures in each.levels.values())
        health = milliseconds(median(rounds, max(levels), lambda figures: figures.probes.p99))
        weight = statistics.median(each.rss_mib for each in rounds)
        rows.append([*cells, str(errors), health, f"{weight:.0f}"])
    return markdown(rows)


def overload_table(overloads: Mapping[str, Overload]) -> str:
    """A row for each server that was offered twice its own capacity."""
    head = "server,capacity/s,offered/s,200/s,within 500 ms/s,of capacity,p50 / p99 of 200 ms,p99 of 429 ms"
    rows = [[*head.split(","), "429", "504", "other", "time-outs", "health p99 ms"]]
    for name, each in overloads.items():
        found = each.figures
        rates = (each.capacity, found.offered / found.seconds, found.per_second, found.goodput)
        rows.append(
            [
                *(name, *(f"{number:,.0f}" for number in rates), f"{100 * found.goodput / each.capacity:.0f} %"),
                f"{milliseconds(found.accepted.p50)} / {milliseconds(found.accepted.p99)}",
                milliseconds(found.refused.p99),
                *(str(found.statuses.get(status, 0)) for status in ("429", "504")),
                *(str(otherwise(found)), str(found.timeouts), milliseconds(found.probes.p99)),
            ]
        )
    return markdown(rows)


def verdict_table(lines: Sequence[Line]) -> str:
    rows = [["promise", "found", "floor", "aim", "verdict"]]
    for line in lines:
        sign = ">=" if line.at_least else "<="
        bounds = ["-" if bound is None else f"{sign} {bound:g}{line.unit}" for bound in (line.floor, line.aim)]
        found = f"{line.found:.2f}" if line.unit in ("x", " s") else f"{line.found:.1f}".removesuffix(".0")
        rows.append([line.promise, found + line.unit, *bounds, line.verdict])
    return markdown(rows)


def milliseconds(value: float) -> str:
    """A dash for what nobody answered."""
    return f"{value:.1f}" if value >= 0 else "-"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table; the first row is its head, the first column its names."""
    head, *rest = rows
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rest))
