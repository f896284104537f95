"""What a shadow model's answers come to: a count and a difference, never an answer to anybody."""

import orjson

from inference_container.forecasting.messages import Answered, ForecastReply
from inference_container.metrics import InferenceMetrics
from inference_container.services.ports import BatchOutcome


class ShadowMeter:
    """Called with both outcomes of a batch. One pair of answers a batch is compared: this is the event loop."""

    def __init__(self, metrics: InferenceMetrics) -> None:
        self._metrics = metrics

    def __call__(self, served: BatchOutcome, shadowed: BatchOutcome) -> None:
        if not isinstance(served, Answered):
            return
        if not isinstance(shadowed, Answered):
            self._metrics.shadow_batches.labels("failed").inc()
            return
        self._metrics.shadow_batches.labels("answered").inc()
        for ours, theirs in zip(served.replies, shadowed.replies, strict=False):
            before, beside = _first_value(ours), _first_value(theirs)
            if before is not None and beside is not None:
                scale = max(abs(before), abs(beside), 1e-12)
                self._metrics.shadow_difference.observe(abs(before - beside) / scale)
                return


def _first_value(reply: ForecastReply) -> float | None:
    """The first number of the first predicted row; None for an error or an answer of another shape."""
    if not isinstance(reply, bytes):
        return None
    rows = orjson.loads(reply).get("predictions") or [{}]
    return next((value for value in rows[0].values() if isinstance(value, float | int)), None)
