"""Prometheus metrics that every service has, and the bridge from `statistics()` to a scrape.

Whoever fills up says how full it is; this room turns that into samples when the scraper asks, so a queue has never
heard of Prometheus and a gauge can not go stale. Each process has one `Metrics` with a registry of its own.
docs/metrics.md is made from what is said of each metric here and in the services' own rooms.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from serving.counter import Counter
from serving.described import Described, Kind, Label, labels_of
from serving.disks import Disks, disk_readings
from serving.histogram import Histogram
from serving.lifecycle import Lifecycle
from serving.loop_lag import LoopLag
from serving.readings import LabelledReading, Reading, Readings
from serving.resource_readings import usage_readings
from serving.resources import Resources

#: Seconds. From half a millisecond (one cached forecast) to ten minutes (a long answer on a slow core).
LATENCY_BUCKETS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0),
)
#: Seconds. A turn of the loop is late by less than one of these, or by more than a probe waits.
LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

#: Values of `method`; whatever else a caller sends is `other`.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
#: Value of `endpoint` for paths that no route knows: a scanner must not be able to fill the registry with names.
UNKNOWN = "unmatched"
_ENDPOINT = Label("endpoint", of=f"the route's pattern; `{UNKNOWN}` for all that no route knows")
#: What a scrape may write before the event loop looks round, in seconds.
_TURN_S = 0.001
#: Samples of one piece: a histogram of all routes has hundreds.
_A_PIECE = 64


class _One(Collector):
    """A family by itself, for the writer of the format."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    @override
    def collect(self) -> Iterable[Metric]:
        yield self._family


def _pieces(family: Metric) -> Iterator[bytes]:
    """The text of a family, a few samples at a time; what leads it in, once."""
    for begin in range(0, max(1, len(family.samples)), _A_PIECE):
        part = Metric(family.name, family.documentation, family.type, family.unit)
        part.samples = family.samples[begin : begin + _A_PIECE]
        text = generate_latest(_One(part))
        yield text if begin == 0 else text.split(b"\n", 2)[2]


class Metrics:
    """The registry and the metrics that both doors keep about HTTP and about their process."""

    def __init__(self, resources: Resources | None = None) -> None:
        self.registry = CollectorRegistry()
        #: In the order in which they were made.
        self.described: list[Described] = []
        #: They may hold threads until `close`.
        self.resources, self.disks = resources or Resources(), Disks()
        #: Old alert rules ask for these four names with the label `endpoint`; nothing exported them before.
        self.http_requests = self.counter(
            "http_requests_total",
            "HTTP requests that were answered, or whose caller hung up before (499). A server that is full (503), "
            "bytes that are no HTTP (400), heads without an end (431) and a browser's preflights count as well, under "
            f"`{UNKNOWN}`.",
            _ENDPOINT,
            Label("method", (*METHODS, "other")),
            Label("status", of="the status code that was sent; 499 where nobody was left to read one"),
        )
        self.http_errors = self.counter(
            "http_request_errors_total",
            "HTTP requests answered with a 5xx, or cut off in the middle of an answer. A probe that is told not yet is "
            "none: alerts would fire at every rollout.",
            _ENDPOINT,
        )
        self.http_duration = self.histogram(
            "http_request_duration_seconds",
            "From the request's head to the last byte of its answer, a stream's too.",
            _ENDPOINT,
        )
        #: HTTP requests being answered now; whoever answers one counts it up and down again.
        self.http_in_flight = 0
        self.loop_delay = self.histogram(
            "event_loop_delay_seconds",
            "How late the event loop was, each of the ten times a second that it is looked at.",
            buckets=LAG_BUCKETS,
        )
        self.read(
            Reading(
                "http_requests_in_flight",
                "HTTP requests being answered now, streams as long as they last; the scrape itself is one.",
                lambda: self.http_in_flight,
            ),
            # Not prometheus_client's process collector: it opens files, and a scrape is answered on the event loop.
            Reading(
                "process_cpu_seconds",
                "CPU time of the API process, children not included.",
                time.process_time,
                "counter",
            ),
            *usage_readings(lambda: self.resources.latest),
            *disk_readings(lambda: self.disks.latest),
        )

    def about(self, service: str, version: str, revision: str) -> None:
        """What is running here: once, by `wiring`."""
        values = (service, version, revision or "unknown")
        names = (
            Label("service", ("chat", "inference")),
            Label("version", of="the release"),
            Label("revision", of="BUILD_REVISION, as the image was built; `unknown` where nobody said"),
        )
        self.read(LabelledReading("service_info", "1, for what runs here.", names, lambda: {values: 1.0}))

    def watch_process(self, lag: LoopLag, lifecycle: Lifecycle, reasons: Sequence[str]) -> None:
        """Exports what the loop and the lifecycle say of themselves.

        Args:
            reasons: all that may stand in `lifecycle.degraded`.
        """
        lag.on_lag = self.loop_delay.observe
        self.read(
            Reading(
                "event_loop_lag_seconds",
                "How late the event loop was when it was last looked at. What happened between two scrapes stands in "
                "event_loop_delay_seconds.",
                lambda: lag.statistics().last_ms / 1000,
            ),
            Reading(
                "event_loop_lag_max_seconds",
                "The worst since the start of the process; it never falls.",
                lambda: lag.statistics().max_ms / 1000,
            ),
            LabelledReading(
                "service_degraded",
                "1 for each reason why a process that serves does less than it could; `/ready` names the same.",
                (Label("reason", tuple(reasons)),),
                lambda: {(reason,): float(reason in lifecycle.degraded) for reason in reasons},
            ),
        )

    def expect_routes(self, paths: Iterable[str]) -> None:
        """Their errors are counted from 0 on, so that an alert sees the first one."""
        for path in (*paths, UNKNOWN):
            self.http_errors.labels(path)

    def count_unmatched(self, method: str, status: int) -> None:
        """An answer that was given before a route was looked for."""
        self.http_requests.labels(UNKNOWN, method if method in METHODS else "other", status).inc()
        if status >= 500:
            self.http_errors.labels(UNKNOWN).inc()

    def counter(self, name: str, sentence: str, *labels: Label | str) -> Counter:
        known = labels_of(labels)
        made = Counter(name, sentence, [label.name for label in known])
        # There from the start, at 0: of a series that begins with its first event nobody sees that one as a rise.
        early = [label.values or label.early for label in known]
        if known and all(early):
            for values in product(*early):
                made.labels(*values)
        self.registry.register(made)
        self._note(name, "counter", sentence, known)
        return made

    def gauge(self, name: str, sentence: str, *labels: Label | str) -> Gauge:
        known = labels_of(labels)
        self._note(name, "gauge", sentence, known)
        return Gauge(name, sentence, [label.name for label in known], registry=self.registry)

    def histogram(
        self,
        name: str,
        sentence: str,
        *labels: Label | str,
        buckets: Sequence[float] = LATENCY_BUCKETS,
        unit: str = "",
    ) -> Histogram:
        known = labels_of(labels)
        made = Histogram(name, sentence, [label.name for label in known], buckets)
        self.registry.register(made)
        self._note(name, "histogram", sentence, known, tuple(buckets), unit)
        return made

    def read(self, *readings: Reading | LabelledReading) -> None:
        """Exports numbers that others keep."""
        self.registry.register(Readings(readings))
        for reading in readings:
            labels = reading.labels if isinstance(reading, LabelledReading) else ()
            self._note(reading.name, reading.kind, reading.sentence, labels, unit=reading.unit)

    def exposition(self) -> bytes:
        """All of it as it stands, the process's own use as it was last looked at."""
        return generate_latest(self.registry)

    async def scrape(self) -> bytes:
        """All of it, freshly looked at. Written in pieces, and the event loop goes round in between.

        On the loop and not on a thread: the counters are the loop's and have no lock, and a thread that computes would
        hold the interpreter for five milliseconds at a time, which is what the loop should not be held for.
        """
        await asyncio.gather(self.resources.look(), self.disks.look())
        parts, begun = [], time.perf_counter()
        for family in self.registry.collect():
            for piece in _pieces(family):
                parts.append(piece)
                if time.perf_counter() - begun >= _TURN_S:
                    await asyncio.sleep(0)
                    begun = time.perf_counter()
        return b"".join(parts)

    def close(self) -> None:
        """Idempotent; a later scrape begins anew."""
        self.resources.close()
        self.disks.close()

    def names(self) -> list[str]:
        """Every metric name, sorted; a contract test pins them."""
        return sorted({metric.name for metric in self.registry.collect()})

    def _note(
        self,
        name: str,
        kind: Kind,
        sentence: str,
        labels: tuple[Label, ...],
        buckets: tuple[float, ...] = (),
        unit: str = "",
    ) -> None:
        told = f"{name.removesuffix('_total')}_total" if kind == "counter" else name
        self.described.append(Described(told, kind, sentence, labels, buckets, unit))
