"""The forecast service's log events. Names are the predecessor's where it had one for the same fact."""

from functools import partial

from serving.events import DEBUG, ERROR, WARNING
from serving.events import declare as _declare

_event = partial(_declare, logger="inference_container")

runtime_start = _event("runtime_start", "The service begins to load its bundle.", "bundle", "workers", "queue_maxsize")
startup_model_ready = _event("startup_model_ready", "The first forecast can be served.", "ready_ms")
model_activated = _event(
    "model_activated",
    "A worker verified, warmed and holds a bundle.",
    *("bundle_id", "name", "backend", "worker", "load_ms", "golden_max_rel_err"),
)
backend_fallback = _event(
    "backend_fallback",
    "A worker serves, but not with the fastest backend; `reason` says what that one lacked.",
    *("backend", "worker", "reason"),
    level=WARNING,
)
model_rejected = _event(
    "model_rejected", "A bundle was refused; its forecasts are not served.", "bundle", "code", "reason", level=ERROR
)
# One request each, so at debug level: at thousands a second they would cost more than the forecast.
queue_job_enqueued = _event("queue_job_enqueued", "A request got a place.", "req_id", "qsize", level=DEBUG)
queue_job_done = _event("queue_job_done", "A forecast was answered.", "req_id", "waited_ms", "duration_ms", level=DEBUG)
queue_job_rejected_full = _event(
    "queue_job_rejected_full",
    "Requests were refused because the queue was full: at most one line a second, `rejected` counts all so far.",
    *("rejected", "qsize"),
    level=WARNING,
)
inference_stage_timings = _event("inference_stage_timings", "A batch was answered.", "batch", "timings_ms", level=DEBUG)
workers_scaled = _event("workers_scaled", "An operator changed the number of workers.", "before", "after")
queue_job_timeout = _event(
    "queue_job_timeout",
    "A request's deadline passed: at most one line a second, `timeouts` counts all so far.",
    *("req_id", "timeouts"),
    level=WARNING,
)
queue_job_error = _event("queue_job_error", "A forecast failed on our side.", "req_id", "code", level=ERROR)
