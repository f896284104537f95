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
chat_log_start = _span("chat_log_storage_start", "A conversation is being stored, or the fact that there was one.")
chat_log_end = _span(
    "chat_log_storage_end", "It is stored; the number is random and names nobody.", "elapsed_ms", "conversation_id"
)
request_completed = _span("request_completed", "The answer is on its way.", "degraded")
request_abandoned = _span(
    "request_abandoned",
    "The caller hung up and nobody came back in time; its place is free and the engine was told to stop.",
)
request_cancelled = _span(
    "request_cancelled", "The caller took its question back; its place is free and the engine was told to stop."
)
error = _span("error", "A triage request failed.", "error_type", "code", level=WARNING)

chat_admitted = _event(
    "chat_admitted",
    "A chat got a place in its engine's lane; prompt_tokens is estimated, eta_s predicted.",
    *("llm_mode", "depth", "prompt_tokens", "eta_s"),
)
chat_rejected = _event(
    "chat_rejected",
    "A chat got no place: too many wait, its turn would come too late, or the process goes down.",
    *("llm_mode", "reason", "retry_after_s"),
)
chat_started = _event("chat_started", "A chat has a slot; the engine reads its prompt.", "llm_mode", "queue_ms")
chat_first_token = _event(
    "chat_first_token",
    "The prompt is read and the answer begins; ttft_ms includes the wait.",
    *("llm_mode", "prompt_tokens", "cached_tokens", "prefill_ms", "ttft_ms"),
)
chat_writing = _event(
    "chat_writing", "A long answer is being written: every few seconds.", "llm_mode", "tokens", "tokens_per_s"
)
chat_done = _event(
    "chat_done",
    "The answer is whole.",
    *("llm_mode", "finish_reason", "prompt_tokens", "cached_tokens", "completion_tokens"),
    *("prefill_ms", "decode_ms", "tokens_per_s"),
)
chat_cancelled = _event(
    "chat_cancelled",
    "Nobody waits for a chat any more: its caller left or its deadline passed.",
    *("llm_mode", "stage", "code", "tokens"),
)
chat_failed = _event("chat_failed", "A chat ended with an error.", "llm_mode", "stage", "code", level=WARNING)

api_keys_loaded = _event("api_keys_loaded", "The file of API keys was read, at the start or after a change.", "keys")
api_keys_refused = _event(
    "api_keys_refused",
    "The file of API keys changed to something that can not be used; the keys before it go on.",
    *("reason", "keys"),
    level=ERROR,
)
jwks_loaded = _event("jwks_loaded", "The OpenID provider's keys were fetched and are new.", "keys")
jwks_unavailable = _event(
    "jwks_unavailable",
    "The OpenID provider's keys could not be fetched; those that are known go on.",
    *("reason", "keys"),
    level=ERROR,
)

engine_state_changed = _event(
    "engine_state_changed", "The engine went from one state to the next.", "llm_mode", "state", "reason", "failures"
)
engine_ready = _event(
    "engine_ready",
    "The model is loaded and warm.",
    *("llm_mode", "model", "sha256", "n_ctx", "n_threads", "threads_from", "spin", "system_info", "load_ms", "slots"),
)
engine_stuck = _event(
    "engine_stuck",
    "The engine sits on a request for which nobody waits any more: its process is killed and started anew.",
    "pid",
    "overdue_s",
    level=ERROR,
)
model_swap_begun = _event(
    "model_swap_begun",
    "Another model is being loaded: beside the one that serves, or after it where memory holds only one.",
    "model",
    "beside",
)
model_swap_done = _event("model_swap_done", "New requests go to the new model.", "model", "sha256")
model_swap_failed = _event(
    "model_swap_failed",
    "The new model could not be loaded; the one before serves.",
    "model",
    "reason",
    level=ERROR,
)
engine_restarts_keep_failing = _event(
    "engine_restarts_keep_failing", "The engine does not come back; the service is not ready.", "failures", level=ERROR
)

audit_opened = _event(
    "audit_opened",
    "The audit's file is open; the end of its chain then, for whoever keeps this line elsewhere.",
    *("seq", "hash", "keyed"),
)
audit_closed = _event("audit_closed", "All audit rows are written; the end of the chain.", "seq", "hash")
audit_write_failed = _event(
    "audit_write_failed",
    "Audit rows can not be written; they wait, and it is tried again.",
    *("error_type", "waiting"),
    level=ERROR,
)
audit_note_failed = _event(
    "audit_note_failed",
    "Audit rows are written, and the note of how far they go is not: a cut end would not show.",
    *("error_type",),
    level=ERROR,
)
audit_lost = _event(
    "audit_lost", "Audit entries found no room to wait, or the process ended before them.", "entries", level=ERROR
)
retention_done = _event("retention_done", "What was past its time is gone.", "store", "dropped")
retention_failed = _event(
    "retention_failed",
    "What is past its time could not be dropped; it is tried again.",
    "store",
    "error_type",
    level=ERROR,
)
chat_log_failed = _event(
    "chat_log_failed",
    "A conversation, or a comment on one, could not be stored.",
    *("reason",),
    level=WARNING,
)
patient_ref_key_missing = _event(
    "patient_ref_key_missing",
    "PATIENT_REF_KEY is not set: references to patients are other ones after every start.",
    level=WARNING,
)
feedback_received = _event("feedback_received", "Somebody judged an answer.", "verdict")
