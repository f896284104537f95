"""What people think of an answer: a verdict for the audit, and their own words for where such words are kept.

Called by the feedback router with a job that it found for its caller.
"""

from typing import Literal

from service_chat import events
from service_chat.audit.ports import Entry, Trail
from service_chat.errors import JobRunning
from service_chat.metrics_privacy import PrivacyMetrics
from service_chat.services.caller import Caller
from service_chat.services.conversations import Conversations
from service_chat.services.job import Job
from service_chat.services.patient_ref import PatientRefs
from serving.clock import Clock

Verdict = Literal["agree", "too_high", "too_low"]


class FeedbackDesk:
    def __init__(
        self, trail: Trail, conversations: Conversations, refs: PatientRefs, clock: Clock, metrics: PrivacyMetrics
    ) -> None:
        self._trail, self._conversations, self._refs = trail, conversations, refs
        self._clock, self._metrics = clock, metrics

    def take(self, job: Job, caller: Caller, verdict: Verdict, comment: str | None) -> None:
        """Never waits.

        Raises:
            JobRunning: There is no answer yet that could be judged.
        """
        if not job.over:
            raise JobRunning()
        answer = job.answer
        kept = answer.conversation_id if answer is not None else None
        if comment and kept is not None:
            self._conversations.comment(kept, comment)
        self._trail.note(
            Entry(
                at=self._clock.now(),
                principal=caller.principal,
                action="feedback",
                outcome=verdict,
                patient_ref=self._refs.of(job.question.patient_mrn),
                acuity=answer.composed.acuity.code if answer is not None else None,
                rules=tuple(flag.rule for flag in answer.composed.red_flags) if answer is not None else (),
                trace_id=job.trace_id,
                job_id=job.id,
                conversation_id=kept,
            )
        )
        self._metrics.feedback.labels(verdict).inc()
        events.feedback_received(verdict=verdict)
