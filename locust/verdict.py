"""What a load run must hold to, and whether it did. `judge` feeds it when a run ends.

Knows no Locust and no service: fed figures, returns sentences, so that a unit test can judge the judge.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

#: Ends of names of rows that say how an answer came about: never part of the row that a limit is about.
CACHED, REFUSED, LATE = " (cached)", (" (429)", " (503)"), " (504)"


@dataclass(frozen=True, slots=True)
class Figures:
    """One row: of Locust's statistics, or a series of its own. Latencies in milliseconds."""

    name: str
    requests: int
    failures: int
    avg_ms: float = 0.0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    most_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Limit:
    """What one row must hold to; None: no such bound. `failures`: the part of its requests that may fail."""

    name: str
    avg_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    failures: float = 0.0


@dataclass(frozen=True, slots=True)
class Promise:
    """What the whole run must hold to."""

    limits: Sequence[Limit]
    least_rate: float = 0.0  #: requests a second over all endpoints, after the ramp
    answers: frozenset[int] = frozenset()  #: the only statuses that may occur; empty: any
    refusals: float = 0.0  #: part of all requests
    memory_growth: float = 0.0  #: 0: any


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen."""

    rows: Sequence[Figures]
    series: Sequence[Figures] = ()  #: what was measured beside the requests: no request is counted twice
    rate: float | None = None  #: requests a second after the ramp; None where there was no such time
    statuses: Mapping[tuple[str, int], int] = field(default_factory=dict)  #: row and status (0: no answer) → how often
    crashes: Sequence[str] = ()  #: exceptions of simulated users
    stopped: str = ""  #: why the run was given up before it began
    growth: Mapping[str, float] = field(default_factory=dict)  #: service → by how much its memory grew, as a part


def broken(evidence: Evidence, promise: Promise) -> list[str]:
    """A sentence for everything that did not hold; empty when the run passed."""
    if evidence.stopped:
        return [evidence.stopped]
    said = broken_limits([*evidence.rows, *evidence.series], promise.limits)
    # What no limit names may still not fail: a failure in a row that nobody thought of is a failure.
    limited = {limit.name for limit in promise.limits}
    beside = [row for row in evidence.rows if row.name not in limited and row.failures]
    said += [f"{row.name}: {row.failures} of {row.requests} failed" for row in beside]
    said += _unexpected(evidence, promise)
    said += _too_few(evidence, promise)
    # A user that broke made fewer requests, and those that it made look fine.
    said += [f"a simulated user broke: {crash}" for crash in evidence.crashes]
    if promise.memory_growth:
        said += [
            f"{service}: its memory grew by {grown:.0%}, {promise.memory_growth:.0%} are allowed"
            for service, grown in evidence.growth.items()
            if grown > promise.memory_growth
        ] or ([] if evidence.growth else ["nobody knows whether memory grew: no service told its size twice"])
    return said


def broken_limits(rows: Iterable[Figures], limits: Sequence[Limit]) -> list[str]:
    """A sentence for every limit that did not hold.

    A row that never ran breaks its limit too: a run in which nobody got through proves nothing. So does a row whose
    every answer came from a cache: those are counted in another.
    """
    found = {row.name: row for row in rows}
    said: list[str] = []
    for limit in limits:
        row = found.get(limit.name)
        if row is None or row.requests == 0:
            said.append(f"{limit.name}: not one request was made")
            continue
        if row.failures > limit.failures * row.requests:
            said.append(f"{limit.name}: {row.failures} of {row.requests} failed, {limit.failures:.1%} are allowed")
        for what, is_, may in (
            ("average", row.avg_ms, limit.avg_ms),
            ("p95", row.p95_ms, limit.p95_ms),
            ("p99", row.p99_ms, limit.p99_ms),
        ):
            if may is not None and is_ > may:
                said.append(f"{limit.name}: {what} {is_:.0f} ms, {may:.0f} ms are allowed")
    return said


def is_plain(name: str) -> bool:
    """Whether a row is of answers that were worked for: not from a cache, no refusal, not late."""
    return not name.endswith((CACHED, *REFUSED, LATE))


def _unexpected(evidence: Evidence, promise: Promise) -> list[str]:
    said: list[str] = []
    if promise.answers:
        said += [
            f"{row}: {times} times {status or 'no answer at all'}; only {_list(promise.answers)} may come"
            for (row, status), times in sorted(evidence.statuses.items())
            if status not in promise.answers
        ]
    made = sum(row.requests for row in evidence.rows)
    refused = sum(row.requests for row in evidence.rows if row.name.endswith(REFUSED))
    if refused > promise.refusals * made:
        said.append(f"{refused} of {made} requests were refused, {promise.refusals:.1%} may be")
    return said


def _too_few(evidence: Evidence, promise: Promise) -> list[str]:
    if not promise.least_rate:
        return []
    if evidence.rate is None:
        return ["the run ended before all users were there: nobody knows how many requests a second it makes"]
    if evidence.rate < promise.least_rate:
        return [f"{evidence.rate:.1f} requests/s after the ramp, at least {promise.least_rate:.0f} are asked for"]
    return []


def _list(statuses: Iterable[int]) -> str:
    return ", ".join(str(each) for each in sorted(statuses))
