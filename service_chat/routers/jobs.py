"""`/triage/{job_id}`: how a question fares that was asked before, its events from where a caller left off, and its end.

The number was in the first event, in the answer, or in `Location`. It can not be guessed, and only who asked finds the
job: to everybody else there is none. Asking counts as listening: the grace of a job that its caller lost begins anew.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Header, Path, Request
from pydantic import BeforeValidator
from starlette.responses import JSONResponse, Response

from service_chat.routers.access import caller_of
from service_chat.routers.event_stream import CONTENT, event_stream
from service_chat.routers.rendering import Rendering
from service_chat.routers.schemas import TriageJob
from service_chat.services.job import Job
from service_chat.services.jobs import Jobs
from serving.http.problems import declared

JobId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="The job's number.")]
LastEventId = Annotated[
    int,
    Header(
        alias="Last-Event-ID",
        ge=0,
        le=2**53,
        description="The last event that arrived. Browsers send it by themselves when they come back.",
    ),
    # An `EventSource` that has no id yet has the empty one, and some clients send it.
    BeforeValidator(lambda sent: sent if sent != "" else 0),
]


def jobs_router(jobs: Jobs, rendering: Rendering) -> APIRouter:
    router = APIRouter(prefix="/triage/{job_id}", tags=["triage"], responses=declared(404, 422))

    @router.get("", summary="How a question fares, and its answer once there is one", response_model=TriageJob)
    async def get_job(request: Request, job_id: JobId) -> Response:
        job = jobs.get(job_id, caller_of(request))
        with jobs.listening(job):
            return _told(job)

    @router.get(
        "/events",
        summary="The events of a question, from where the caller left off",
        response_class=Response,
        responses={
            200: {"description": "Events after Last-Event-ID, then those to come.", "content": CONTENT},
            204: {"description": "There are no more: the last event has arrived already."},
        },
    )
    async def get_events(request: Request, job_id: JobId, last_event_id: LastEventId = 0) -> Response:
        job = jobs.get(job_id, caller_of(request))
        if job.log.closed and last_event_id == job.log.last_id:
            return Response(status_code=204)  # the HTML standard's way to tell a browser not to come back
        return event_stream(_events(job, last_event_id))

    @router.delete(
        "", summary="Take a question back, whether it waits, is read or is being answered", response_model=TriageJob
    )
    async def delete_job(request: Request, job_id: JobId) -> Response:
        job = jobs.get(job_id, caller_of(request))
        await jobs.cancel(job)
        return _told(job)

    def _told(job: Job) -> Response:
        return JSONResponse(rendering.job(job).model_dump(mode="json"), headers={"Cache-Control": "no-store"})

    async def _events(job: Job, last_id: int) -> AsyncIterator[bytes]:
        with jobs.listening(job):
            async with aclosing(rendering.events(job, last_id)) as events:
                async for event in events:
                    yield event

    return router
