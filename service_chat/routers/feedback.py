"""`POST /feedback`: what a person thinks of an answer's acuity.

The verdict goes into the audit, beside the row of the question. A comment is a person's own words: it goes where those
go, sealed, and nowhere where none are kept.
"""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from service_chat.routers.access import caller_of
from service_chat.services.feedback import FeedbackDesk, Verdict
from service_chat.services.jobs import Jobs
from serving.http.problems import declared


class Feedback(BaseModel):
    job_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = Field(
        description="The number of the question, from its answer."
    )
    verdict: Verdict = Field(description="Of the answer's acuity.")
    comment: Annotated[str, StringConstraints(max_length=1000)] | None = Field(
        None, description="Kept, encrypted, where STORE_CHAT=1; else thrown away."
    )


def feedback_router(jobs: Jobs, desk: FeedbackDesk) -> APIRouter:
    router = APIRouter(tags=["triage"])

    @router.post(
        "/feedback",
        status_code=204,
        response_class=Response,
        summary="Say whether an answer's acuity was right",
        responses={204: {"description": "It is written down."}, **declared(400, 404, 409, 413, 422)},
    )
    async def post_feedback(request: Request, given: Feedback) -> Response:
        caller = caller_of(request)
        desk.take(jobs.get(given.job_id, caller), caller, given.verdict, given.comment)
        return Response(status_code=204)

    return router
