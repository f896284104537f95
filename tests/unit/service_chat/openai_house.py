"""The OpenAI door over fake engines, for tests: lanes that run, an app without a socket."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI
from typing_extensions import override

from service_chat.engines.protocol import ChatMessage, Completion, SamplingParams, StreamEvent
from service_chat.metrics import ChatMetrics
from service_chat.routers.openai import openai_router
from service_chat.services.chat_completions import ChatCompletions
from service_chat.services.chat_lane import ChatLane
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.http.app import add_floor
from serving.lifecycle import Lifecycle, State
from serving.settings import ServiceSettings
from tests.fakes.engine import FakeEngine

CLOCK = SystemClock()
HELLO = {"model": "default", "messages": [{"role": "user", "content": "Hello"}]}


class NotingEngine(FakeEngine):
    """Remembers how it was to draw, and may end with a Completion of the test's own."""

    def __init__(self, words: Sequence[str] = ("Rest", " well.")) -> None:
        super().__init__(words)
        self.params: list[SamplingParams] = []
        self.end: Completion | None = None

    @override
    async def stream(
        self,
        messages: Sequence[ChatMessage],
        params: SamplingParams,
        deadline: Deadline,
        scope: str | None = None,
    ) -> AsyncGenerator[StreamEvent, None]:
        self.params.append(params)
        async for event in super().stream(messages, params, deadline, scope):
            yield self.end if self.end is not None and isinstance(event, Completion) else event


@dataclass
class House:
    completions: ChatCompletions
    engine: NotingEngine
    lanes: dict[str, ChatLane]
    life: Lifecycle
    client: httpx.AsyncClient
    app: FastAPI

    async def ask(self, **more: Any) -> httpx.Response:
        return await self.client.post("/v1/chat/completions", json={**HELLO, **more})

    async def refused(self, status: int, **more: Any) -> dict[str, Any]:
        """The `error` of an answer that must have this status."""
        answer = await self.ask(**more)
        assert answer.status_code == status, answer.text
        error: dict[str, Any] = answer.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return error


@asynccontextmanager
async def house(
    engines: Mapping[str, FakeEngine] | None = None, capacity: int = 4, deadline_s: float = 10
) -> AsyncIterator[House]:
    """The first engine is the configured one."""
    used = engines if engines is not None else {"gguf": NotingEngine()}
    life = Lifecycle()
    life.to(State.READY)
    default = next(iter(used), "gguf")
    async with AsyncExitStack() as stack:
        lanes = {mode: ChatLane(mode, engine, capacity, 1, CLOCK) for mode, engine in used.items()}
        for lane in lanes.values():
            await stack.enter_async_context(lane)
        completions = ChatCompletions(lanes, default, life, SamplingParams(max_tokens=40, temperature=0.2, seed=7))
        app = FastAPI()
        app.include_router(openai_router(completions, deadline_s, CLOCK))
        add_floor(app, ServiceSettings(), ChatMetrics(), 10_000, {})
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://test"))
        engine = used.get("gguf")
        yield House(
            completions, engine if isinstance(engine, NotingEngine) else NotingEngine(), lanes, life, client, app
        )


def lines_of(answer: httpx.Response) -> list[str]:
    """Comments and data of an event stream, in order, without the blank lines between."""
    return [line for line in answer.text.split("\n") if line]


def chunks_of(answer: httpx.Response) -> list[dict[str, Any]]:
    data = [line.removeprefix("data: ") for line in lines_of(answer) if line.startswith("data: ")]
    return [json.loads(text) for text in data if text != "[DONE]"]
