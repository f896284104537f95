"""Probes, the queue and the model's administration, without a socket and without an engine's process."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from typing_extensions import override

from service_chat.engines.protocol import EngineLoad, EngineState, EngineStatus, ModelInfo
from service_chat.errors import SwapRunning
from service_chat.metrics import ChatMetrics
from service_chat.models.manifest import HubFile, LocalFile, ModelFile
from service_chat.routers.admin_model import Swaps, add_model_routes
from service_chat.routers.operations import operations_router
from service_chat.routers.queue import queue_router
from service_chat.routers.statuses import STATUS
from service_chat.services.chat_lane import ChatLane
from serving.clock import SystemClock
from serving.errors import DependencyFailed
from serving.http.admin import admin_router
from serving.http.app import add_floor
from serving.lifecycle import Lifecycle, Progress, State
from serving.settings import ServiceSettings
from tests.fakes.engine import FakeEngine

pytestmark = pytest.mark.anyio

CLOCK = SystemClock()
TOKEN = "for-the-tests"
LOADING = EngineStatus(EngineState.LOADING, Progress("downloading", 40.0, 9.0))


class FakeSwaps(Swaps):
    def __init__(self) -> None:
        self.now = EngineStatus(EngineState.READY, model=ModelInfo("old.gguf", "a" * 64))
        self.wanted: list[ModelFile] = []
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.last_failure: str | None = None
        self.loading: EngineStatus | None = None

    @property
    @override
    def candidate(self) -> EngineStatus | None:
        return self.loading

    @override
    def status(self) -> EngineStatus:
        return self.now

    @override
    async def swap(self, model: ModelFile) -> ModelInfo:
        self.wanted.append(model)
        self.loading = LOADING
        await self.gate.wait()
        self.loading = None
        if self.error is not None:
            raise self.error
        info = ModelInfo(model.name, "b" * 64)
        self.now = EngineStatus(EngineState.READY, model=info)
        return info


@dataclass
class House:
    client: httpx.AsyncClient
    engine: FakeEngine
    swaps: FakeSwaps
    lane: ChatLane
    observed: "Observed"

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path, headers={"Authorization": f"Bearer {TOKEN}"})

    async def want(self, **model: str) -> httpx.Response:
        return await self.client.post("/admin/model", json=model, headers={"Authorization": f"Bearer {TOKEN}"})


class Observed:
    def __init__(self, lane: ChatLane, lifecycle: Lifecycle) -> None:
        self.lanes: Mapping[str, ChatLane] = {"gguf": lane}
        self.lifecycle, self.default_mode = lifecycle, "gguf"
        self._lane, self.hopeful = lane, True

    def alive(self) -> bool:
        return self.hopeful

    def engine_status(self) -> EngineStatus | None:
        return self._lane.engine.status()


@asynccontextmanager
async def house(answer_within_s: float = 5.0, local: bool = True) -> AsyncIterator[House]:
    engine, swaps, life, settings = FakeEngine(), FakeSwaps(), Lifecycle(), ServiceSettings(admin_token=TOKEN)
    life.to(State.READY)
    async with ChatLane("gguf", engine, 4, 1, CLOCK) as lane:
        app = FastAPI()
        observed = Observed(lane, life)
        app.include_router(operations_router(observed, "1"))
        app.include_router(queue_router(observed.lanes, "gguf", 100))
        admin = admin_router(TOKEN, settings)
        app.include_router(add_model_routes(admin, swaps if local else None, answer_within_s))
        add_floor(app, settings, ChatMetrics(), 10_000, STATUS)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://chat") as client:
            yield House(client, engine, swaps, lane, observed)


async def test_liveness_is_a_503_while_only_a_new_process_would_help() -> None:
    async with house() as h:
        assert (await h.get("/health")).json() == {"status": "ok", "service": "chat-api", "version": "1"}
        h.observed.hopeful = False
        answer = await h.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (503, "failed")


async def test_the_queue_says_who_waits_and_predicts_nothing_before_anything_was_measured() -> None:
    async with house() as h:
        told = (await h.get("/queue")).json()
        lane = told["modes"]["gguf"]
        assert told["default_llm_mode"] == "gguf"
        assert (lane["slots"], lane["busy"], lane["waiting"], lane["capacity"]) == (1, 0, 0, 4)
        assert (lane["predicted"], lane["prefill_rate"]) == (None, None)
        h.engine.busy = EngineLoad(slots=1, prefill_rate=50.0, decode_rate=10.0)
        lane = (await h.get("/queue")).json()["modes"]["gguf"]
        assert lane["predicted"] == {"start_s": 0.0, "first_token_s": 0.1, "end_s": 10.0}


async def test_a_model_is_swapped_by_source_or_by_path_and_the_answer_names_it() -> None:
    async with house() as h:
        answer = await h.want(source="hf://some/model/new.gguf@abc", sha256="c" * 64)
        assert answer.status_code == 200
        assert (answer.json()["model"], answer.json()["state"]) == ("new.gguf", "ready")
        assert (await h.want(path="/models/a%20b.gguf")).status_code == 200
        sources = [each.source for each in h.swaps.wanted]
        assert sources == [HubFile("some/model", "new.gguf", "abc"), LocalFile(Path("/models/a%20b.gguf"))]
        assert h.swaps.wanted[0].sha256 == "c" * 64


async def test_a_long_load_is_answered_before_it_ends_and_can_be_followed() -> None:
    async with house(answer_within_s=0.01) as h:
        h.swaps.gate.clear()
        answer = await h.want(source="https://models.example/new.gguf")
        assert answer.status_code == 202
        assert answer.json()["model"] == "old.gguf"
        assert (await h.get("/admin/model")).json()["loading"] == {
            "phase": "downloading",
            "percent": 40.0,
            "eta_s": 9.0,
        }
        h.swaps.gate.set()
        await asyncio.sleep(0.01)
        assert (await h.get("/admin/model")).json()["model"] == "new.gguf"


async def test_a_long_load_that_fails_after_its_answer_troubles_nobody() -> None:
    async with house(answer_within_s=0.01) as h:
        h.swaps.gate.clear()
        h.swaps.error = DependencyFailed("no")
        assert (await h.want(source="https://models.example/new.gguf")).status_code == 202
        h.swaps.gate.set()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"source": "hf://a/b/c.gguf", "path": "/c.gguf"},
        {"source": "ftp://a/b"},
        {"source": "https://"},
        {"source": "hf://a"},
        {"source": ""},
        {"path": "relative.gguf"},
        {"source": "hf://a/b/c.gguf", "sha256": "short"},
    ],
)
async def test_a_reference_that_means_nothing_is_a_422(wanted: dict[str, str]) -> None:
    async with house() as h:
        answer = await h.want(**wanted)
        assert answer.status_code == 422, answer.text
        assert h.swaps.wanted == []


async def test_a_second_swap_is_a_conflict_and_a_model_that_can_not_be_had_a_502() -> None:
    async with house() as h:
        h.swaps.error = SwapRunning(retry_after_s=5)
        answer = await h.want(path="/new.gguf")
        assert (answer.status_code, answer.json()["code"]) == (409, "swap_running")
        h.swaps.error = DependencyFailed("The new model could not be loaded: no memory.", reason="not_loaded")
        answer = await h.want(path="/new.gguf")
        assert (answer.status_code, answer.json()["reason"]) == (502, "not_loaded")
        assert "no memory" in answer.json()["detail"]


async def test_without_the_token_or_a_local_engine_there_is_nothing_to_swap() -> None:
    async with house(local=False) as h:
        assert (await h.client.post("/admin/model", json={"path": "/new.gguf"})).status_code == 401
        assert (await h.want(path="/new.gguf")).status_code == 404
        assert (await h.get("/admin/model")).status_code == 404
