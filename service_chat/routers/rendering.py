"""Jobs, events and answers of a triage as the bodies that callers get.

Called by the triage and job routers, so that an answer looks the same however it is fetched: at once, at the end of a
stream, or later by its job's number.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import asdict
from typing import Any, assert_never

from service_chat.errors import PatientNotFound
from service_chat.routers.event_stream import RETRY, server_sent_event
from service_chat.routers.schemas import (
    AcuityBody,
    CitationBody,
    ContextBody,
    JobStatus,
    PhoneNumberBody,
    ProblemBody,
    RedFlagBody,
    TimingsMs,
    TriageAnswer,
    TriageJob,
    Usage,
    Versions,
)
from service_chat.safety.values import RedFlag
from service_chat.services.event_log import Accepted, Done, Event, Failed
from service_chat.services.guard import Guard
from service_chat.services.job import Job
from service_chat.services.prompts import PROMPT_VERSION
from service_chat.services.steps import Answer, Assessed, Question, Status, Text
from serving.errors import SluiceError
from serving.http.problems import STATUS, Shape, as_it_is, problem, status_of


class Rendering:
    def __init__(
        self, version: str, guard: Guard, seed: int | None, status: Mapping[type[SluiceError], int], shape: Shape
    ) -> None:
        """`guard`: asked for the rules' version and for numbers to call; `seed`: what text is drawn with.

        `status` extends the door's error table; `shape` may rewrite a problem in a stream, as it does elsewhere.
        """
        self._version, self._guard, self._seed = version, guard, seed
        self._status, self._shape = {**STATUS, **status}, shape

    def answer(self, job: Job, answer: Answer) -> TriageAnswer:
        done, composed = answer.completion, answer.composed
        return TriageAnswer(
            trace_id=job.trace_id or "",
            patient_mrn=job.question.patient_mrn,
            query=job.question.query,
            llm_mode=answer.llm_mode,
            response=answer.text,
            inference_time_ms=answer.inference_time_ms,
            conversation_id=answer.conversation_id,
            job_id=job.id,
            acuity=composed.acuity.code,
            acuity_source=composed.acuity_source,
            red_flags=[_red_flag(flag) for flag in composed.red_flags],
            notices=[notice.value for notice in composed.notices],
            gate=list(composed.gate),
            next_steps=list(composed.next_steps),
            questions=list(composed.questions),
            citations=[
                CitationBody(
                    id=item.id,
                    kind=item.kind,
                    text=item.text,
                    date=item.date.isoformat() if item.date is not None else None,
                    source=item.source,
                )
                for item in composed.citations
            ],
            emergency_notice=composed.emergency_notice,
            emergency_numbers=self._numbers(composed.emergency_notice),
            ungrounded_terms=list(composed.ungrounded_terms),
            language=composed.language,
            disclaimer=composed.disclaimer,
            degraded=list(answer.degraded),
            context=ContextBody(items=answer.shown.items, truncated=list(answer.shown.truncated)),
            usage=Usage(
                prompt_tokens=done.prompt_tokens,
                cached_tokens=done.cached_tokens,
                completion_tokens=done.completion_tokens,
                finish_reason=done.finish_reason.value,
            )
            if done is not None
            else None,
            timings=TimingsMs(
                queue_ms=done.timings.queue_ms if done else 0.0,
                prefill_ms=done.timings.prefill_ms if done else 0.0,
                decode_ms=done.timings.decode_ms if done else 0.0,
                total_ms=answer.inference_time_ms,
            ),
            versions=Versions(
                service=self._version,
                prompt=PROMPT_VERSION,
                rules=self._guard.version,
                model=answer.model,
                model_sha256=answer.model_sha256,
                seed=self._seed,
            ),
        )

    def refusal(self, question: Question, error: SluiceError) -> SluiceError:
        """The error as this door tells it.

        Only the predecessor's shape names the patient who was not found. Whoever asked knows the number, and whoever
        logs a problem, or passes it on, need not.
        """
        if isinstance(error, PatientNotFound) and self._shape is not as_it_is:
            return error.with_details(patient_mrn=question.patient_mrn)
        return error

    def job(self, job: Job) -> TriageJob:
        return TriageJob(
            job_id=job.id,
            trace_id=job.trace_id or "",
            state=job.state,
            last_event_id=job.log.last_id,
            elapsed_ms=job.elapsed_ms(),
            status=JobStatus(**asdict(job.status)) if not job.over else None,
            text=job.log.text(),
            result=self.answer(job, job.answer) if job.answer is not None else None,
            problem=ProblemBody(**self._problem(job, job.error)) if job.error is not None else None,
        )

    async def events(self, job: Job, last_id: int = 0) -> AsyncGenerator[bytes, None]:
        """What happened after event `last_id`, then what happens, until the job is over."""
        yield RETRY
        async with aclosing(job.log.follow(last_id)) as events:
            async for event in events:
                name, data = self._told(job, event)
                yield server_sent_event(event.id, name, data)

    def _told(self, job: Job, event: Event) -> tuple[str, object]:
        """An event's name and data. A new kind of event is a new case here and a value in `services.event_log`."""
        match event.what:
            case Accepted(job_id=job_id, trace_id=trace_id):
                return "accepted", {"job_id": job_id, "trace_id": trace_id}
            case Assessed():
                return "acuity", self._assessed(event.what).model_dump(mode="json")
            case Status():
                told = {name: value for name, value in asdict(event.what).items() if value is not None}
                return "status", {**told, "elapsed_ms": event.at_ms}
            case Text(text=text):
                return "delta", {"text": text}
            case Answer():
                return "result", self.answer(job, event.what).model_dump(mode="json")
            case Failed(error=error):
                return "error", self._shape(self._problem(job, self.refusal(job.question, error)))
            case Done():
                return "done", {}
            case _:
                assert_never(event.what)

    def _assessed(self, what: Assessed) -> AcuityBody:
        floor = what.floor
        return AcuityBody(
            acuity=floor.acuity.code,
            red_flags=[_red_flag(flag) for flag in floor.flags],
            notices=[notice.value for notice in floor.notices],
            emergency_notice=what.notice,
            emergency_numbers=self._numbers(what.notice),
            language=floor.language,
        )

    def _numbers(self, notice: str | None) -> list[PhoneNumberBody]:
        return [PhoneNumberBody(label=each.label, number=each.number) for each in self._guard.numbers(notice)]

    def _problem(self, job: Job, error: SluiceError) -> dict[str, Any]:
        """With the trace of the request that began the job: whoever asks for it later has another one."""
        body = problem(status_of(error, self._status), error.code, error.message, error.details)
        return {**body, "job_id": job.id, "trace_id": job.trace_id}


def _red_flag(flag: RedFlag) -> RedFlagBody:
    return RedFlagBody(
        code=flag.flag.value,
        label=flag.label,
        acuity=flag.acuity.code,
        rule=flag.rule,
        evidence=list(flag.evidence),
        record=list(flag.record),
        source=flag.source,
    )
