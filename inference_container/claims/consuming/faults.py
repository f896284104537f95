"""What the consumer's thread counts: its label values are made before it starts, and nothing but these is counted.

The event loop reads the metrics at scrape time and must not meet a value that was not there when it began to look.
"""

from inference_container.claims.retries import UNEXPECTED, code_of
from inference_container.errors import BrokerUnavailable, CommitRefused
from inference_container.metrics_claims import ClaimMetrics
from serving.errors import DependencyFailed

_CODES = (BrokerUnavailable.code, CommitRefused.code, DependencyFailed.code, UNEXPECTED)


def prepare(metrics: ClaimMetrics) -> None:
    metrics.outcomes.labels("skipped")
    for outcome in ("ok", BrokerUnavailable.code, CommitRefused.code):
        metrics.commits.labels(outcome)
    for change in ("assigned", "revoked", "lost"):
        metrics.rebalances.labels(change)
    for code in _CODES:
        metrics.faults.labels(code)


def count_fault(metrics: ClaimMetrics, fault: Exception) -> None:
    code = code_of(fault)
    metrics.faults.labels(code if code in _CODES else UNEXPECTED).inc()
