"""A question about somebody else's record is refused with the floor of its text, and written down."""

from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request

from service_chat.access.grant import SCOPES, Grant
from service_chat.metrics import ChatMetrics
from service_chat.routers.access import caller_of, check_patient
from service_chat.routers.floor_route import floor_route
from service_chat.routers.statuses import STATUS
from service_chat.services.caller import Caller
from service_chat.services.steps import Question
from serving.errors import SluiceError, Unauthorized
from serving.http.app import add_floor
from serving.http.problems import as_it_is
from serving.settings import ServiceSettings
from tests.fakes.answers import guard

pytestmark = pytest.mark.anyio

#: Reads its data: before the event loop of a test runs.
GUARD = guard()
NURSE = Caller("key-7", "P000001")


@pytest.mark.parametrize(("mrn", "refusals"), [("P000123", [("key-7", "P000123", "other_patient")]), ("P000001", [])])
async def test_who_asked_about_whom_is_told_to_whoever_writes_it_down(
    mrn: str, refusals: list[tuple[str, str, str]]
) -> None:
    told: list[tuple[str, str, str]] = []

    def refused(question: Question, error: SluiceError) -> None:
        told.append((question.caller.principal, question.patient_mrn, error.code))
        assert question.query == ""

    router = APIRouter(route_class=floor_route(GUARD, as_it_is, refused))

    @router.post("/triage")
    async def triage(request: Request, asked: dict[str, Any]) -> None:
        request.state.grant = Grant(NURSE, SCOPES)
        check_patient(caller_of(request), asked["patient_mrn"])
        raise Unauthorized()  # nobody who is known

    app = FastAPI()
    app.include_router(router)
    add_floor(app, ServiceSettings(), ChatMetrics(), 10_000, STATUS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        body = {"patient_mrn": mrn, "query": "crushing chest pain and sweating"}
        answer = await client.post("/triage", json=body)
    assert answer.status_code == (403 if refusals else 401)
    assert answer.json()["emergency_notice"]
    assert told == refusals


@pytest.mark.parametrize(
    ("content", "outcome"),
    [(b"{", "invalid_request"), (b'{"query": 7}', "invalid_request"), (b'{"query": "x"}', "unauthorized")],
)
async def test_what_never_became_a_question_is_counted_once_by_its_code(content: bytes, outcome: str) -> None:
    metrics = ChatMetrics()
    count = lambda code: metrics.requests.labels(code).inc()  # noqa: E731 - as `main` hands it in
    router = APIRouter(route_class=floor_route(GUARD, as_it_is, count=count))

    @router.post("/triage")
    async def triage(asked: dict[str, str]) -> None:
        raise Unauthorized()

    app = FastAPI()
    app.include_router(router)
    add_floor(app, ServiceSettings(), metrics, 10_000, STATUS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        await client.post("/triage", content=content, headers={"Content-Type": "application/json"})
    assert {labels: n for labels, n in metrics.requests.counts().items() if n} == {(outcome,): 1}
