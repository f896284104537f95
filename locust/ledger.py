"""What a run counts beside Locust's own statistics: series of their own, statuses, the first requests of each user.

Locust adds everything that it is told into one row, "Aggregated". A warm-up or a time to first token that went there
would make the sums wrong (the predecessor's did: its warm-up of 11.6 s was part of every percentile). So they are
booked here, by `caller`, and no sum ever has them. With workers, each sends what is new with its report, and the master
adds.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from verdict import Figures


class SeriesReport(TypedDict):
    failures: int
    total_ms: float
    times: dict[int, int]


class LedgerReport(TypedDict):
    series: dict[str, SeriesReport]
    statuses: list[tuple[str, int, int]]


def bucket(ms: float) -> int:
    """Milliseconds as they are counted: whole ones, rounded up, and in tens from 10 s on.

    Locust's own rounding takes 104.9 ms for 100 and would let a limit of 100 pass; see `judge`.
    """
    whole = int(-(-ms // 1))
    return whole if whole < 10_000 else -(-whole // 10) * 10


@dataclass(slots=True)
class Series:
    failures: int = 0
    total_ms: float = 0.0
    times: Counter[int] = field(default_factory=Counter)  #: `bucket` → how often; failures are among them

    @property
    def count(self) -> int:
        return self.times.total()

    def add(self, ms: float, failed: bool) -> None:
        self.times[bucket(ms)] += 1
        self.total_ms += ms
        self.failures += failed

    def quantile(self, part: float) -> float:
        """Nearest rank; 0 for an empty series."""
        return nearest_rank(self.times, part)

    def figures(self, name: str) -> Figures:
        quantiles = (self.quantile(part) for part in (0.5, 0.95, 0.99, 1.0))
        return Figures(name, self.count, self.failures, self.total_ms / max(1, self.count), *quantiles)


def nearest_rank(times: Mapping[int, int], part: float) -> float:
    """The least time that at least this part of all took; 0 where nothing was timed."""
    wanted, seen = part * sum(times.values()), 0
    for ms in sorted(times):
        seen += times[ms]
        if seen >= wanted:
            return float(ms)
    return 0.0


class Ledger:
    """One per process. Greenlets take turns only where they wait, so nothing here needs a lock."""

    def __init__(self) -> None:
        self.series: dict[str, Series] = {}
        self.statuses: Counter[tuple[str, int]] = Counter()

    def time(self, name: str, ms: float, failed: bool = False) -> None:
        self.series.setdefault(name, Series()).add(ms, failed)

    def status(self, row: str, status: int) -> None:
        """`status` 0: there was no answer."""
        self.statuses[row, status] += 1

    def figures(self) -> list[Figures]:
        return [series.figures(name) for name, series in sorted(self.series.items())]

    def hand_over(self) -> LedgerReport:
        """All of it, as it travels to the master; what was handed over is no longer here."""
        report = LedgerReport(
            series={
                name: SeriesReport(failures=each.failures, total_ms=each.total_ms, times=dict(each.times))
                for name, each in self.series.items()
            },
            statuses=[(row, status, times) for (row, status), times in self.statuses.items()],
        )
        self.clear()
        return report

    def take(self, report: LedgerReport) -> None:
        for name, told in report["series"].items():
            series = self.series.setdefault(name, Series())
            series.failures += told["failures"]
            series.total_ms += told["total_ms"]
            series.times.update({int(ms): times for ms, times in told["times"].items()})
        for row, status, times in report["statuses"]:
            self.statuses[row, status] += times

    def clear(self) -> None:
        self.series.clear()
        self.statuses.clear()
