"""Another model in the place of the present one: a child without a model stands in for llama.cpp."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from service_chat.engines.gguf.messages import EngineConfig
from service_chat.engines.gguf.process import GgufEngine
from service_chat.engines.gguf.swap import SwappableEngine, SwapPolicy
from service_chat.engines.protocol import ChatMessage, Completion, EngineState, EngineStatus, SamplingParams
from service_chat.errors import SwapRunning
from service_chat.models.manifest import LocalFile, ModelFile
from serving.child import RestartPolicy
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.errors import DependencyFailed, WorkFailed
from tests.fakes.engine_child import fake_serve
from tests.unit.until import until

pytestmark = pytest.mark.anyio

CLOCK = SystemClock()
LONG = SamplingParams(max_tokens=100_000)
SHORT = SamplingParams(max_tokens=2)


def said(words: str) -> tuple[ChatMessage, ...]:
    return (ChatMessage("user", words),)


def soon(seconds: float = 20.0) -> Deadline:
    return Deadline.after(seconds, CLOCK)


def model(name: str, size: int | None = 1000) -> ModelFile:
    return ModelFile(LocalFile(Path(name)), size=size)


class House:
    def __init__(self, engine: SwappableEngine, made: list[GgufEngine]) -> None:
        self.engine, self.made, self.seen = engine, made, list[EngineStatus]()
        engine.watch(self.seen.append)

    def name(self) -> str:
        status = self.engine.status()
        return status.model.name if status.model is not None else ""


@asynccontextmanager
async def house(memory: int | None = None, drain_s: float = 20.0) -> AsyncIterator[House]:
    made: list[GgufEngine] = []

    def make(config: EngineConfig) -> GgufEngine:
        made.append(GgufEngine(config, CLOCK, RestartPolicy(first_wait_s=0.05), entry=fake_serve))
        return made[-1]

    config = EngineConfig(model("old.gguf"), Path("models"), n_ctx=100, slots=2)
    engine = SwappableEngine(config, make, SwapPolicy(drain_s, lambda: memory))
    await engine.start()
    try:
        await until(lambda: engine.status().ready, 20)
        yield House(engine, made)
    finally:
        await engine.aclose()
    assert all(each.pid is None for each in made)


async def test_new_requests_go_to_the_new_model_and_running_ones_end_where_they_began() -> None:
    async with house() as h:
        async with aclosing(h.engine.stream(said("a"), SamplingParams(max_tokens=150), soon())) as running:
            await anext(running)
            info = await h.engine.swap(model("new.gguf"))
            assert info.name == h.name()
            assert "new.gguf" in info.name
            assert h.made[0].load().busy == 1
            answer = await h.engine.generate(said("b"), SHORT, soon())
            assert answer.text == "b b "
            whole = [event async for event in running]
        assert isinstance(whole[-1], Completion)
        assert whole[-1].completion_tokens == 150
        await until(lambda: h.made[0].status().state is EngineState.STOPPED, 10)
        assert all(status.ready for status in h.seen[1:])


async def test_a_model_that_can_not_be_loaded_leaves_the_old_one_serving_and_says_why() -> None:
    async with house() as h:
        with pytest.raises(DependencyFailed) as failed:
            await h.engine.swap(model("broken.gguf"))
        assert "a broken model" in failed.value.message
        assert h.engine.last_failure == failed.value.message
        assert (await h.engine.generate(said("a"), SHORT, soon())).text == "a a "
        assert "old.gguf" in h.name()
        assert h.made[1].pid is None
        await h.engine.swap(model("new.gguf"))
        assert h.engine.last_failure is None


async def test_one_swap_at_a_time() -> None:
    async with house() as h:
        first = asyncio.create_task(h.engine.swap(model("new.gguf")))
        await asyncio.sleep(0)
        with pytest.raises(SwapRunning):
            await h.engine.swap(model("other.gguf"))
        await first
        assert "new.gguf" in h.name()


async def test_an_operator_who_hangs_up_does_not_stop_the_swap() -> None:
    async with house() as h:
        asked = asyncio.create_task(h.engine.swap(model("new.gguf")))
        await asyncio.sleep(0.01)
        asked.cancel()
        await until(lambda: "new.gguf" in h.name(), 10)


async def test_where_memory_holds_one_the_old_one_is_emptied_first_and_it_looks_like_a_restart() -> None:
    async with house(memory=2100) as h:
        running = asyncio.create_task(h.engine.generate(said("a"), SamplingParams(max_tokens=30), soon()))
        await until(lambda: h.engine.load().busy == 1)
        swap = asyncio.create_task(h.engine.swap(model("new.gguf", 1000)))
        await until(lambda: not h.engine.status().ready)
        status = h.engine.status()
        assert (status.state, status.failures) == (EngineState.RESTARTING, 0)
        assert "memory" in (status.reason or "")
        assert len(h.made) == 1
        assert (await running).completion_tokens == 30
        await swap
        assert h.made[0].pid is None
        assert (await h.engine.generate(said("b"), SHORT, soon())).text == "b b "
        states = [status.state for status in h.seen]
        assert EngineState.STOPPED not in states
        assert EngineState.LOADING not in states[2:]


async def test_where_memory_holds_one_and_the_new_one_fails_the_old_one_is_loaded_again() -> None:
    async with house(memory=0) as h:
        with pytest.raises(DependencyFailed):
            await h.engine.swap(model("broken.gguf"))
        assert h.engine.status().ready
        assert "old.gguf" in h.name()
        assert (await h.engine.generate(said("a"), SHORT, soon())).text == "a a "


async def test_what_does_not_end_within_the_drain_is_failed() -> None:
    async with house(drain_s=0.2) as h:
        running = asyncio.create_task(h.engine.generate(said("a"), LONG, soon()))
        await until(lambda: h.engine.load().busy == 1)
        await h.engine.swap(model("new.gguf"))
        with pytest.raises(WorkFailed):
            await running


async def test_closing_in_the_middle_of_a_swap_leaves_no_process() -> None:
    for memory in (None, 0):
        async with house(memory) as h:
            swap = asyncio.create_task(h.engine.swap(model("new.gguf")))
            made = h.made
            await until(lambda made=made: len(made) == 2)  # type: ignore[misc]
            await h.engine.aclose()
            with pytest.raises(asyncio.CancelledError):
                await swap
            assert [each.pid for each in h.made] == [None, None]


async def test_restarts_are_counted_over_all_engines() -> None:
    async with house() as h:
        with pytest.raises(WorkFailed):
            await h.engine.generate(said("die"), LONG, soon())
        await until(lambda: h.engine.status().ready, 10)
        assert h.engine.status().starts == 2
        await h.engine.swap(model("new.gguf"))
        assert h.engine.status().starts == 2
