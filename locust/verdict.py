"""What a load run must hold to, and whether it did. The locustfiles beside this one call it when Locust quits.

Knows no Locust and no service: fed figures, returns sentences, so that a unit test can judge the judge.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """One row of Locust's statistics."""

    name: str
    requests: int
    failures: int
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Limit:
    """What one row must hold to."""

    name: str
    p95_ms: float
    failure_ratio: float = 0.0


def broken_limits(rows: Iterable[Figures], limits: Sequence[Limit]) -> list[str]:
    """A sentence for every limit that did not hold; empty when the run passed.

    A row that never ran breaks its limit too: a run in which nobody got through proves nothing.
    """
    found = {row.name: row for row in rows}
    said: list[str] = []
    for limit in limits:
        row = found.get(limit.name)
        if row is None or row.requests == 0:
            said.append(f"{limit.name}: not one request was made")
            continue
        if row.failures > limit.failure_ratio * row.requests:
            said.append(f"{limit.name}: {row.failures} of {row.requests} failed, {limit.failure_ratio:.1%} are allowed")
        if row.p95_ms > limit.p95_ms:
            said.append(f"{limit.name}: p95 {row.p95_ms:.0f} ms, {limit.p95_ms:.0f} ms are allowed")
    return said


def milliseconds(variable: str, default: float, environ: Mapping[str, str] = os.environ) -> float:
    """A limit that the person who runs the profile may move, e.g. for a large model."""
    return float(environ.get(variable) or default)
