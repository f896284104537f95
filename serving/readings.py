"""Numbers that others keep, read when a scraper asks. None is no sample: what is not known is not said.

`metrics` registers them; rooms that fill up hand in what their `statistics()` says.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from serving.described import Kind, Label


@dataclass(frozen=True, slots=True)
class Reading:
    """One number that is read at scrape time; None is no sample."""

    name: str
    sentence: str
    read: Callable[[], float | None]
    kind: Kind = "gauge"
    unit: str = ""


@dataclass(frozen=True, slots=True)
class LabelledReading:
    """Numbers by label values, read at scrape time."""

    name: str
    sentence: str
    labels: tuple[Label, ...]
    read: Callable[[], Mapping[tuple[str, ...], float]]
    kind: Kind = "gauge"
    unit: str = ""


class Readings(Collector):
    def __init__(self, readings: Sequence[Reading | LabelledReading]) -> None:
        self._readings = readings

    @override
    def collect(self) -> Iterable[Metric]:
        for reading in self._readings:
            family = GaugeMetricFamily if reading.kind == "gauge" else CounterMetricFamily
            if isinstance(reading, Reading):
                yield family(reading.name, reading.sentence, value=reading.read())
                continue
            made = family(reading.name, reading.sentence, labels=[label.name for label in reading.labels])
            for values, value in reading.read().items():
                made.add_metric(values, value)
            yield made
