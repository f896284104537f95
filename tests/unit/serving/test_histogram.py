"""Our histogram is scraped exactly as prometheus_client's own would be."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Counter as TheirCounter
from prometheus_client import Histogram as TheirHistogram

from serving.counter import Counter
from serving.histogram import Histogram

BUCKETS = (0.001, 0.01, 0.1, 1.0)


@given(st.lists(st.sampled_from([0.0, 0.0005, 0.001, 0.0011, 0.01, 0.5, 1.0, 7.0]), max_size=30))
def test_the_exposition_is_theirs(values: list[float]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    histogram = Histogram("seconds", "A sentence.", ("route",), BUCKETS)
    ours.register(histogram)
    reference = TheirHistogram("seconds", "A sentence.", ("route",), registry=theirs, buckets=BUCKETS)
    series, child = histogram.labels("/a"), reference.labels("/a")
    for value in values:
        series.observe(value)
        child.observe(value)
    expected = [line for line in generate_latest(theirs).decode().splitlines() if "_created" not in line]
    assert generate_latest(ours).decode().splitlines() == expected


def test_a_counter_is_scraped_as_theirs_is() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counter = Counter("answers_total", "A sentence.", ("status",))
    ours.register(counter)
    reference = TheirCounter("answers_total", "A sentence.", ("status",), registry=theirs)
    for status in (200, 200, 503):
        counter.labels(status).inc()
        reference.labels(status).inc()
    expected = [line for line in generate_latest(theirs).decode().splitlines() if "_created" not in line]
    assert generate_latest(ours).decode().splitlines() == expected
