"""The chat service's log events. The spans of a request keep the predecessor's names and their order.

None of them has a field for a record number, a query or an answer: what a patient wrote stays out of the log.
"""

from functools import partial

from serving.events import ERROR, WARNING
from serving.events import declare as _declare

_span = partial(_declare, logger="service_chat.tracing")
_event = partial(_declare, logger="service_chat")

request_received = _span("request_received", "A triage request came in.")
record_start = _span("db_api_patient_summary_start", "The patient's record is asked for.")
record_end = _span("db_api_patient_summary_end", "The record is here.", "elapsed_ms")
inference_start = _span("llm_inference_start", "The request joins the engine's queue.", "llm_mode", "depth")
inference_end = _span(
    "llm_inference_end",
    "The engine has answered; elapsed_ms includes the wait.",
    *("elapsed_ms", "queue_ms", "prefill_ms", "decode_ms", "prompt_tokens", "completion_tokens", "finish_reason"),
)
request_completed = _span("request_completed", "The answer is on its way.", "degraded")
request_abandoned = _span("request_abandoned", "The caller hung up; its place is free and the engine was told to stop.")
error = _span("error", "A triage request failed.", "error_type", "code", level=WARNING)

engine_state_changed = _event(
    "engine_state_changed", "The engine went from one state to the next.", "llm_mode", "state", "reason", "failures"
)
engine_ready = _event(
    "engine_ready",
    "The model is loaded and warm.",
    *("llm_mode", "model", "sha256", "n_ctx", "n_threads", "threads_from", "spin", "system_info", "load_ms"),
)
engine_stuck = _event(
    "engine_stuck",
    "The engine sits on a request for which nobody waits any more: its process is killed and started anew.",
    "pid",
    "overdue_s",
    level=ERROR,
)
engine_restarts_keep_failing = _event(
    "engine_restarts_keep_failing", "The engine does not come back; the service is not ready.", "failures", level=ERROR
)
