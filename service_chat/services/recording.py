"""Writes down what becomes of every question: who asked, about whom, how it ended; and keeps the conversation.

`Recording.steps` stands around `Triage.steps` and has its signature: every step goes on as it came, but the answer,
which first gets the number under which it is kept. An emergency's answer does not wait for that. Whatever happens to a
question, one entry goes to the audit's trail when it is over; what people wrote goes to the chat log alone.
"""

import asyncio
import secrets
import weakref
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from service_chat.audit.ports import Entry, Trail
from service_chat.chatlog.ports import Conversation
from service_chat.engines.protocol import Completion
from service_chat.safety.values import Acuity, Floor
from service_chat.services.caller import Caller
from service_chat.services.chat_lane import ChatStep
from service_chat.services.conversations import Conversations
from service_chat.services.jobs import Steps
from service_chat.services.patient_ref import PatientRefs
from service_chat.services.steps import Answer, Assessed, Fallback, Question, Step
from serving.clock import Clock
from serving.deadline import Deadline
from serving.errors import SluiceError
from serving.tracing import current_trace

CANCELLED = "cancelled"


@dataclass(slots=True)
class _Course:
    """What is known of a question so far."""

    question: Question
    trace_id: str | None
    began: float
    record_ms: float | None = None
    floor: Floor | None = None
    answer: Answer | None = None
    outcome: str = CANCELLED  #: until something else is known: a question that nobody goes on with was taken back
    begun: bool = False
    noted: bool = False


class Recording:
    def __init__(
        self, steps: Steps, conversations: Conversations, trail: Trail, refs: PatientRefs, clock: Clock
    ) -> None:
        self._steps, self._conversations, self._trail = steps, conversations, trail
        self._refs, self._clock = refs, clock

    def steps(self, question: Question, deadline: Deadline) -> AsyncGenerator[Step, None]:
        """See `Triage.steps`. What is refused at once is refused here too, and written down."""
        course = _Course(question, _trace_id(), self._clock.monotonic())
        try:
            steps = self._steps(question, deadline)
        except SluiceError as refusal:
            course.outcome = refusal.code
            self._note(course)
            raise
        recorded = self._recorded(course, steps, deadline)
        # A generator that is never begun never runs its `finally`: a job can be cancelled before its first step.
        weakref.finalize(recorded, self._note_unbegun, course).atexit = False
        return recorded

    def refused(self, question: Question, error: SluiceError) -> None:
        """A question that was refused at the door, by somebody who is known: it never came this far."""
        self._note(_Course(question, _trace_id(), self._clock.monotonic(), outcome=error.code))

    async def _recorded(
        self, course: _Course, inner: AsyncGenerator[Step, None], deadline: Deadline
    ) -> AsyncGenerator[Step, None]:
        course.begun = True
        try:
            async with aclosing(inner) as steps:
                async for step in steps:
                    match step:
                        case Assessed():
                            course.floor = step.floor
                        case Fallback():
                            course.record_ms = self._since(course)
                        case Answer():
                            step = await self._kept(course, step, deadline)
                            course.answer, course.outcome = step, "degraded" if step.degraded else "answered"
                        case _:
                            pass
                    yield step
        except SluiceError as error:
            if course.answer is None:
                course.outcome = error.code
            raise
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except Exception:  # raised again: how it ended is written down here, and no more
            if course.answer is None:
                course.outcome = SluiceError.code
            raise
        finally:
            self._note(course)

    async def _kept(self, course: _Course, answer: Answer, deadline: Deadline) -> Answer:
        """With the number of its conversation, if there is one in time."""
        told = self._conversation(course, answer)
        if answer.composed.acuity >= Acuity.EMERGENCY:
            return replace(answer, conversation_id=self._conversations.store_soon(told))
        return replace(answer, conversation_id=await self._conversations.store(told, deadline.remaining()))

    def _conversation(self, course: _Course, answer: Answer) -> Conversation:
        question = course.question
        return Conversation(
            id=secrets.token_urlsafe(16),
            at=self._clock.now(),
            principal=question.caller.principal,
            patient_ref=self._refs.of(question.patient_mrn),
            acuity=answer.composed.acuity.code,
            llm_mode=answer.llm_mode,
            latency_ms=answer.inference_time_ms,
            record_ms=course.record_ms,
            model=answer.model,
            trace_id=course.trace_id,
            patient_mrn=question.patient_mrn,
            query=question.query,
            response=answer.text,
        )

    def _note_unbegun(self, course: _Course) -> None:
        if not course.begun:
            self._note(course)

    def _note(self, course: _Course) -> None:
        answer, floor, question = course.answer, course.floor, course.question
        flags = answer.composed.red_flags if answer is not None else floor.flags if floor is not None else ()
        acuity = answer.composed.acuity if answer is not None else floor.acuity if floor is not None else None
        self._trail.note(
            Entry(
                at=self._clock.now(),
                principal=question.caller.principal,
                action="triage",
                outcome=course.outcome,
                patient_ref=self._refs.of(question.patient_mrn),
                acuity=acuity.code if acuity is not None else None,
                rules=tuple(flag.rule for flag in flags),
                trace_id=course.trace_id,
                conversation_id=answer.conversation_id if answer is not None else None,
            )
        )

    def _since(self, course: _Course) -> float:
        return round((self._clock.monotonic() - course.began) * 1000, 2)


class ChatRecording:
    """The same for the OpenAI door, whose chats are about no patient that this service knows of."""

    def __init__(self, trail: Trail, clock: Clock) -> None:
        self._trail, self._clock = trail, clock

    async def steps(self, steps: AsyncGenerator[ChatStep, None], caller: Caller) -> AsyncGenerator[ChatStep, None]:
        """What comes goes on as it is; how it ended is written down."""
        outcome = CANCELLED
        try:
            async with aclosing(steps) as inner:
                async for step in inner:
                    if isinstance(step, Completion):
                        outcome = "answered"
                    yield step
        except SluiceError as error:
            outcome = error.code
            raise
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except Exception:  # raised again: how it ended is written down here, and no more
            outcome = SluiceError.code
            raise
        finally:
            self._trail.note(
                Entry(self._clock.now(), caller.principal, "chat_completion", outcome, trace_id=_trace_id())
            )


def _trace_id() -> str | None:
    trace = current_trace()
    return trace.trace_id if trace is not None else None
