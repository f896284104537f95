"""What is counted of the audit, the chat log and the feedback. Beside `metrics`, in the same registry."""

from serving.described import Label
from serving.metrics import Metrics

VERDICT = Label("verdict", ("agree", "too_high", "too_low"))


class PrivacyMetrics:
    def __init__(self, metrics: Metrics) -> None:
        self.audit_rows = metrics.counter("triage_audit_rows_total", "Audit rows written.")
        self.audit_lost = metrics.counter(
            "triage_audit_lost_total", "Audit entries that could not be written and are gone."
        )
        self.audit_failed = metrics.counter(
            "triage_audit_failures_total", "Attempts to write audit rows that failed; they are made again."
        )
        self.chat_log = metrics.counter(
            "triage_chat_log_total",
            "Conversations: stored, late (stored after the answer went out without their number), failed, dropped.",
            Label("outcome", ("stored", "late", "failed", "dropped")),
        )
        self.feedback = metrics.counter("triage_feedback_total", "What people said of an answer's acuity.", VERDICT)
