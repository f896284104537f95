"""A Prometheus counter that one event loop counts up: plain numbers, no lock, as in `serving.histogram`."""

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override


class Count:
    """What was counted under one set of label values. Call from the event loop only."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1.0) -> None:
        """`amount` is never negative: a counter that falls looks like a restart to whoever computes its rate."""
        self.value += amount


class Counter(Collector):
    def __init__(self, name: str, sentence: str, labels: Sequence[str]) -> None:
        self._name, self._sentence, self._labels = name.removesuffix("_total"), sentence, tuple(labels)
        self._counts: dict[tuple[str, ...], Count] = {}
        if not labels:
            self.labels()  # a counter without labels is there from the start, at 0

    def labels(self, *values: object) -> Count:
        key = tuple(map(str, values))
        if len(key) != len(self._labels):
            raise ValueError(f"{self._name} has the labels {self._labels}")
        found = self._counts.get(key)
        if found is None:
            found = self._counts[key] = Count()
        return found

    def inc(self, amount: float = 1.0) -> None:
        """For a counter without labels."""
        self._counts[()].inc(amount)

    def counts(self) -> Mapping[tuple[str, ...], float]:
        """What was counted so far, by label values."""
        return {key: count.value for key, count in self._counts.items()}

    @override
    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(self._name, self._sentence, labels=self._labels)
        for key, count in self._counts.items():
            family.add_metric(key, count.value)
        yield family
