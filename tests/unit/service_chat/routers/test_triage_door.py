"""The routes of a triage over a fake engine, without a socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from typing_extensions import override

from service_chat.engines.protocol import SamplingParams
from service_chat.main import compat_shape
from service_chat.metrics import ChatMetrics
from service_chat.records.ports import PatientRecord
from service_chat.records.synthetic import synthetic_patients
from service_chat.routers.floor_route import floor_route
from service_chat.routers.jobs import jobs_router
from service_chat.routers.rendering import Rendering
from service_chat.routers.statuses import STATUS
from service_chat.routers.triage import triage_router
from service_chat.services.chat_lane import ChatLane
from service_chat.services.jobs import JobPolicy, Jobs
from service_chat.services.steps import Question
from service_chat.services.triage import Triage
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.errors import ChildDied
from serving.http.app import add_floor
from serving.http.problems import Shape, as_it_is
from serving.lifecycle import Lifecycle, State
from serving.settings import ServiceSettings
from tests.fakes.answers import form, guard
from tests.fakes.engine import FakeEngine
from tests.fakes.records import FakeRecords
from tests.unit.until import until

pytestmark = pytest.mark.anyio

RECORD = next(iter(synthetic_patients()))
ASKED = {"patient_mrn": RECORD.mrn, "query": "What now?"}
CLOCK = SystemClock()
GUARD = guard()  # here, because it reads files


@dataclass
class House:
    client: httpx.AsyncClient
    engine: FakeEngine
    jobs: Jobs
    lane: ChatLane

    async def ask(self, asked: dict[str, str] = ASKED, **headers: str) -> httpx.Response:
        return await self.client.post(
            "/triage", json=asked, headers={n.replace("_", "-"): v for n, v in headers.items()}
        )

    async def promised(self) -> str:
        answer = await self.ask(Prefer="respond-async")
        assert answer.status_code == 202, answer.text
        location: str = answer.headers["location"]
        return location

    async def ended(self, location: str) -> dict[str, Any]:
        await self.jobs.get(location.rsplit("/", 1)[1]).ended(5)
        body: dict[str, Any] = (await self.client.get(location)).json()
        return body


class SlowRecords(FakeRecords):
    """Reads nothing until it may."""

    def __init__(self) -> None:
        super().__init__([RECORD])
        self.gate = asyncio.Event()

    @override
    async def patient(self, mrn: str) -> PatientRecord:
        await self.gate.wait()
        return await super().patient(mrn)


@asynccontextmanager
async def house(
    engine: FakeEngine | None = None,
    capacity: int = 4,
    grace_s: float = 0.1,
    records: FakeRecords | None = None,
    shape: Shape = as_it_is,
) -> AsyncIterator[House]:
    used, life, metrics = engine or FakeEngine(words=form("Rest well. Drink.")), Lifecycle(), ChatMetrics()
    life.to(State.READY)
    lane = ChatLane("gguf", used, capacity, 1, CLOCK, metrics)
    store = records or FakeRecords([RECORD])
    triage = Triage({"gguf": lane}, store, life, SamplingParams(), "gguf", GUARD, CLOCK)
    jobs = Jobs(triage.steps, JobPolicy(grace_s, 60, 100), CLOCK, metrics)
    rendering = Rendering("0", GUARD, 7, STATUS, shape)
    app = FastAPI()
    app.include_router(triage_router(jobs, rendering, 10, CLOCK, floor_route(GUARD, shape)))
    app.include_router(jobs_router(jobs, rendering))
    add_floor(app, ServiceSettings(), metrics, 65_536, STATUS, shape)
    transport = httpx.ASGITransport(app)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(lane)
        await stack.enter_async_context(jobs)
        client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://house"))
        yield House(client, used, jobs, lane)


def stopped() -> FakeEngine:
    """Reads the prompt and then waits for its gate."""
    engine = FakeEngine(words=form("Rest well. Drink."))
    engine.gate.clear()
    return engine


def told(stream: httpx.Response) -> list[tuple[int, str, dict[str, Any]]]:
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.text.startswith("retry: 2000\n")
    found = []
    for block in stream.text.removeprefix("retry: 2000\n").strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


async def test_an_answer_names_its_job_and_can_be_fetched_again() -> None:
    async with house() as h:
        answer = (await h.ask()).json()
        again = await h.client.get(f"/triage/{answer['job_id']}")
        assert again.headers["cache-control"] == "no-store"
        job = again.json()
        assert (job["state"], job["result"], job["problem"]) == ("done", answer, None)
        assert (job["text"], job["trace_id"]) == ("Rest well. Drink.", answer["trace_id"])
        assert answer["usage"]["cached_tokens"] == 0


async def test_a_stream_begins_with_accepted_and_its_events_are_numbered_from_one() -> None:
    async with house() as h:
        events = told(await h.ask(Accept="text/event-stream"))
        assert [number for number, _, _ in events] == list(range(1, len(events) + 1))
        names = [name for _, name, _ in events]
        assert names[:2] == ["accepted", "acuity"]
        assert names[-2:] == ["result", "done"]
        accepted, result = events[0][2], events[-2][2]
        assert accepted == {"job_id": result["job_id"], "trace_id": result["trace_id"]}
        statuses = [data for _, name, data in events if name == "status"]
        assert [status["state"] for status in statuses] == ["queued", "prefill", "generating"]
        assert all(status["elapsed_ms"] >= 0 for status in statuses)
        assert (statuses[0]["position"], statuses[1]["done"], statuses[1]["total"]) == (0, 0, 10)


async def test_events_after_the_last_one_seen_are_told_again_and_no_others() -> None:
    async with house() as h:
        whole = told(await h.ask(Accept="text/event-stream"))
        where = f"/triage/{whole[0][2]['job_id']}/events"
        # The job is over: statuses are gone, the text is one piece, the numbers are as they were.
        again = told(await h.client.get(where))
        assert [name for _, name, _ in again] == ["accepted", "acuity", "delta", "result", "done"]
        assert again[2][2]["text"] == "Rest well. Drink."
        first_delta = next(number for number, name, _ in whole if name == "delta")
        rest = told(await h.client.get(where, headers={"Last-Event-ID": str(first_delta)}))
        assert [data["text"] for _, name, data in rest if name == "delta"] == [" Drink."]
        assert rest[-2:] == whole[-2:]


async def test_a_browser_that_has_seen_the_last_event_is_told_not_to_come_back() -> None:
    async with house() as h:
        whole = told(await h.ask(Accept="text/event-stream"))
        where = f"/triage/{whole[0][2]['job_id']}/events"
        assert (await h.client.get(where, headers={"Last-Event-ID": str(whole[-1][0])})).status_code == 204
        assert (await h.client.get(where, headers={"Last-Event-ID": "the last"})).status_code == 422


async def test_an_id_that_this_job_never_gave_is_told_everything_also_while_the_job_runs() -> None:
    async with house(stopped()) as h:
        location = await h.promised()
        following = asyncio.create_task(h.client.get(f"{location}/events", headers={"Last-Event-ID": "4711"}))
        await asyncio.sleep(0.05)
        h.engine.gate.set()
        events = told(await following)
        assert (events[0][1], events[-1][1]) == ("accepted", "done")
        assert "Rest well. Drink." in events[-2][2]["response"]
        again = await h.client.get(f"{location}/events", headers={"Last-Event-ID": "4711"})
        assert [name for _, name, _ in told(again)] == ["accepted", "acuity", "delta", "result", "done"]


async def test_an_empty_id_is_that_of_a_browser_that_has_heard_nothing() -> None:
    async with house() as h:
        job = (await h.ask()).json()["job_id"]
        again = await h.client.get(f"/triage/{job}/events", headers={"Last-Event-ID": ""})
        assert [name for _, name, _ in told(again)] == ["accepted", "acuity", "delta", "result", "done"]
        for wrong in ("-1", str(2**53 + 1)):
            answer = await h.client.get(f"/triage/{job}/events", headers={"Last-Event-ID": wrong})
            assert answer.status_code == 422


async def test_a_promise_names_the_place_where_the_answer_will_be() -> None:
    async with house(stopped()) as h:
        answer = await h.ask(Prefer="respond-async")
        job = answer.json()
        assert (answer.status_code, answer.headers["location"]) == (202, f"/triage/{job['job_id']}")
        assert answer.headers["preference-applied"] == "respond-async"
        assert job["state"] in ("queued", "prefill")
        assert (job["status"]["state"], job["result"]) == (job["state"], None)
        await asyncio.sleep(0.3)  # longer than the grace: nobody needs to listen
        h.engine.gate.set()
        assert "Rest well." in (await h.ended(answer.headers["location"]))["result"]["response"]


async def test_a_promise_may_be_preceded_by_a_wait() -> None:
    async with house() as h:
        quick = await h.ask(Prefer="respond-async, wait=5")
        assert quick.status_code == 200
        assert "Rest well." in quick.json()["response"]
        assert quick.headers["preference-applied"] == "wait=5"
        h.engine.gate.clear()
        assert (await h.ask(Prefer="respond-async, wait=0")).status_code == 202


async def test_who_wants_to_wait_no_longer_gets_the_record_and_the_job_goes_on() -> None:
    async with house(stopped()) as h:
        answer = await h.ask(Prefer="wait=0")
        body = answer.json()
        assert (answer.status_code, body["degraded"], body["usage"]) == (200, ["deadline"], None)
        assert "Book an appointment" in body["response"]
        assert answer.headers["preference-applied"] == "wait=0"
        await asyncio.sleep(0.3)
        h.engine.gate.set()
        assert "Rest well." in (await h.ended(f"/triage/{body['job_id']}"))["result"]["response"]


async def test_a_question_can_be_taken_back_while_it_waits_and_while_it_is_answered() -> None:
    async with house(stopped()) as h:
        running = await h.promised()
        await until(lambda: h.lane.statistics().running == 1)
        waiting = await h.promised()
        for location in (waiting, running):
            gone = await h.client.delete(location)
            assert (gone.status_code, gone.json()["state"]) == (200, "cancelled")
            assert gone.json()["problem"]["code"] == "cancelled"
        assert (await h.client.delete(running)).json()["state"] == "cancelled"
        await until(lambda: h.lane.statistics().running == 0)
        assert h.engine.stopped_early == 1
        events = told(await h.client.get(f"{running}/events"))
        assert (events[-1][1], events[-1][2]["status"]) == ("error", 409)


async def test_who_waits_for_a_question_that_another_takes_back_is_told_so() -> None:
    async with house(stopped()) as h:
        asking = asyncio.create_task(h.ask(Idempotency_Key="k"))
        await until(lambda: h.jobs.statistics().running == 1)
        second = await h.ask(Idempotency_Key="k", Prefer="respond-async")
        await h.client.delete(second.headers["location"])
        answer = await asking
        assert (answer.status_code, answer.json()["code"]) == (409, "cancelled")
        assert answer.json()["job_id"] == second.json()["job_id"]


async def test_the_same_question_with_the_same_key_is_asked_once() -> None:
    async with house() as h:
        first, again = await h.ask(Idempotency_Key="k"), await h.ask(Idempotency_Key="k")
        assert first.json() == again.json()
        assert "idempotency-replayed" not in first.headers
        assert again.headers["idempotency-replayed"] == "true"
        stream = await h.ask(Idempotency_Key="k", Accept="text/event-stream")
        assert stream.headers["idempotency-replayed"] == "true"
        assert told(stream)[-2][2] == first.json()
        assert len(h.engine.asked) == 1


async def test_two_who_ask_the_same_at_the_same_time_share_one_job() -> None:
    async with house(stopped()) as h:
        asking = [asyncio.create_task(h.ask(Idempotency_Key="k")) for _ in range(3)]
        await until(lambda: len(h.engine.asked) == 1)
        h.engine.gate.set()
        answers = await asyncio.gather(*asking)
        assert len({answer.json()["job_id"] for answer in answers}) == len(h.engine.asked) == 1


async def test_a_key_that_came_with_another_question_is_refused() -> None:
    async with house() as h:
        await h.ask(Idempotency_Key="k")
        other = await h.ask({**ASKED, "query": "Something else?"}, Idempotency_Key="k")
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        assert "Something" not in other.text


@pytest.mark.parametrize("key", ["", "two words", "x" * 256])
async def test_a_key_is_one_plain_word(key: str) -> None:
    async with house() as h:
        assert (await h.ask(Idempotency_Key=key)).status_code == 422


async def test_a_full_lane_keeps_no_key_and_no_job() -> None:
    async with house(stopped(), capacity=1) as h:
        await h.promised()
        await until(lambda: h.lane.statistics().running == 1)
        await h.promised()
        for accept in ("application/json", "text/event-stream"):
            refused = await h.ask(Idempotency_Key="k", Accept=accept)
            assert (refused.status_code, refused.json()["code"]) == (429, "queue_full")
            assert int(refused.headers["retry-after"]) >= 1
            assert "job_id" not in refused.json()
        assert h.jobs.statistics().running == 2
        h.engine.gate.set()
        await until(lambda: h.jobs.statistics().running == 0)
        assert (await h.ask(Idempotency_Key="k")).status_code == 200


async def test_a_job_that_breaks_is_a_problem_with_its_number_and_its_own_trace() -> None:
    engine = FakeEngine(words=form("Rest well. Drink."))
    engine.error = ChildDied(retry_after_s=1)
    async with house(engine) as h:
        broken = await h.ask()
        problem = broken.json()
        assert (broken.status_code, problem["code"], broken.headers["retry-after"]) == (503, "worker_died", "1")
        job = (await h.client.get(f"/triage/{problem['job_id']}")).json()
        assert (job["state"], job["result"]) == ("failed", None)
        assert job["problem"] == problem
        events = told(await h.ask(Accept="text/event-stream"))
        assert (events[-1][1], events[-1][2]["code"]) == ("error", "worker_died")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_unknown_job_is_a_404(method: str) -> None:
    async with house() as h:
        for path in ("/triage/none", "/triage/none/events")[: 1 if method == "DELETE" else 2]:
            answer = await h.client.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


async def test_an_unknown_patient_is_refused_before_any_stream_or_promise() -> None:
    async with house() as h:
        for headers in ({"Accept": "text/event-stream"}, {"Prefer": "respond-async"}, {}):
            answer = await h.ask({**ASKED, "patient_mrn": "P000000"}, **headers)
            assert (answer.status_code, answer.json()["code"]) == (404, "patient_not_found")
            assert "P000000" not in answer.text


async def test_only_the_predecessors_shape_names_a_patient_who_was_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = {**ASKED, "patient_mrn": "P000000"}
    records = SlowRecords()
    async with house(shape=compat_shape, records=records) as h:
        monkeypatch.setattr("service_chat.routers.triage.FIRST_WORD_S", 0.01)
        late = asyncio.create_task(h.ask(unknown, Accept="text/event-stream"))
        await asyncio.sleep(0.1)
        records.gate.set()
        assert told(await late)[-1][2]["detail"]["patient_mrn"] == "P000000"
        answer = await h.ask(unknown)
        assert (answer.status_code, answer.json()["detail"]["patient_mrn"]) == (404, "P000000")


async def test_a_burst_is_refused_while_the_records_of_those_before_are_still_being_read() -> None:
    records = SlowRecords()
    async with house(capacity=1, records=records) as h:
        asking = [asyncio.create_task(h.ask()) for _ in range(5)]
        await until(lambda: sum(task.done() for task in asking) == 3)
        assert h.jobs.statistics().running == 2
        records.gate.set()
        answers = await asyncio.gather(*asking)
        assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429, 429]
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status_code == 429)


async def test_a_look_at_a_running_job_shows_how_far_it_is_and_gives_it_a_new_grace() -> None:
    grace_s = 0.8  # a busy machine may stand still for some of it, between one look and the next
    async with house(stopped(), grace_s=grace_s) as h:
        job, _ = h.jobs.begin(Question(RECORD.mrn, "What now?"), Deadline.after(20, CLOCK))
        with h.jobs.listening(job):
            await job.admitted()
        over = CLOCK.monotonic() + 1.5 * grace_s
        while CLOCK.monotonic() < over:
            await asyncio.sleep(grace_s / 10)
            assert (await h.client.get(f"/triage/{job.id}")).json()["state"] in ("queued", "prefill")
        await until(lambda: job.over)
        assert job.state == "cancelled"


GRAVE = "I have crushing chest pain and can not breathe"


@pytest.mark.parametrize(
    "body",
    [
        {"query": GRAVE},
        {"patient_mrn": "../etc", "query": GRAVE},
        {"patient_mrn": RECORD.mrn, "query": f"{GRAVE} {'and so on ' * 2000}"},
        {"patient_mrn": RECORD.mrn, "query": GRAVE, "llm_mode": "a" * 65},
        {"patient_mrn": RECORD.mrn, "query": GRAVE, "llm_mode": "not-offered"},
    ],
    ids=["no number", "bad number", "too long", "bad mode", "mode not offered"],
)
@pytest.mark.parametrize("shape", [as_it_is, compat_shape], ids=["problem", "compat"])
async def test_a_malformed_request_is_told_what_the_rules_found(body: dict[str, str], shape: Shape) -> None:
    async with house(shape=shape) as h:
        refused = await h.client.post("/triage", json=body)
        assert refused.status_code == 422
        assert refused.json()["acuity_floor"] == "emergency_now"
        assert "911" in refused.json()["emergency_notice"]
        harmless = await h.client.post("/triage", json={**body, "query": 5})
        assert harmless.status_code == 422
        assert "acuity_floor" not in harmless.json()


class BrokenRecords(FakeRecords):
    @override
    async def patient(self, mrn: str) -> PatientRecord:
        raise ZeroDivisionError("quotes P000123")


@pytest.mark.parametrize("shape", [as_it_is, compat_shape], ids=["problem", "compat"])
async def test_a_defect_of_ours_is_told_with_what_the_rules_found(
    shape: Shape, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In the middle of the work, and behind it, where the answer was there already and could not be told."""
    urgent = "There is blood in my urine."
    async with house(records=BrokenRecords([]), shape=shape) as h:
        for accept in ("application/json", "text/event-stream"):
            broken = await h.ask({**ASKED, "query": urgent}, Accept=accept)
            assert (broken.status_code, broken.json()["acuity_floor"]) == (500, "urgent")
    monkeypatch.setattr(Rendering, "answer", lambda *_: 1 / 0)
    async with house(shape=shape) as h:
        untold = await h.ask({**ASKED, "query": GRAVE})
        assert (untold.status_code, untold.json()["acuity_floor"]) == (500, "emergency_now")
        assert "911" in untold.json()["emergency_notice"]
    assert [record.message for record in caplog.records].count("unexpected_error") == 3
    assert "quotes" not in caplog.text
