"""`docs/metrics.md`, made from what metrics say of themselves, so that it can not drift from them.

`scripts/metrics_page.py` writes it, a contract test compares it.
"""

from collections.abc import Iterator, Sequence

from prometheus_client.utils import floatToGoString

from serving.described import Described, Label

_HEAD = """# Metrics

Both services serve these at `GET /metrics` in Prometheus's text format; [operations](operations.md) says what to do
when a number is wrong. This page is made from the code that keeps them: `python -m scripts.metrics_page`.

- A gauge is read when it is asked for. Nothing is sampled in between, so none can go stale; what is not known has no
  sample, instead of a number that looks like one.
- A label has the values that are named here, or as many as its words allow: no caller can make one grow. Counters
  whose values are all named are there from the start, at 0; of the others the errors that alerts ask for are.
- A scrape is written in pieces, and the event loop serves others in between. Files are read on a thread.
- Rates, errors and durations of a door: HTTP has `http_requests_total`, `http_request_errors_total` and
  `http_request_duration_seconds` by route; Kafka has `inference_claims_total`, `inference_claim_dead_letters_total` and
  `inference_claim_seconds`. The forecasts behind both have the label `lane`.
"""


def metrics_page(services: Sequence[tuple[str, Sequence[Described]]]) -> str:
    """`services`: title and metrics of each; those that all of them have come first, under a title of their own."""
    titles = [title for title, _ in services]
    kept = [{metric.name: metric for metric in metrics} for _, metrics in services]
    shared = [metric for name, metric in kept[0].items() if all(others.get(name) == metric for others in kept)]
    lines = [_HEAD, *_section(" and ".join(titles).capitalize(), shared)]
    for title, metrics in services:
        lines += _section(title.capitalize(), [metric for metric in metrics if metric not in shared])
    return "\n".join([*lines, *_buckets([metric for _, metrics in services for metric in metrics])])


def _section(title: str, metrics: Sequence[Described]) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| metric | kind | unit | meaning | labels |"
    yield "|---|---|---|---|---|"
    for metric in sorted(metrics, key=lambda each: each.name):
        labels = "; ".join(map(_label, metric.labels)) or "-"
        yield f"| `{metric.name}` | {metric.kind} | {metric.told_unit} | {metric.sentence} | {labels} |"
    yield ""


def _label(label: Label) -> str:
    return f"`{label.name}`: " + (", ".join(f"`{value}`" for value in label.values) or label.of)


def _buckets(metrics: Sequence[Described]) -> Iterator[str]:
    """Upper bounds, one line for all histograms that have the same."""
    names: dict[tuple[float, ...], set[str]] = {}
    for metric in metrics:
        if metric.kind == "histogram":
            names.setdefault(metric.buckets, set()).add(metric.name)
    yield "## Buckets of the histograms\n"
    yield "| histograms | upper bounds |"
    yield "|---|---|"
    for bounds, found in sorted(names.items(), key=lambda each: sorted(each[1])):
        yield f"| {', '.join(f'`{name}`' for name in sorted(found))} | {', '.join(map(floatToGoString, bounds))} |"
    yield ""
