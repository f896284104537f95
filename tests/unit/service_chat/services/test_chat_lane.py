"""One lane before one engine: who gets in, where who waits stands, and what is told of it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from service_chat.engines.protocol import (
    ChatMessage,
    Completion,
    Delta,
    EngineLoad,
    EngineState,
    EngineStatus,
    ModelInfo,
    Prefill,
    SamplingParams,
)
from service_chat.errors import PromptTooLong
from service_chat.metrics import ChatMetrics
from service_chat.services.chat_lane import Chat, ChatLane, ChatStep, Waiting
from service_chat.services.readiness import GIVE_UP_AFTER
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.errors import ChildDied, DeadlineExceeded, Draining, InvalidInput, NotReady, QueueFull
from serving.events import FIELDS
from serving.lifecycle import Progress
from tests.fakes.engine import FakeEngine
from tests.unit.until import until

pytestmark = pytest.mark.anyio

CLOCK = SystemClock()
CHAT = Chat((ChatMessage("user", "x" * 100),), SamplingParams(max_tokens=100), scope="patient:1")
#: Ten tokens are read in a second and ten written.
SLOW = EngineLoad(slots=1, prefill_rate=10.0, decode_rate=10.0)


def soon(seconds: float = 10) -> Deadline:
    return Deadline.after(seconds, CLOCK)


class House:
    def __init__(self, engine: FakeEngine, lane: ChatLane, metrics: ChatMetrics) -> None:
        self.engine, self.lane, self.metrics = engine, lane, metrics

    def sample(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    async def ask(self, deadline: Deadline | None = None) -> list[ChatStep]:
        async with aclosing(self.lane.stream(CHAT, deadline or soon())) as steps:
            return [step async for step in steps]

    async def in_slot(self) -> asyncio.Task[list[ChatStep]]:
        """One that is being answered and stays so until the gate opens."""
        asked = len(self.engine.asked)
        task = asyncio.create_task(self.ask())
        await until(lambda: len(self.engine.asked) > asked)
        return task


@asynccontextmanager
async def house(engine: FakeEngine | None = None, capacity: int = 4, slots: int = 1) -> AsyncIterator[House]:
    used, metrics = engine or FakeEngine(), ChatMetrics()
    used.busy = EngineLoad(slots=slots)
    async with ChatLane("gguf", used, capacity, slots, CLOCK, metrics) as lane:
        yield House(used, lane, metrics)
        used.gate.set()


async def test_it_waits_then_the_prompt_is_read_then_text_comes_and_the_completion_is_last() -> None:
    async with house() as h:
        steps = await h.ask()
    assert [type(step) for step in steps] == [Waiting, Prefill, Delta, Delta, Completion]
    assert steps[0] == Waiting(0, None)
    assert h.engine.scopes == ["patient:1"]


async def test_positions_are_those_who_wait_before_it() -> None:
    async with house() as h:
        h.engine.gate.clear()
        first = await h.in_slot()
        async with aclosing(h.lane.stream(CHAT, soon())) as second, aclosing(h.lane.stream(CHAT, soon())) as third:
            assert await anext(second) == Waiting(0, None)
            assert await anext(third) == Waiting(1, None)
        h.engine.gate.set()
        await first


async def test_what_waits_for_one_engine_never_stands_before_another() -> None:
    async with house() as slow, house() as other:
        slow.engine.gate.clear()
        held = await slow.in_slot()
        waiting = asyncio.create_task(slow.ask())
        assert isinstance((await other.ask())[-1], Completion)
        assert not waiting.done()
        slow.engine.gate.set()
        await asyncio.gather(held, waiting)


async def test_one_more_than_may_wait_is_refused_at_once_with_whole_seconds() -> None:
    async with house(capacity=1) as h:
        h.engine.gate.clear()
        running = await h.in_slot()
        waiting = asyncio.create_task(h.ask())
        await until(lambda: h.lane.statistics().depth == 1)
        with pytest.raises(QueueFull) as refused:
            await h.ask()
        assert isinstance(refused.value.details["retry_after_s"], int)
        assert refused.value.details["reason"] == "queue_full"
        h.engine.gate.set()
        await asyncio.gather(running, waiting)
        assert h.sample("triage_rejected_total", reason="queue_full") == 1
        assert h.sample("triage_chats_total", llm_mode="gguf", outcome="queue_full") == 1
        assert h.sample("triage_chats_total", llm_mode="gguf", outcome="stop") == 2


async def test_a_burst_gets_every_free_slot_and_every_place_and_one_more_is_refused() -> None:
    async with house(capacity=1, slots=4) as h:
        h.engine.gate.clear()
        asking = [asyncio.create_task(h.ask()) for _ in range(6)]
        await until(lambda: any(task.done() for task in asking))
        await until(lambda: h.lane.statistics().running == 4)
        assert [type(task.exception()) for task in asking if task.done()] == [QueueFull]
        assert (h.lane.statistics().depth, h.lane.statistics().capacity, h.lane.outlook(1).capacity) == (1, 1, 1)
        h.engine.gate.set()
        await asyncio.gather(*asking, return_exceptions=True)
        assert h.sample("triage_chats_total", llm_mode="gguf", outcome="stop") == 5


async def test_who_is_on_its_way_has_a_place_and_one_more_is_refused_and_counted() -> None:
    async with house(capacity=1) as h:
        first, second = h.lane.expect(10, 100, soon()), h.lane.expect(10, 100, soon())
        with pytest.raises(QueueFull) as refused:
            h.lane.expect(10, 100, soon())
        assert refused.value.details["reason"] == "queue_full"
        assert refused.value.details["retry_after_s"] >= 1
        assert h.sample("triage_rejected_total", reason="queue_full") == 1
        assert h.sample("triage_chats_total", llm_mode="gguf", outcome="queue_full") == 1
        assert h.lane.statistics().rejected == 1
        assert isinstance((await h.ask())[-1], Completion)  # who has arrived is not refused for those who have not
        with first:
            pass
        h.lane.expect(10, 100, soon()).give_up()
        second.give_up()


async def test_a_place_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service_chat.services.expected.KEPT_S", 0.02)
    async with house(capacity=1) as h:
        for _ in range(2):
            h.lane.expect(10, 100, soon())
        await asyncio.sleep(0.05)
        h.lane.expect(10, 100, soon())


async def test_who_could_not_be_answered_in_time_hears_so_before_all_of_it_is_known() -> None:
    async with house(capacity=100) as h:
        h.engine.gate.clear()
        running = await h.in_slot()
        h.engine.busy = SLOW
        with pytest.raises(QueueFull) as refused:
            h.lane.expect(10, 100, soon(10))
        assert refused.value.details["reason"] == "too_late"
        h.lane.expect(10, 100, soon(30)).give_up()
        h.engine.gate.set()
        await running
        assert h.sample("triage_rejected_total", reason="too_late") == 1


async def test_one_whose_answer_would_begin_after_its_deadline_is_refused_though_there_is_a_place() -> None:
    async with house(capacity=100) as h:
        h.engine.gate.clear()
        running = await h.in_slot()
        h.engine.busy = SLOW
        # The one in the slot has 10 tokens to read and 100 to write: 11 s; then 30 of its own to read: 14.1 s.
        with pytest.raises(QueueFull) as refused:
            await h.ask(soon(10))
        details = refused.value.details
        assert details["reason"] == "too_late"
        assert 4 <= details["retry_after_s"] <= 9  # 14.1 - 10, up to half as many more
        async with aclosing(h.lane.stream(CHAT, soon(30))) as steps:
            waiting = await anext(steps)
        assert isinstance(waiting, Waiting)
        assert waiting.eta_s == pytest.approx(11, abs=0.5)
        h.engine.gate.set()
        await running
        assert h.sample("triage_rejected_total", reason="too_late") == 1
        assert h.lane.statistics().rejected == 1


async def test_an_idle_engine_refuses_nobody_however_slow_it_seemed() -> None:
    async with house() as h:
        h.engine.busy = EngineLoad(slots=1, prefill_rate=0.001, decode_rate=0.001)
        assert isinstance((await h.ask(soon(5)))[-1], Completion)


async def test_a_prompt_that_can_not_fit_hears_it_while_it_waits() -> None:
    engine = FakeEngine()
    engine.now = EngineStatus(EngineState.READY, model=ModelInfo("fake", n_ctx=256))
    engine.counted = 300
    async with house(engine) as h:
        h.engine.gate.clear()
        running = await h.in_slot()
        with pytest.raises(PromptTooLong) as refused:
            await h.ask()
        assert (refused.value.details["prompt_tokens"], refused.value.details["n_ctx"]) == (300, 256)
        assert len(h.engine.asked) == 1
        h.engine.gate.set()
        await running


async def test_one_that_is_too_long_for_a_long_answer_may_do_for_a_short_one() -> None:
    engine = FakeEngine()
    engine.now = EngineStatus(EngineState.READY, model=ModelInfo("fake", n_ctx=256))
    engine.count_error = PromptTooLong(prompt_tokens=250, n_ctx=256, room=6)
    short = Chat(CHAT.messages, SamplingParams(max_tokens=5))
    async with house(engine) as h:
        h.engine.gate.clear()
        running = await h.in_slot()
        with pytest.raises(PromptTooLong):
            await h.ask()
        async with aclosing(h.lane.stream(short, soon())) as steps:
            await anext(steps)
            await asyncio.sleep(0.02)
            assert h.lane.statistics().depth == 1
            h.engine.gate.set()
            assert [type(step) async for step in steps][-1] is Completion
        await running


async def test_an_engine_that_can_not_count_lets_it_wait_for_its_turn() -> None:
    engine = FakeEngine()
    engine.counted = None
    async with house(engine) as h:
        h.engine.gate.clear()
        running = await h.in_slot()
        waiting = asyncio.create_task(h.ask())
        await until(lambda: h.lane.statistics().depth == 1)
        h.engine.gate.set()
        assert isinstance((await waiting)[-1], Completion)
        await running


async def test_an_engine_with_fewer_slots_than_asked_of_it_is_never_given_more() -> None:
    async with house(slots=4) as h:
        h.engine.gate.clear()
        running = await h.in_slot()
        h.engine.busy = EngineLoad(slots=1, busy=1)
        async with aclosing(h.lane.stream(CHAT, soon())) as steps:
            await anext(steps)
            await asyncio.sleep(0.1)
            assert len(h.engine.asked) == 1
        h.engine.gate.set()
        await running


async def test_while_it_loads_and_after_it_was_given_up_nobody_is_admitted() -> None:
    loading = EngineStatus(EngineState.LOADING, Progress("loading", 50.0, eta_s=12.3))
    lost = EngineStatus(EngineState.RESTARTING, reason="killed", failures=GIVE_UP_AFTER)
    async with house() as h:
        for status, seconds in ((loading, 13), (lost, 5)):
            h.engine.now = status
            with pytest.raises(NotReady) as refused:
                await h.ask()
            assert refused.value.details["retry_after_s"] == seconds
        h.lane.queue.close()
        with pytest.raises(Draining):
            await h.ask()


async def test_a_restart_is_waited_for() -> None:
    async with house() as h:
        ready, h.engine.now = h.engine.now, EngineStatus(EngineState.RESTARTING, reason="killed", failures=1)
        waiting = asyncio.create_task(h.ask())
        await asyncio.sleep(0.1)
        assert h.engine.asked == []
        h.engine.now = ready
        assert isinstance((await waiting)[-1], Completion)


@pytest.mark.parametrize("stage", ["queued", "prefill", "decode"])
async def test_a_caller_who_leaves_is_counted_by_how_far_it_was(stage: str) -> None:
    engine = FakeEngine(words=[str(n) for n in range(1000)])
    async with house(engine) as h:
        h.engine.gate.clear()
        running = await h.in_slot() if stage == "queued" else None
        async with aclosing(h.lane.stream(CHAT, soon())) as steps:
            await anext(steps)
            if stage != "queued":
                assert isinstance(await anext(steps), Prefill)
            if stage == "decode":
                h.engine.gate.set()
                assert isinstance(await anext(steps), Delta)
        assert h.sample("triage_cancelled_total", stage=stage) == 1
        assert h.sample("triage_chats_total", llm_mode="gguf", outcome="abandoned") == 1
        # The engine has worked on it, whoever waits for that or not.
        assert (h.sample("triage_tokens_total", kind="prompt") > 0) == (stage == "decode")
        assert (h.sample("triage_tokens_total", kind="generated") > 0) == (stage == "decode")
        assert h.lane.statistics().depth == 0
        h.engine.gate.set()
        if running is not None:
            await running


async def test_a_deadline_that_passes_in_the_queue_frees_the_place() -> None:
    async with house() as h:
        h.engine.gate.clear()
        running = await h.in_slot()
        with pytest.raises(DeadlineExceeded):
            await h.ask(soon(0.05))
        assert h.lane.statistics().depth == 0
        assert h.sample("triage_cancelled_total", stage="queued") == 1
        h.engine.gate.set()
        await running


async def test_an_engine_that_dies_fails_who_is_in_it_and_answers_the_next() -> None:
    async with house() as h:
        h.engine.error = ChildDied(retry_after_s=2)
        with pytest.raises(ChildDied):
            await h.ask()
        h.engine.error = InvalidInput("no such form")
        with pytest.raises(InvalidInput):
            await h.ask()
        h.engine.error = None
        assert isinstance((await h.ask())[-1], Completion)
        assert h.sample("triage_chats_total", llm_mode="gguf", outcome="worker_died") == 1


async def test_who_stops_reading_after_the_completion_has_not_left_early() -> None:
    async with house() as h, aclosing(h.lane.stream(CHAT, soon())) as steps:
        async for step in steps:
            if isinstance(step, Completion):
                break
    assert h.sample("triage_chats_total", llm_mode="gguf", outcome="abandoned") == 0
    assert h.sample("triage_chats_total", llm_mode="gguf", outcome="stop") == 1


async def test_the_wait_in_the_lane_is_part_of_the_answers_queue_time() -> None:
    async with house() as h:
        h.engine.gate.clear()
        running = await h.in_slot()
        waiting = asyncio.create_task(h.ask())
        await until(lambda: h.lane.statistics().depth == 1)
        begun = CLOCK.monotonic()
        await asyncio.sleep(0.05)
        waited_ms = (CLOCK.monotonic() - begun) * 1000
        h.engine.gate.set()
        done = (await waiting)[-1]
        await running
    assert isinstance(done, Completion)
    assert done.timings.queue_ms >= waited_ms > 40


async def test_the_outlook_says_how_long_a_newcomer_would_wait_once_rates_are_known() -> None:
    async with house(slots=1) as h:
        assert h.lane.outlook(100).next_one is None
        h.engine.gate.clear()
        running = await h.in_slot()
        h.engine.busy = SLOW
        outlook = h.lane.outlook(100)
        assert (outlook.slots, outlook.busy, outlook.waiting, outlook.capacity) == (1, 1, 0, 4)
        assert outlook.next_one is not None
        assert outlook.next_one.start_s == pytest.approx(11, abs=0.5)
        h.engine.gate.set()
        await running


async def test_an_operator_can_follow_a_chat_and_reads_no_word_of_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "service_chat")
    async with house() as h:
        await h.ask()
    assert [record.message for record in caplog.records] == [
        *("chat_admitted", "chat_started", "chat_first_token", "chat_done"),
    ]
    told = " ".join(str(getattr(record, FIELDS)) for record in caplog.records)
    assert "Rest" not in told
    assert "xxx" not in told


async def test_tokens_of_both_doors_are_counted_here() -> None:
    async with house() as h:
        await h.ask()
        await h.ask()
    assert h.sample("triage_tokens_total", kind="prompt") == 20
    assert h.sample("triage_tokens_total", kind="generated") == 4
    assert h.sample("triage_ttft_seconds_count") == 2
    assert h.sample("triage_inter_token_seconds_count") == 2
    assert h.sample("triage_queue_wait_seconds_count") == 2
