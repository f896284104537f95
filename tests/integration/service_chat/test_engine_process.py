"""The engine in its own process, on real llama.cpp: loading, answering, stopping, dying, coming back."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from service_chat.engines.gguf.messages import EngineConfig
from service_chat.engines.gguf.process import GgufEngine
from service_chat.engines.protocol import (
    ChatMessage,
    Completion,
    Delta,
    EngineState,
    EngineStatus,
    FinishReason,
    Prefill,
    SamplingParams,
)
from service_chat.models.manifest import LocalFile, ModelFile, WebFile
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.errors import ChildDied, DeadlineExceeded, InvalidInput, NotReady, QueueFull, WorkFailed
from tests.models.tiny_gguf import DEFAULT_REPLY, build_tiny_gguf
from tests.unit.service_chat.models.file_server import FileServer

pytestmark = pytest.mark.anyio

CLOCK = SystemClock()
ASKED = (ChatMessage("system", "You are a nurse."), ChatMessage("user", "I have a cough."))
#: Several seconds of talk for the tiny model, which never ends by itself.
ENDLESS = SamplingParams(max_tokens=8000, seed=1)


def soon(seconds: float = 20.0) -> Deadline:
    return Deadline.after(seconds, CLOCK)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_gguf(tmp_path_factory.mktemp("script") / "script.gguf", "script")


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_gguf(tmp_path_factory.mktemp("random") / "random.gguf", "random")


class Watched:
    """An engine, and everything that its status was."""

    def __init__(self, engine: GgufEngine) -> None:
        self.engine = engine
        self.seen: list[EngineStatus] = []
        self._changed = asyncio.Event()
        engine.watch(self._note)

    def _note(self, status: EngineStatus) -> None:
        self.seen.append(status)
        self._changed.set()

    async def until(self, wanted: Callable[[EngineStatus], bool], seconds: float = 20.0) -> EngineStatus:
        async with asyncio.timeout(seconds):
            while not wanted(self.engine.status()):
                self._changed.clear()
                await self._changed.wait()
        return self.engine.status()

    async def until_ready(self, seconds: float = 20.0) -> EngineStatus:
        return await self.until(lambda status: status.ready, seconds)


@asynccontextmanager
async def started(model: ModelFile, cache: Path, n_ctx: int = 8192, slots: int = 4) -> AsyncIterator[Watched]:
    engine = GgufEngine(EngineConfig(model, cache, n_ctx=n_ctx, n_threads=1, slots=slots), CLOCK)
    watched = Watched(engine)
    await engine.start()
    try:
        yield watched
    finally:
        await engine.aclose()


async def test_the_model_speaks_and_its_status_says_what_it_is(script: Path, tmp_path: Path) -> None:
    async with started(ModelFile(LocalFile(script)), tmp_path, n_ctx=1024) as watched:
        status = await watched.until_ready()
        answer = await watched.engine.generate(ASKED, SamplingParams(), soon())
    assert answer.text == DEFAULT_REPLY
    assert answer.finish_reason is FinishReason.STOP
    assert answer.timings.prefill_ms > 0
    assert answer.timings.decode_ms > 0
    model = status.model
    assert model is not None
    assert (model.name, model.n_ctx, model.n_threads) == ("script.gguf", 1024, 1)
    assert model.sha256 is not None
    assert len(model.sha256) == 64
    assert "CPU" in (model.system_info or "")
    assert "=" in (model.spin or "")
    assert [s.state for s in watched.seen][-2:] == [EngineState.READY, EngineState.STOPPED]


async def test_a_stream_reads_then_writes_then_ends(script: Path, tmp_path: Path) -> None:
    async with started(ModelFile(LocalFile(script)), tmp_path) as watched:
        await watched.until_ready()
        async with aclosing(watched.engine.stream(ASKED, SamplingParams(), soon())) as stream:
            events = [event async for event in stream]
    kinds = [type(event) for event in events]
    assert kinds == sorted(kinds, key=[Prefill, Delta, Completion].index)
    assert kinds.count(Completion) == 1
    last = events[-1]
    assert isinstance(last, Completion)
    assert "".join(event.text for event in events if isinstance(event, Delta)) == last.text == DEFAULT_REPLY
    reading = [event for event in events if isinstance(event, Prefill)]
    assert reading[-1].done == reading[-1].total == last.prompt_tokens


async def test_before_it_is_loaded_it_refuses(script: Path, tmp_path: Path) -> None:
    async with started(ModelFile(LocalFile(script)), tmp_path) as watched:
        with pytest.raises(NotReady) as refused:
            await watched.engine.generate(ASKED, SamplingParams(), soon())
        assert refused.value.details["retry_after_s"] >= 1
        await watched.until_ready()


async def test_one_more_than_there_are_slots_is_refused_and_closing_frees_one_at_once(
    talker: Path, tmp_path: Path
) -> None:
    async with started(ModelFile(LocalFile(talker)), tmp_path, slots=1) as watched:
        await watched.until_ready()
        async with aclosing(watched.engine.stream(ASKED, ENDLESS, soon())) as stream:
            assert isinstance(await anext(stream), Prefill)
            with pytest.raises(QueueFull):
                await watched.engine.generate(ASKED, SamplingParams(), soon())
        begun = time.monotonic()
        answer = await watched.engine.generate(ASKED, SamplingParams(max_tokens=3), soon())
        assert answer.completion_tokens == 3
        # 8000 tokens take this model seconds: the first request did not run on behind our back.
        assert time.monotonic() - begun < 2.0


async def test_many_requests_in_a_row_never_lose_one(script: Path, tmp_path: Path) -> None:
    async with started(ModelFile(LocalFile(script)), tmp_path) as watched:
        await watched.until_ready()
        for number in range(60):
            if number % 3 == 0:
                async with aclosing(watched.engine.stream(ASKED, ENDLESS, soon())) as stream:
                    await anext(stream)
            answer = await watched.engine.generate(ASKED, SamplingParams(), soon(5))
            assert answer.text == DEFAULT_REPLY


async def test_the_deadline_stops_the_engine(talker: Path, tmp_path: Path) -> None:
    async with started(ModelFile(LocalFile(talker)), tmp_path) as watched:
        await watched.until_ready()
        with pytest.raises(DeadlineExceeded):
            await watched.engine.generate(ASKED, ENDLESS, soon(0.3))
        answer = await watched.engine.generate(ASKED, SamplingParams(max_tokens=3), soon(10))
        assert answer.completion_tokens == 3


async def test_a_prompt_that_does_not_fit_is_refused_with_counts_and_the_engine_lives_on(
    script: Path, tmp_path: Path
) -> None:
    async with started(ModelFile(LocalFile(script)), tmp_path, n_ctx=256) as watched:
        await watched.until_ready()
        with pytest.raises(InvalidInput) as refused:
            await watched.engine.generate((ChatMessage("user", "z" * 500),), SamplingParams(), soon())
        assert refused.value.details["n_ctx"] == 256
        assert (await watched.engine.generate(ASKED, SamplingParams(), soon())).text == DEFAULT_REPLY
    assert watched.engine.status().starts == 1


async def test_a_killed_engine_fails_its_request_and_comes_back(talker: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    async with started(ModelFile(LocalFile(talker)), tmp_path) as watched:
        await watched.until_ready()
        start_s = time.monotonic() - began
        async with aclosing(watched.engine.stream(ASKED, ENDLESS, soon())) as stream:
            await anext(stream)
            pid = watched.engine.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            begun = time.monotonic()
            with pytest.raises(ChildDied):
                async for _ in stream:
                    pass
        status = await watched.until(lambda status: status.state is EngineState.RESTARTING)
        assert "SIGKILL" in (status.reason or "")
        with pytest.raises(NotReady):
            await watched.engine.generate(ASKED, SamplingParams(), soon())
        status = await watched.until_ready()
        assert time.monotonic() - begun <= max(5.0, 3 * start_s)  # the latter on a machine that is busy
        assert (status.starts, status.failures, status.reason) == (2, 1, None)
        answer = await watched.engine.generate(ASKED, SamplingParams(max_tokens=3), soon())
        assert answer.completion_tokens == 3
        assert watched.engine.status().failures == 0


async def test_an_engine_killed_ten_times_is_as_soon_back_the_tenth_time_as_the_first(
    script: Path, tmp_path: Path
) -> None:
    began = time.monotonic()
    async with started(ModelFile(LocalFile(script)), tmp_path) as watched:
        took: list[float] = []
        start_s = 0.0
        for number in range(1, 11):
            pid = (await watched.until_ready(), watched.engine.pid)[1]
            start_s = start_s or time.monotonic() - began
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            begun = time.monotonic()
            died = await watched.until(lambda status: status.state is EngineState.RESTARTING)
            assert died.failures == number
            await watched.until_ready()
            took.append(time.monotonic() - begun)
        assert max(took) <= max(5.0, 3 * start_s), (took, start_s)  # the latter on a machine that is busy
        assert (await watched.engine.generate(ASKED, SamplingParams(), soon())).text == DEFAULT_REPLY
        assert watched.engine.status().failures == 0


async def test_a_missing_model_is_a_reason_and_heals_when_the_file_comes(script: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.gguf"
    async with started(ModelFile(LocalFile(late)), tmp_path) as watched:
        status = await watched.until(lambda status: status.state is EngineState.FAILED)
        assert "no model file" in (status.reason or "")
        await watched.until(lambda status: status.failures >= 2)
        await asyncio.to_thread(late.symlink_to, script)
        status = await watched.until_ready()
        assert (status.failures >= 2, status.reason) == (True, None)
        await watched.engine.generate(ASKED, SamplingParams(), soon())
        assert watched.engine.status().failures == 0


async def test_a_broken_model_fails_the_load_and_nothing_else(tmp_path: Path) -> None:
    async with started(ModelFile(LocalFile(Path(__file__))), tmp_path) as watched:
        status = await watched.until(lambda status: status.state is EngineState.FAILED)
        assert "llama.cpp can not load test_engine_process.py" in (status.reason or "")
        with pytest.raises(NotReady):
            await watched.engine.generate(ASKED, SamplingParams(), soon())


async def test_a_download_shows_its_progress(script: Path, tmp_path: Path) -> None:
    content = await asyncio.to_thread(script.read_bytes)
    server = FileServer(content)
    with server.serving():
        async with started(ModelFile(WebFile(server.url)), tmp_path) as watched:
            await watched.until_ready()
    phases = [status.progress.phase for status in watched.seen if status.progress is not None]
    assert list(dict.fromkeys(phases)) == ["starting", "downloading", "verifying", "loading", "warming"]
    percents = [s.progress.percent for s in watched.seen if s.progress and s.progress.phase == "downloading"]
    assert percents[-1] == 100.0


async def test_closing_fails_what_runs_and_leaves_no_process(talker: Path, tmp_path: Path) -> None:
    async with started(ModelFile(LocalFile(talker)), tmp_path) as watched:
        await watched.until_ready()
        pid = watched.engine.pid
        assert pid is not None
        running = asyncio.create_task(watched.engine.generate(ASKED, ENDLESS, soon()))
        await asyncio.sleep(0.1)
        await watched.engine.aclose()
        with pytest.raises(WorkFailed):
            await running
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        with pytest.raises(NotReady):
            await watched.engine.generate(ASKED, SamplingParams(), soon())


async def test_the_event_loop_stays_free_while_the_engine_talks(talker: Path, tmp_path: Path) -> None:
    async with started(ModelFile(LocalFile(talker)), tmp_path) as watched:
        await watched.until_ready()
        found: list[tuple[float, float]] = []
        for _ in range(3):  # who else is at work on this machine is not at it all the time
            alone_s = await _lag(lambda: False)
            running = asyncio.create_task(watched.engine.generate(ASKED, ENDLESS, soon(60)))
            found.append((await _lag(running.done), alone_s))
            running.cancel()
            await asyncio.wait([running])
            if found[-1][0] < max(0.02, 3 * alone_s):
                return
        pytest.fail(f"beside the engine and alone: {found}")


async def _lag(over: Callable[[], bool]) -> float:
    """By how much sleeps are late: nineteen of twenty by less."""
    lags: list[float] = []
    while not over() and len(lags) < 100:
        before = time.monotonic()
        await asyncio.sleep(0.01)
        lags.append(time.monotonic() - before - 0.01)
    return sorted(lags)[int(len(lags) * 0.95)]
