"""`POST /triage`: one JSON body, a stream of what happens, or a promise to have the answer later.

`Accept: text/event-stream` asks for the stream, `Prefer: respond-async` for the promise. The work is a job
(`services.jobs`) that outlives its connection for a while; `routers.jobs` finds it again. A stream begins with
`accepted`, then `status` and `delta` as they come, then `result` (the same JSON as without a stream) and `done`; or
`error` with a problem, because the status line is long gone.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response

from service_chat.errors import PatientNotFound
from service_chat.routers.access import address_of, caller_of, check_patient
from service_chat.routers.event_stream import CONTENT, EVENT_STREAM, event_stream
from service_chat.routers.preferences import preferences
from service_chat.routers.rendering import Rendering
from service_chat.routers.schemas import TriageAnswer, TriageJob, TriageRequest
from service_chat.services.job import Job
from service_chat.services.jobs import Jobs
from service_chat.services.steps import Question
from serving.clock import Clock
from serving.deadline import Deadline
from serving.http.accept import prefers
from serving.http.disconnect import ClientDisconnected, while_connected
from serving.http.problems import declared

#: A refusal is known within milliseconds and is then a proper 4xx or 5xx. What takes longer than this, in seconds, is
#: told as an event: a stream must begin before a proxy gives up.
FIRST_WORD_S = 1.0

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="Sent again with the same body it gives the same job instead of a second one.",
    ),
]
Prefer = Annotated[
    list[str] | None,
    Header(
        description="respond-async: 202 and a Location at once. wait=N: a plain answer after at most N seconds.",
    ),
]


async def _heard(job: Job, wait_s: int | None) -> None:
    """Raises what the question was refused with; then waits `wait_s` for its end, None as long as it takes."""
    await job.admitted()
    await job.ended(wait_s)


def triage_router(
    jobs: Jobs, rendering: Rendering, deadline_s: float, clock: Clock, route: type[APIRoute] = APIRoute
) -> APIRouter:
    """`route`: see `floor_route`."""
    router = APIRouter(tags=["triage"], route_class=route)

    @router.post(
        "/triage",
        summary="Answer a patient's question from their record",
        response_model=TriageAnswer,
        responses={
            200: {"description": "The answer, or its events.", "content": CONTENT},
            202: {"description": "Later, at Location.", "model": TriageJob},
            **declared(400, 404, 409, 413, 422, 429, 500, 502, 503, 504),
        },
    )
    async def post_triage(
        request: Request, asked: TriageRequest, key: IdempotencyKey = None, prefer: Prefer = None
    ) -> Response:
        wishes, caller = preferences(prefer or ()), caller_of(request)
        check_patient(caller, asked.patient_mrn)
        question = Question(asked.patient_mrn, asked.query, asked.llm_mode, caller, address_of(request))
        job, replayed = jobs.begin(question, Deadline.after(deadline_s, clock), key)
        headers = {"Idempotency-Replayed": "true"} if replayed else {}
        streams = prefers(EVENT_STREAM, "application/json", request.headers.getlist("accept"))
        with jobs.listening(job):
            try:
                if streams and not wishes.respond_async:
                    await job.admitted(FIRST_WORD_S)
                    return event_stream(_events(job), headers)
                # No promise without a place: jobs that run are bounded by admission and not by connections.
                wait_s = wishes.wait_s or 0 if wishes.respond_async else wishes.wait_s
                await while_connected(request, _heard(job, wait_s))
            except PatientNotFound as missing:
                raise rendering.refusal(question, missing) from None
            except ClientDisconnected:
                return Response(status_code=499)  # nobody reads it; the code is for the access log
        if wishes.respond_async and not job.over:
            return _promise(job, {**headers, **wishes.applied()})
        return _whole(job, {**headers, **replace(wishes, respond_async=False).applied()})

    def _promise(job: Job, headers: dict[str, str]) -> Response:
        jobs.detach(job)
        body = rendering.job(job).model_dump(mode="json")
        return JSONResponse(body, 202, {"Location": f"/triage/{job.id}", "Cache-Control": "no-store", **headers})

    def _whole(job: Job, headers: dict[str, str]) -> Response:
        """The answer; or, when the caller wanted to wait no longer, what can be said by now. The job then goes on."""
        if not job.over:
            jobs.detach(job)
        answer = rendering.answer(job, job.result() if job.over else job.fallback())
        return JSONResponse(answer.model_dump(mode="json"), headers=headers)

    async def _events(job: Job) -> AsyncIterator[bytes]:
        with jobs.listening(job):
            async with aclosing(rendering.events(job)) as events:
                async for event in events:
                    yield event

    return router
