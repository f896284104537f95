import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass

import pytest
from typing_extensions import override

from service_chat.engines.protocol import EngineState, EngineStatus, SamplingParams
from service_chat.errors import ModeNotAllowed, PatientNotFound, RateLimited
from service_chat.metrics import ChatMetrics
from service_chat.records.ports import PatientRecord
from service_chat.records.synthetic import synthetic_patients
from service_chat.safety.values import Acuity
from service_chat.services.caller import Caller
from service_chat.services.chat_lane import ChatLane
from service_chat.services.limits import Limits
from service_chat.services.readiness import GIVE_UP_AFTER
from service_chat.services.steps import Answer, Assessed, Fallback, Question, Status, Text
from service_chat.services.triage import Triage
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.errors import (
    ChildDied,
    DeadlineExceeded,
    DependencyFailed,
    Draining,
    NotReady,
    QueueFull,
    SluiceError,
)
from serving.lifecycle import Lifecycle, Progress, State
from tests.fakes.answers import form, guard
from tests.fakes.engine import FakeEngine
from tests.fakes.records import FakeRecords
from tests.unit.until import until

pytestmark = pytest.mark.anyio

RECORD = next(iter(synthetic_patients()))
QUESTION = Question(RECORD.mrn, "What now?")
CLOCK = SystemClock()
GUARD = guard()  # here, because it reads files


@dataclass
class House:
    triage: Triage
    engine: FakeEngine
    lanes: Mapping[str, ChatLane]
    life: Lifecycle

    @property
    def lane(self) -> ChatLane:
        return self.lanes["gguf"]

    async def answer(self, question: Question = QUESTION, deadline: Deadline | None = None) -> Answer:
        """To the end: a request's last lines are written after its answer."""
        async with aclosing(self.triage.steps(question, deadline or soon())) as steps:
            last = [step async for step in steps][-1]
        assert isinstance(last, Answer)
        return last


@asynccontextmanager
async def house(
    engine: FakeEngine | None = None,
    capacity: int = 4,
    error: SluiceError | None = None,
    others: Mapping[str, FakeEngine] | None = None,
    records: FakeRecords | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[House]:
    used = engine or writing()
    life, metrics = Lifecycle(), ChatMetrics()
    life.to(State.READY)
    engines = {"gguf": used, **(others or {})}
    lanes = {mode: ChatLane(mode, each, capacity, 1, CLOCK, metrics) for mode, each in engines.items()}
    store = records or FakeRecords([RECORD], error)
    triage = Triage(lanes, store, life, SamplingParams(), "gguf", GUARD, CLOCK, limits)
    async with AsyncExitStack() as stack:
        for lane in lanes.values():
            await stack.enter_async_context(lane)
        yield House(triage, used, lanes, life)


def writing() -> FakeEngine:
    return FakeEngine(words=form())


def soon(seconds: float = 10) -> Deadline:
    return Deadline.after(seconds, CLOCK)


async def test_the_answer_is_what_the_engine_wrote() -> None:
    async with house() as h:
        answer = await h.answer()
        assert (answer.degraded, answer.model) == ((), "fake.gguf")
        assert "Rest well." in answer.text
        assert "What now?" in h.engine.asked[0][1].content


async def test_the_steps_come_in_order_and_end_with_the_answer() -> None:
    async with house() as h:
        steps = [step async for step in h.triage.steps(QUESTION, soon())]
    states = [step.state for step in steps if isinstance(step, Status)]
    assert states == ["queued", "prefill", "generating"]
    assert [type(step) for step in steps[:2]] == [Assessed, Fallback]
    assert "".join(step.text for step in steps if isinstance(step, Text)) == "Rest well."
    assert isinstance(steps[-1], Answer)


async def test_a_question_waits_its_turn_and_is_told_its_place() -> None:
    engine = writing()
    engine.gate.clear()
    async with house(engine) as h:
        first = asyncio.create_task(h.answer())
        await until(lambda: h.lane.statistics().running == 1)
        second = asyncio.create_task(h.answer())
        await until(lambda: h.lane.statistics().depth == 1)
        async with aclosing(h.triage.steps(QUESTION, soon())) as steps:
            step = [await anext(steps) for _ in range(3)][-1]
            assert isinstance(step, Status)
            assert (step.state, step.position) == ("queued", 1)
            assert h.lane.statistics().depth == 2
        engine.gate.set()
        assert (await first).text == (await second).text


async def test_a_full_lane_refuses() -> None:
    engine = writing()
    engine.gate.clear()
    async with house(engine, capacity=1) as h:
        running = asyncio.create_task(h.answer())
        await until(lambda: h.lane.statistics().running == 1)
        waiting = asyncio.create_task(h.answer())
        await until(lambda: h.lane.statistics().depth == 1)
        with pytest.raises(QueueFull):
            await h.answer()
        engine.gate.set()
        await asyncio.gather(running, waiting)


async def test_a_deadline_is_answered_from_the_record_and_stops_the_engine() -> None:
    engine = writing()
    engine.gate.clear()
    async with house(engine) as h:
        answer = await h.answer(deadline=soon(0.05))
        assert answer.degraded == ("deadline",)
        assert "Book an appointment" in answer.text
        await until(lambda: engine.stopped_early == 1)


@pytest.mark.parametrize(
    "status",
    [
        EngineStatus(EngineState.FAILED, reason="no file"),
        EngineStatus(EngineState.STOPPED),
        EngineStatus(EngineState.RESTARTING, reason="killed", failures=GIVE_UP_AFTER),
    ],
    ids=lambda status: status.state.value,
)
async def test_without_a_model_to_wait_for_the_record_answers(status: EngineStatus) -> None:
    engine = writing()
    engine.now = status
    async with house(engine) as h:
        answer = await h.answer()
        assert answer.degraded == ("model_unavailable",)
        assert h.engine.asked == []


async def test_a_model_that_is_still_loading_says_when_to_come_back() -> None:
    engine = writing()
    engine.now = EngineStatus(EngineState.LOADING, Progress("downloading", 10.0, 31.0))
    async with house(engine) as h:
        with pytest.raises(NotReady) as refusal:
            await h.answer()
        assert refusal.value.details["retry_after_s"] == 31


async def test_a_question_waits_for_an_engine_that_restarts() -> None:
    engine = FakeEngine(words=form(), state=EngineState.RESTARTING)
    async with house(engine) as h:
        asking = asyncio.create_task(h.answer())
        await asyncio.sleep(0.1)
        assert engine.asked == []
        engine.now = EngineStatus(EngineState.READY)
        assert (await asking).degraded == ()


async def test_an_engine_that_dies_in_the_middle_is_a_typed_error() -> None:
    engine = writing()
    engine.error = ChildDied(retry_after_s=1)
    async with house(engine) as h:
        with pytest.raises(ChildDied):
            await h.answer()
        engine.error = None
        assert "Rest well." in (await h.answer()).text


async def test_closing_the_steps_early_gives_the_place_back_and_stops_the_engine() -> None:
    engine = writing()
    engine.gate.clear()
    async with house(engine) as h:
        async with aclosing(h.triage.steps(QUESTION, soon())) as steps:
            async for step in steps:
                if isinstance(step, Status) and step.state == "prefill":
                    break
        await until(lambda: engine.stopped_early == 1)
        assert h.lane.statistics().running == 0


async def test_an_unknown_patient_is_not_named_in_the_error_and_costs_no_place() -> None:
    async with house() as h:
        with pytest.raises(PatientNotFound) as missing:
            await h.answer(Question("P000000", "?"))
        assert "P000000" not in f"{missing.value.message} {missing.value.details}"
        assert h.lane.statistics().admitted == 0


async def test_a_record_store_that_fails_is_a_dependency_that_failed() -> None:
    async with house(error=DependencyFailed("no disk")) as h:
        with pytest.raises(DependencyFailed):
            await h.answer()


async def test_a_mode_that_is_not_offered_is_refused_before_the_record_is_read() -> None:
    async with house(error=DependencyFailed("must not be asked")) as h:
        with pytest.raises(ModeNotAllowed) as refusal:
            await h.answer(Question(RECORD.mrn, "?", "hf-qwen2.5"))
        assert refusal.value.details["allowed"] == ["gguf"]


async def test_a_question_without_a_place_is_refused_whatever_becomes_of_its_record() -> None:
    records = FakeRecords([RECORD], DependencyFailed("no disk"))
    async with house(records=records, capacity=1) as h:
        on_their_way = [h.triage.steps(QUESTION, soon()) for _ in range(2)]
        with pytest.raises(QueueFull):
            await h.answer()
        for steps in on_their_way:  # they have been, and left
            with pytest.raises(DependencyFailed):
                _ = [step async for step in steps]
        h.engine.now = EngineStatus(EngineState.LOADING)
        with pytest.raises(NotReady):
            await h.answer()
        h.life.to(State.DRAINING)
        with pytest.raises(Draining):
            await h.answer()


async def test_a_process_that_goes_down_takes_no_question() -> None:
    async with house() as h:
        h.life.to(State.DRAINING)
        with pytest.raises(Draining):
            await h.answer()


async def test_an_expired_deadline_never_reaches_the_engine() -> None:
    async with house() as h:
        answer = await h.answer(deadline=soon(0))
        assert answer.degraded == ("deadline",)
        assert h.engine.asked == []
        with pytest.raises(DeadlineExceeded):
            soon(0).check()


async def test_each_engine_has_a_lane_of_its_own() -> None:
    busy, idle = writing(), FakeEngine(words=form("From afar."))
    busy.gate.clear()
    async with house(busy, capacity=1, others={"remote": idle}) as h:
        asking = [asyncio.create_task(h.answer())]
        await until(lambda: h.lane.statistics().running == 1)
        asking.append(asyncio.create_task(h.answer()))
        await until(lambda: h.lane.statistics().depth == 1)
        assert "From afar." in (await h.answer(Question(RECORD.mrn, "?", "remote"))).text
        busy.gate.set()
        await asyncio.gather(*asking)


async def test_what_was_read_is_shared_between_questions_about_one_patient_only() -> None:
    async with house() as h:
        await h.answer()
        await h.answer(Question(RECORD.mrn, "And then?"))
        assert h.engine.scopes == [f"patient:{RECORD.mrn}"] * 2
        first, second = (messages[1].content for messages in h.engine.asked)
        shared = first.index("What now?")
        assert first[:shared] == second[:shared]


async def test_what_can_be_said_without_the_model_is_known_before_there_is_a_place() -> None:
    engine = writing()
    engine.gate.clear()
    async with house(engine) as h, aclosing(h.triage.steps(QUESTION, soon())) as steps:
        await anext(steps)
        step = await anext(steps)
        assert isinstance(step, Fallback)
        assert "Book an appointment" in step.composed.response
        assert h.lane.statistics().admitted == 0


async def test_a_model_that_says_nothing_leaves_the_record() -> None:
    async with house(FakeEngine(words=(" ",))) as h:
        assert (await h.answer()).degraded == ("model_silent",)


async def test_a_model_that_keeps_to_no_form_leaves_the_record() -> None:
    async with house(FakeEngine(words=("It is ", "nothing."))) as h:
        answer = await h.answer()
        assert answer.degraded == ("model_invalid",)
        assert "nothing." not in answer.text


# --- the floor before all else ---------------------------------------------------------------------------------------

GRAVE = Question(RECORD.mrn, "I have crushing chest pain and my left arm is numb.")


def loading() -> FakeEngine:
    engine = writing()
    engine.now = EngineStatus(EngineState.LOADING)
    return engine


class Spent(Limits):
    """Whoever asks has asked too often."""

    def __init__(self) -> None:
        self.asked: list[tuple[Caller, str | None]] = []

    @override
    def take(self, caller: Caller, address: str | None) -> None:
        self.asked.append((caller, address))
        raise RateLimited(retry_after_s=9)


TROUBLES = ["none", "loading", "full", "no records", "unknown patient", "going down", "asked too often"]


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_an_emergency_is_answered_at_once_whatever_else_is_wrong(trouble: str) -> None:
    error = DependencyFailed("no disk") if trouble == "no records" else None
    asked = Question("P000000", GRAVE.query) if trouble == "unknown patient" else GRAVE
    limits = Spent()
    async with house(
        loading() if trouble == "loading" else None,
        error=error,
        capacity=1,
        limits=limits if trouble == "asked too often" else None,
    ) as h:
        if trouble == "full":
            _ = [h.triage.steps(QUESTION, soon()) for _ in range(2)]
        if trouble == "going down":
            h.life.to(State.DRAINING)
        steps = [step async for step in h.triage.steps(asked, soon())]
        assert [type(step) for step in steps] == [Assessed, Answer]
        assert isinstance(steps[1], Answer)
        assert steps[1].composed.acuity >= Acuity.EMERGENCY
        assert "911" in steps[1].text
        assert h.engine.asked == []
        assert limits.asked == []  # and it is not counted


@pytest.mark.parametrize("trouble", ["loading", "asked too often"])
async def test_what_only_the_record_makes_grave_is_found_though_the_question_is_refused(trouble: str) -> None:
    """Fever may wait a day; fever under chemotherapy may not, and a full house is no reason."""
    frail = next(
        record for record in synthetic_patients() if any("Neutropenia" in c.display for c in record.conditions)
    )
    asked = Question(frail.mrn, "I have a fever of 38.6 since this morning.")
    engine, limits = (loading(), None) if trouble == "loading" else (None, Spent())
    async with house(engine, records=FakeRecords([RECORD, frail]), limits=limits) as h:
        steps = [step async for step in h.triage.steps(asked, soon())]
        assert [type(step) for step in steps] == [Assessed, Assessed, Answer]
        assert isinstance(steps[-1], Answer)
        assert steps[-1].composed.acuity >= Acuity.EMERGENCY
        with pytest.raises(NotReady if trouble == "loading" else RateLimited):
            await h.answer()


async def test_who_asks_too_often_is_told_when_to_come_back_and_takes_no_place() -> None:
    limits, asked = Spent(), Question(RECORD.mrn, "Can I take ibuprofen?", None, Caller("key:a"), "10.0.0.1")
    async with house(limits=limits) as h:
        with pytest.raises(RateLimited) as refused:
            h.triage.steps(asked, soon())
        assert refused.value.details["retry_after_s"] == 9
        assert limits.asked == [(Caller("key:a"), "10.0.0.1")]
        assert h.lane.statistics().depth == 0
        assert h.engine.asked == []


class RecordsInARush(FakeRecords):
    """The record comes at once, and the loop has other things to do for longer than anybody waits for it."""

    @override
    async def patient(self, mrn: str) -> PatientRecord:
        loop = asyncio.get_running_loop()
        came = loop.create_future()

        def work() -> None:
            begun = time.monotonic()
            while time.monotonic() < begun + 0.1:
                pass
            loop.call_soon(came.set_result, None)

        loop.call_soon(work)
        await came
        return await super().patient(mrn)


async def test_a_record_that_is_there_is_looked_at_though_the_loop_was_busy_for_long() -> None:
    frail = next(
        record for record in synthetic_patients() if any("Neutropenia" in c.display for c in record.conditions)
    )
    async with house(loading(), records=RecordsInARush([frail])) as h:
        answer = await h.answer(Question(frail.mrn, "I have a fever of 38.6 since this morning."))
    assert answer.composed.acuity >= Acuity.EMERGENCY


async def test_what_no_record_makes_grave_is_refused_in_the_same_moment() -> None:
    async with house(loading()) as h:
        with pytest.raises(NotReady):
            h.triage.steps(Question(RECORD.mrn, "Can I take ibuprofen?"), soon())


async def test_every_refusal_says_what_the_rules_found() -> None:
    urgent = Question("P000000", "I have had a severe headache since yesterday.")
    async with house() as h:
        with pytest.raises(PatientNotFound) as refusal:
            await h.answer(urgent)
        assert refusal.value.details["acuity_floor"] == "urgent"
        assert refusal.value.details["red_flags"]
        assert refusal.value.details["emergency_notice"]
        with pytest.raises(PatientNotFound) as plain:
            await h.answer(Question("P000000", "What now?"))
        assert "acuity_floor" not in plain.value.details
