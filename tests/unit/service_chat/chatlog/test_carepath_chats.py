"""The predecessor's chat log: its shape, its status, and nothing of its words in ours."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest

from service_chat.chatlog.carepath import MOST_AT_ONCE, CarePathChatLog, payload
from service_chat.chatlog.ports import Conversation
from serving.errors import DependencyFailed
from tests.unit.until import until

pytestmark = pytest.mark.anyio

TOLD = Conversation(
    id="c",
    at=datetime(2026, 11, 21, 12, tzinfo=UTC),
    principal="p",
    patient_ref="r",
    acuity="routine",
    llm_mode="gguf",
    latency_ms=1200.5,
    record_ms=3.5,
    trace_id="t" * 32,
    patient_mrn="P000123",
    query="May I?",
    response="You may.",
)


def log(answer: Callable[[httpx.Request], httpx.Response]) -> CarePathChatLog:
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return CarePathChatLog("http://db.example/api/", 1.0, client)


async def test_a_conversation_is_posted_as_the_predecessor_did() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(201, json={"conversation_id": "CONV-2026-11-21-P000123-deadbeef"})

    chats = log(answer)
    await chats.store(TOLD)
    await chats.aclose()
    (request,) = asked
    assert (request.method, str(request.url)) == ("POST", "http://db.example/api/chat-logs")
    body = json.loads(request.content)
    assert body == payload(TOLD)
    assert set(body) == {"patient_mrn", "channel", "messages", "retrieval_events", "trace_id"}
    user, assistant = body["messages"]
    assert user == {"role": "user", "content": "May I?", "timestamp": "2026-11-21T12:00:00+00:00"}
    assert (assistant["content"], assistant["model_name"], assistant["latency_ms"]) == ("You may.", "gguf", 1200.5)
    assert body["retrieval_events"][0]["latency_ms"] == 3.5


@pytest.mark.parametrize("status", [200, 400, 404, 500, 302])
async def test_any_other_status_is_a_failure_that_quotes_nothing(status: int) -> None:
    chats = log(lambda _: httpx.Response(status, text="P000123 said: May I?"))
    with pytest.raises(DependencyFailed) as failed:
        await chats.store(TOLD)
    assert failed.value.details == {"upstream_status": status}
    assert "P000123" not in str(failed.value)
    await chats.aclose()


async def test_a_server_that_is_away_is_a_failure_of_a_kind() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route to P000123")

    chats = log(away)
    with pytest.raises(DependencyFailed) as failed:
        await chats.store(TOLD)
    assert failed.value.details == {"reason": "ConnectError"}
    await chats.aclose()


async def test_a_comment_has_no_place_there() -> None:
    chats = log(lambda _: httpx.Response(500))
    assert await chats.comment("c", "words") is False
    assert await chats.purge(TOLD.at) == 0
    await chats.aclose()


async def test_a_log_that_hangs_has_a_few_requests_to_hold_and_the_others_wait_for_their_turn() -> None:
    """Hundreds of them that end together are a second in which nothing else is answered."""
    open_now = most = 0
    gate = asyncio.Event()

    async def hanging(_: httpx.Request) -> httpx.Response:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await gate.wait()
        open_now -= 1
        return httpx.Response(201)

    chats = CarePathChatLog("http://db.example/api/", 1.0, httpx.AsyncClient(transport=httpx.MockTransport(hanging)))
    storing = [asyncio.create_task(chats.store(TOLD)) for _ in range(3 * MOST_AT_ONCE)]
    await until(lambda: open_now == MOST_AT_ONCE)
    gate.set()
    await asyncio.gather(*storing)
    assert most == MOST_AT_ONCE
    await chats.aclose()
