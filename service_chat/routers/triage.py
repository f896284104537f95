"""`POST /triage`: one JSON body, or a stream of what happens for `Accept: text/event-stream`.

Event stream: `accepted`, then `status` and `delta` as they come, then `result` (the same JSON as without a stream) and
`done`; or `error` with a problem, because the status line is long gone. Ids count up; a comment-free client needs only
`result`.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from service_chat.routers.schemas import TimingsMs, TriageAnswer, TriageRequest, Usage, Versions
from service_chat.services.prompts import PROMPT_VERSION
from service_chat.services.record_answer import DISCLAIMER
from service_chat.services.steps import Answer, Question, Status, Step, Text
from service_chat.services.triage import Triage
from serving.clock import Clock
from serving.deadline import Deadline
from serving.encoding import dumps
from serving.errors import SluiceError
from serving.events import unexpected_error
from serving.http.accept import prefers
from serving.http.disconnect import ClientDisconnected, while_connected
from serving.http.problems import Shape, as_it_is, declared, problem, status_of
from serving.logging import where
from serving.tracing import current_trace

EVENT_STREAM = "text/event-stream"


def triage_router(triage: Triage, deadline_s: float, clock: Clock, version: str, shape: Shape = as_it_is) -> APIRouter:
    router = APIRouter(tags=["triage"])

    def body(asked: TriageRequest, answer: Answer) -> TriageAnswer:
        trace, done = current_trace(), answer.completion
        return TriageAnswer(
            trace_id=trace.trace_id if trace is not None else "",
            patient_mrn=asked.patient_mrn,
            query=asked.query,
            llm_mode=answer.llm_mode,
            response=answer.text,
            inference_time_ms=answer.inference_time_ms,
            conversation_id=None,
            disclaimer=DISCLAIMER,
            degraded=list(answer.degraded),
            usage=Usage(
                prompt_tokens=done.prompt_tokens,
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
                service=version, prompt=PROMPT_VERSION, model=answer.model, model_sha256=answer.model_sha256
            ),
        )

    @router.post(
        "/triage",
        summary="Answer a patient's question from their record",
        response_model=TriageAnswer,
        responses={
            200: {
                "description": "The answer, or its events.",
                "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
            },
            **declared(400, 404, 413, 422, 429, 500, 502, 503, 504),
        },
    )
    async def post_triage(request: Request, asked: TriageRequest) -> Any:
        deadline = Deadline.after(deadline_s, clock)
        question = Question(asked.patient_mrn, asked.query, asked.llm_mode)
        if prefers(EVENT_STREAM, "application/json", request.headers.getlist("accept")):
            return await _stream(question, asked, deadline)
        try:
            return body(asked, await while_connected(request, triage.answer(question, deadline)))
        except ClientDisconnected:
            return Response(status_code=499)  # nobody reads it; the code is for the access log

    async def _stream(question: Question, asked: TriageRequest, deadline: Deadline) -> Response:
        """The first step is taken before the status line, so that a refusal is a proper 4xx or 5xx and not a stream."""
        steps = triage.steps(question, deadline)
        first = await anext(steps)

        async def render() -> AsyncIterator[bytes]:
            trace = current_trace()
            number = 0

            def event(name: str, data: object) -> bytes:
                nonlocal number
                number += 1
                return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, name.encode(), dumps(data))

            async with aclosing(steps):
                yield b"retry: 2000\n" + event("accepted", {"trace_id": trace.trace_id if trace else None})
                try:
                    yield event(*_told(first, asked, body))
                    async for step in steps:
                        yield event(*_told(step, asked, body))
                    yield event("done", {})
                except SluiceError as error:
                    yield event("error", shape(problem(status_of(error), error.code, error.message, error.details)))
                except Exception as error:  # a defect of ours must not look like a broken line
                    unexpected_error(error_type=type(error).__name__, at=where(error))
                    yield event("error", shape(problem(500, "internal_error", "An unexpected error occurred.")))

        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(render(), media_type=EVENT_STREAM, headers=headers)

    return router


def _told(
    step: Step, asked: TriageRequest, body: Callable[[TriageRequest, Answer], TriageAnswer]
) -> tuple[str, object]:
    match step:
        case Status():
            return "status", {name: value for name, value in asdict(step).items() if value is not None}
        case Text():
            return "delta", {"text": step.text}
        case Answer():
            return "result", body(asked, step).model_dump(mode="json")
