"""What people think of an answer: taken of their own, finished question; their words go where such words are kept."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import httpx
import pytest
from fastapi import FastAPI

from service_chat.metrics import ChatMetrics
from service_chat.metrics_privacy import PrivacyMetrics
from service_chat.routers.feedback import feedback_router
from service_chat.routers.statuses import STATUS
from service_chat.services.caller import ANONYMOUS, Caller
from service_chat.services.conversations import Conversations
from service_chat.services.feedback import FeedbackDesk
from service_chat.services.job import Job
from service_chat.services.jobs import JobPolicy, Jobs
from service_chat.services.patient_ref import PatientRefs
from service_chat.services.steps import Question, Status, Step
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.http.app import add_floor
from serving.settings import ServiceSettings
from tests.fakes.answers import answer
from tests.fakes.chat_log import FakeChatLog
from tests.fakes.trail import FakeTrail

pytestmark = pytest.mark.anyio

CLOCK, REFS = SystemClock(), PatientRefs(b"k" * 32)


@dataclass
class House:
    client: httpx.AsyncClient
    jobs: Jobs
    gate: asyncio.Event
    trail: FakeTrail
    chats: FakeChatLog
    conversations: Conversations

    async def asked(self, caller: Caller = ANONYMOUS) -> Job:
        job, _ = self.jobs.begin(Question("P000123", "What now?", caller=caller), Deadline.after(10, CLOCK))
        await job.admitted()
        return job

    async def finished(self, caller: Caller = ANONYMOUS) -> Job:
        self.gate.set()
        job = await self.asked(caller)
        assert await job.ended(5)
        return job

    async def say(self, **given: object) -> httpx.Response:
        return await self.client.post("/feedback", json=given)


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    gate, trail, chats, metrics = asyncio.Event(), FakeTrail(), FakeChatLog(), ChatMetrics()

    async def steps(question: Question, deadline: Deadline) -> AsyncGenerator[Step, None]:
        yield Status("queued")
        await gate.wait()
        yield replace(answer("Rest."), conversation_id="c-1")

    privacy = PrivacyMetrics(metrics)
    conversations = Conversations(privacy)
    conversations.log = chats
    async with Jobs(steps, JobPolicy(10, 10, 10), CLOCK, metrics) as jobs:
        app = FastAPI()
        app.include_router(feedback_router(jobs, FeedbackDesk(trail, conversations, REFS, CLOCK, privacy)))
        add_floor(app, ServiceSettings(), metrics, 10_000, STATUS)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield House(client, jobs, gate, trail, chats, conversations)
        await conversations.aclose()


@pytest.mark.parametrize("verdict", ["agree", "too_high", "too_low"])
async def test_a_verdict_is_written_beside_the_question_it_is_about(verdict: str) -> None:
    async with house() as h:
        job = await h.finished()
        told = await h.say(job_id=job.id, verdict=verdict)
        assert (told.status_code, told.content) == (204, b"")
        (row,) = h.trail.entries
        assert (row.action, row.outcome, row.principal) == ("feedback", verdict, "anonymous")
        assert (row.job_id, row.conversation_id, row.acuity) == (job.id, "c-1", "routine")
        assert row.patient_ref == REFS.of("P000123")


async def test_a_comment_goes_to_the_chat_log_and_into_no_row() -> None:
    async with house() as h:
        job = await h.finished()
        assert (await h.say(job_id=job.id, verdict="too_low", comment="My words.")).status_code == 204
        await h.conversations.aclose()
        assert h.chats.comments == [("c-1", "My words.")]
        assert "words" not in repr(h.trail.entries)


async def test_a_question_that_has_no_answer_yet_can_not_be_judged() -> None:
    async with house() as h:
        job = await h.asked()
        told = await h.say(job_id=job.id, verdict="agree")
        assert (told.status_code, told.json()["code"]) == (409, "job_running")
        assert h.trail.entries == []


async def test_somebody_elses_question_is_none() -> None:
    async with house() as h:
        job = await h.finished(Caller("key-7"))
        for number in (job.id, "there-is-none"):
            told = await h.say(job_id=number, verdict="agree")
            assert (told.status_code, told.json()["code"]) == (404, "job_not_found")
        assert h.trail.entries == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"verdict": "agree"},
        {"job_id": "x", "verdict": "perhaps"},
        {"job_id": "x y", "verdict": "agree"},
        {"job_id": "x", "verdict": "agree", "comment": "w" * 1001},
    ],
)
async def test_what_does_not_fit_is_refused_without_being_repeated(wrong: dict[str, str]) -> None:
    async with house() as h:
        told = await h.say(**wrong)
        assert told.status_code == 422
        assert "wwww" not in told.text
        assert "perhaps" not in told.text
