"""Several requests in one engine process: a child without a model stands in for llama.cpp."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from service_chat.engines.gguf.live import Patience
from service_chat.engines.gguf.messages import EngineConfig
from service_chat.engines.gguf.process import GgufEngine
from service_chat.engines.protocol import ChatMessage, Completion, EngineState, SamplingParams
from service_chat.errors import PromptTooLong
from service_chat.models.manifest import LocalFile, ModelFile
from serving.child import RestartPolicy
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.errors import ChildDied, NotReady, QueueFull
from tests.fakes.engine_child import fake_serve
from tests.unit.until import until

pytestmark = pytest.mark.anyio

CLOCK = SystemClock()
LONG = SamplingParams(max_tokens=100_000)


def said(words: str) -> tuple[ChatMessage, ...]:
    return (ChatMessage("user", words),)


def soon(seconds: float = 20.0) -> Deadline:
    return Deadline.after(seconds, CLOCK)


async def until_ready(engine: GgufEngine, starts: int = 1) -> None:
    await until(lambda: engine.status().ready and engine.status().starts >= starts, 20)


@asynccontextmanager
async def started(patience: Patience | None = None) -> AsyncIterator[GgufEngine]:
    config = EngineConfig(ModelFile(LocalFile(Path("fake.gguf"))), Path("models"), n_ctx=100, slots=4)
    engine = GgufEngine(config, CLOCK, RestartPolicy(first_wait_s=0.05), patience or Patience(), fake_serve)
    await engine.start()
    try:
        await until_ready(engine)
        yield engine
    finally:
        await engine.aclose()


async def test_as_many_requests_as_slots_run_together_and_one_more_is_refused() -> None:
    async with started() as engine:
        running = [
            asyncio.create_task(engine.generate(said(str(n)), SamplingParams(max_tokens=30), soon())) for n in range(4)
        ]
        await asyncio.sleep(0.05)
        assert engine.load().busy == 4
        with pytest.raises(QueueFull):
            await engine.generate(said("five"), LONG, soon())
        answers = await asyncio.gather(*running)
        assert [answer.text for answer in answers] == [f"{n} " * 30 for n in range(4)]
        assert engine.load().busy == 0


async def test_a_stream_that_is_closed_early_frees_its_slot_and_no_other() -> None:
    async with started() as engine:
        others = [
            asyncio.create_task(engine.generate(said(str(n)), SamplingParams(max_tokens=40), soon())) for n in range(3)
        ]
        async with aclosing(engine.stream(said("left"), LONG, soon())) as stream:
            await anext(stream)
        assert (await engine.generate(said("next"), SamplingParams(max_tokens=2), soon())).text == "next next "
        assert [len(answer.text.split()) for answer in await asyncio.gather(*others)] == [40, 40, 40]


async def test_a_death_fails_all_who_were_in_it_and_the_next_process_answers() -> None:
    async with started() as engine:
        running = [asyncio.create_task(engine.generate(said(str(n)), LONG, soon())) for n in range(4)]
        await asyncio.sleep(0.1)
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        outcomes = await asyncio.gather(*running, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ChildDied] * 4
        await until_ready(engine, starts=2)
        answer = await engine.generate(said("again"), SamplingParams(max_tokens=1), soon())
        assert answer.text == "again "


async def test_what_was_measured_is_known_and_survives_a_death() -> None:
    async with started() as engine:
        await engine.generate(said("a"), SamplingParams(max_tokens=2), soon())
        load = engine.load()
        assert (load.slots, load.prefill_rate, load.decode_rate, load.kv_tokens) == (4, 100.0, 20.0, 7)
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        await until(lambda: not engine.status().ready, 10)
        assert (engine.load().prefill_rate, engine.load().kv_tokens) == (100.0, 0)


async def test_a_prompt_is_counted_beside_the_work_and_one_too_long_says_so() -> None:
    async with started() as engine:
        busy = [asyncio.create_task(engine.generate(said(str(n)), LONG, soon())) for n in range(4)]
        await asyncio.sleep(0.05)
        assert await engine.count(said("four")) == 4
        with pytest.raises(PromptTooLong) as refused:
            await engine.count(said("x" * 200))
        assert refused.value.details["prompt_tokens"] == 200
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
    with pytest.raises(NotReady):
        await engine.count(said("four"))


async def test_a_child_that_beats_but_sits_on_a_left_request_is_killed_and_says_why() -> None:
    async with started(Patience(margin_s=0.3, leave_s=0.3)) as engine:
        async with aclosing(engine.stream(said("deaf"), LONG, soon())) as stream:
            await anext(stream)
        await until(lambda: engine.status().state is EngineState.RESTARTING, 10)
        assert "sat on a request" in (engine.status().reason or "")
        await until_ready(engine, starts=2)
        assert isinstance(await engine.generate(said("a"), SamplingParams(max_tokens=1), soon()), Completion)


async def test_a_child_that_gives_no_sign_of_life_in_its_step_is_killed() -> None:
    async with started(Patience(silence_s=1.0)) as engine:
        with pytest.raises(ChildDied):
            await engine.generate(said("stuck"), LONG, soon())
        assert "no sign of life" in (engine.status().reason or "")
        await until_ready(engine, starts=2)


async def test_callers_who_leave_in_time_never_get_the_engine_killed() -> None:
    async with started(Patience(margin_s=0.3, leave_s=0.3)) as engine:
        for _ in range(30):
            async with aclosing(engine.stream(said("left"), LONG, soon())) as stream:
                await anext(stream)
        await asyncio.sleep(1.5)
        assert engine.status().starts == 1
