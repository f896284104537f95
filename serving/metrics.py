"""Prometheus metrics that every service has, and the bridge from `statistics()` to a scrape.

Whoever fills up says how full it is; this room turns that into samples when the scraper asks, so a queue has never
heard of Prometheus and a gauge can not go stale. Each process has one `Metrics` with a registry of its own.
"""

import resource
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from serving.counter import Counter
from serving.histogram import Histogram

#: Seconds. From half a millisecond (one cached forecast) to ten minutes (a long answer on a slow core).
LATENCY_BUCKETS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One number that is read at scrape time."""

    name: str
    sentence: str
    read: Callable[[], float]
    kind: Literal["gauge", "counter"] = "gauge"


class _Readings(Collector):
    def __init__(self, readings: Sequence[Reading]) -> None:
        self._readings = readings

    @override
    def collect(self) -> Iterable[Metric]:
        for reading in self._readings:
            family = GaugeMetricFamily if reading.kind == "gauge" else CounterMetricFamily
            yield family(reading.name, reading.sentence, value=reading.read())


class Metrics:
    """The registry and the metrics that both doors keep about HTTP."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        #: Old alert rules ask for these four names with the label `endpoint`; nothing exported them before.
        self.http_requests = self.counter(
            "http_requests_total", "HTTP requests answered, by route and status.", "endpoint", "method", "status"
        )
        self.http_errors = self.counter(
            "http_request_errors_total", "HTTP requests answered with a 5xx, by route.", "endpoint"
        )
        self.http_duration = self.histogram(
            "http_request_duration_seconds", "From the request's first byte to the answer's last, by route.", "endpoint"
        )
        #: HTTP requests being answered now; whoever answers one counts it up and down again.
        self.http_in_flight = 0

        # Not prometheus_client's process collector: it opens files, and a scrape is answered on the event loop.
        self.read(
            Reading("http_requests_in_flight", "HTTP requests being answered now.", lambda: self.http_in_flight),
            Reading("process_cpu_seconds", "CPU time of the API process.", time.process_time, "counter"),
            Reading("process_max_resident_memory_bytes", "Peak memory of the API process.", _peak_memory),
        )

    def counter(self, name: str, sentence: str, *labels: str) -> Counter:
        made = Counter(name, sentence, labels)
        self.registry.register(made)
        return made

    def gauge(self, name: str, sentence: str, *labels: str) -> Gauge:
        return Gauge(name, sentence, labels, registry=self.registry)

    def histogram(
        self, name: str, sentence: str, *labels: str, buckets: Sequence[float] = LATENCY_BUCKETS
    ) -> Histogram:
        made = Histogram(name, sentence, labels, buckets)
        self.registry.register(made)
        return made

    def read(self, *readings: Reading) -> None:
        """Exports numbers that others keep."""
        self.registry.register(_Readings(readings))

    def exposition(self) -> bytes:
        return generate_latest(self.registry)

    def names(self) -> list[str]:
        """Every metric name, sorted; a contract test pins them."""
        return sorted({metric.name for metric in self.registry.collect()})


def _peak_memory() -> float:
    """Bytes. Linux counts `ru_maxrss` in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)
