"""How a question ended, for the log and the counters: each that came in ends here, once. Called by `jobs`."""

from service_chat import events
from service_chat.errors import JobCancelled
from service_chat.metrics import ChatMetrics
from service_chat.services.steps import Answer
from serving.errors import CallerGone, NotFound, SluiceError


def note_outcome(answer: Answer | None, error: SluiceError | None, metrics: ChatMetrics) -> None:
    match error:
        case None:
            degraded = list(answer.degraded) if answer is not None else []
            metrics.requests.labels("degraded" if degraded else "answered").inc()
            events.request_completed(degraded=degraded)
        case JobCancelled():
            metrics.requests.labels("cancelled").inc()
            events.request_cancelled()
        case CallerGone():
            metrics.requests.labels("abandoned").inc()
            events.request_abandoned()
        case _:
            metrics.requests.labels(error.code).inc()
            events.error(error_type=_old_error_type(error), code=error.code)


def _old_error_type(error: SluiceError) -> str:
    """The predecessor's words for what failed; its alerts match on them."""
    match error:
        case NotFound():
            return "patient_not_found"
        case _ if error.code == "dependency_failed":
            return "db_api_error"
        case _:
            return "llm_error"
