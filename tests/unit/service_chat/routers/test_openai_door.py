from typing import Any

import pytest

from service_chat.engines.protocol import Completion, FinishReason, Timings
from service_chat.errors import PromptTooLong
from serving.errors import (
    ChildDied,
    DeadlineExceeded,
    DependencyFailed,
    InvalidInput,
    QueueFull,
    SluiceError,
    WorkFailed,
)
from serving.lifecycle import State
from tests.fakes.engine import FakeEngine
from tests.unit.service_chat.openai_house import NotingEngine, house

pytestmark = pytest.mark.anyio


async def test_an_answer_has_every_field_that_clients_read() -> None:
    async with house() as h:
        body = (await h.ask(model="fake.gguf")).json()
    assert body["id"].startswith("chatcmpl-")
    assert body["created"] > 1_700_000_000
    assert {name: body[name] for name in ("object", "model", "system_fingerprint", "choices", "usage", "timings")} == {
        "object": "chat.completion",
        "model": "fake.gguf",
        "system_fingerprint": "fp_" + "a" * 12,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Rest well.", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 2,
            "total_tokens": 12,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
        },
        "timings": {**body["timings"], "prefill_ms": 2.0, "decode_ms": 3.0},
    }


async def test_two_answers_have_two_ids() -> None:
    async with house() as h:
        assert (await h.ask()).json()["id"] != (await h.ask()).json()["id"]


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (FinishReason.STOP, "stop"),
        (FinishReason.LENGTH, "length"),
        (FinishReason.REPETITION, "length"),
        (FinishReason.CANCELLED, "length"),
    ],
)
async def test_every_end_has_a_word_that_clients_know(reason: FinishReason, said: str) -> None:
    async with house() as h:
        h.engine.end = Completion("Rest", reason, 10, 9, Timings(0, 0, 0), 4, drafted_tokens=6, accepted_tokens=2)
        body = (await h.ask()).json()
    assert body["choices"][0]["finish_reason"] == said
    assert body["usage"]["prompt_tokens_details"] == {"cached_tokens": 4}
    assert body["usage"]["completion_tokens_details"] == {
        "accepted_prediction_tokens": 2,
        "rejected_prediction_tokens": 4,
    }


async def test_the_models_on_offer_are_listed_and_each_can_be_asked_for() -> None:
    async with house({"gguf": NotingEngine(), "mock": FakeEngine()}) as h:
        listed = (await h.client.get("/v1/models")).json()
        assert listed["object"] == "list"
        first = listed["data"][0]
        assert (first["id"], first["object"], first["mode"]) == ("fake.gguf", "model", "gguf")
        assert first["aliases"] == ["default", "gguf"]
        for name in ("fake.gguf", "gguf", "default"):
            assert (await h.client.get(f"/v1/models/{name}")).json() == first
        missing = await h.client.get("/v1/models/someone/else")
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")


async def test_a_model_that_is_not_there_is_a_404_that_names_those_that_are() -> None:
    async with house() as h:
        error = await h.refused(404, model="gpt-4o")
    assert error == {
        "message": "There is no such model here. On offer: fake.gguf.",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"tools": [{"type": "function"}]}, "tools", "unsupported_parameter"),
        ({"n": 3}, "n", "unsupported_parameter"),
        ({"temperature": 9}, "temperature", "invalid_value"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role", "unsupported_value"),
        ({"response_format": {"type": "json_schema"}}, "response_format", "missing_required_parameter"),
        ({"grammar": "a", "response_format": {"type": "json_object"}}, "grammar", "unsupported_value"),
    ],
)
async def test_a_mistake_is_named_with_its_field(fields: dict[str, Any], param: str, code: str) -> None:
    async with house() as h:
        error = await h.refused(400, **fields)
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)


async def test_a_body_that_is_no_json_is_a_400_too() -> None:
    async with house() as h:
        answer = await h.client.post("/v1/chat/completions", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    "message", [{"role": "my chest hurts", "content": "x"}, {"role": "user", "content": {"my chest": "hurts"}}]
)
async def test_a_refusal_never_quotes_what_was_sent(message: dict[str, Any]) -> None:
    async with house() as h:
        assert "chest" not in (await h.refused(400, messages=[message]))["message"]


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (PromptTooLong(prompt_tokens=900, n_ctx=512, room=0), 400, "invalid_request_error", "context_length_exceeded"),
        (InvalidInput("The template refuses."), 400, "invalid_request_error", "invalid_input"),
        (QueueFull(retry_after_s=7), 429, "rate_limit_error", "queue_full"),
        (DependencyFailed("No."), 502, "server_error", "dependency_failed"),
        (ChildDied(), 503, "server_error", "worker_died"),
        (WorkFailed(), 503, "server_error", "work_failed"),
        (DeadlineExceeded(), 504, "server_error", "deadline_exceeded"),
    ],
)
async def test_every_failure_has_its_status_and_type(error: SluiceError, status: int, kind: str, code: str) -> None:
    async with house() as h:
        h.engine.error = error
        found = await h.refused(status)
    assert (found["type"], found["code"]) == (kind, code)


async def test_a_prompt_that_does_not_fit_is_told_with_its_counts() -> None:
    async with house() as h:
        h.engine.error = PromptTooLong(prompt_tokens=900, n_ctx=512, room=0)
        error = await h.refused(400)
    assert error["param"] == "messages"
    assert "maximum context length is 512 tokens" in error["message"]
    assert "900" in error["message"]


async def test_a_rejection_says_when_to_come_back() -> None:
    async with house() as h:
        h.engine.error = QueueFull(retry_after_s=7)
        assert (await h.ask()).headers["retry-after"] == "7"
        h.engine.error = None
        h.life.to(State.DRAINING)
        answer = await h.ask()
        assert answer.status_code == 503
        assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"grammar": "root ::= x"}, "grammar"),
        ({}, "messages"),
    ],
)
async def test_what_an_engine_refuses_is_told_by_the_field_it_came_from(fields: dict[str, Any], param: str) -> None:
    async with house() as h:
        h.engine.error = InvalidInput("This engine can not do that.")
        assert (await h.refused(400, **fields))["param"] == param


async def test_a_defect_keeps_its_words_to_itself() -> None:
    async with house() as h:
        h.engine.error = ValueError("my chest hurts")
        answer = await h.ask()
    assert answer.status_code in (500, 503)
    assert "chest" not in answer.text


async def test_other_routes_go_on_answering_problems() -> None:
    async with house() as h:
        answer = await h.client.get("/v1/nothing")
    assert answer.headers["content-type"] == "application/problem+json"
