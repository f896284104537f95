"""Figures as the generator would have found them, for tests of what is made of them."""

from bench.contest import Round
from bench.generator import NOTHING, Figures, Latencies


def latencies(count: int, p50: float, p99: float) -> Latencies:
    if not count:
        return Latencies(count=0, p50=NOTHING, p95=NOTHING, p99=NOTHING, max=NOTHING)
    return Latencies(count=count, p50=p50, p95=p99, p99=p99, max=p99)


def figures(
    accepted: int,
    *,
    refused: int = 0,
    expired: int = 0,
    other: int = 0,
    timeouts: int = 0,
    p50: float = 10.0,
    p99: float = 14.0,
    refused_p99: float = 5.0,
    health_p99: float = 4.0,
    within_slo: int | None = None,
) -> Figures:
    """Of one second."""
    counted = {"200": accepted, "429": refused, "504": expired, "503": other}
    return Figures(
        seconds=1.0,
        offered=sum(counted.values()) + timeouts,
        timeouts=timeouts,
        unsent=0,
        failures=0,
        within_slo=accepted if within_slo is None else within_slo,
        accepted=latencies(accepted, p50, p99),
        refused=latencies(refused, refused_p99, refused_p99),
        expired=latencies(expired, 250.0, 250.0),
        probes=latencies(50 if health_p99 >= 0 else 0, health_p99, health_p99),
        probe_failures=0,
        statuses={status: count for status, count in counted.items() if count},
    )


def one_round(levels: dict[int, Figures], rss_mib: float = 100.0, torch_loaded: bool = False) -> Round:
    return Round(levels, rss_mib, torch_loaded)
