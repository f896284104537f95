"""The same question asked again: the level is the first one's, the words are the new ones."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from service_chat.engines.protocol import ChatMessage, EngineLoad, FinishReason, ModelInfo, SamplingParams, StreamEvent
from service_chat.metrics import ChatMetrics
from service_chat.records.ports import PatientRecord
from service_chat.safety.values import Acuity, Floor
from service_chat.services.chat_lane import ChatLane
from service_chat.services.composed import Composed
from service_chat.services.consulting import Consulting, Matter
from service_chat.services.context import context_of
from service_chat.services.fitting import Budget, fit
from service_chat.services.guard import Guard
from service_chat.services.opinions import Consultation, Opinions
from service_chat.services.settled import Opinion, settle
from service_chat.services.steps import Answer, Shown, Status
from serving.clock import SystemClock
from serving.deadline import Deadline
from tests.fakes.answers import QUIET, form, guard
from tests.fakes.engine import FakeEngine
from tests.unit.service_chat.services.full_records import RECORD
from tests.unit.service_chat.services.test_consulting import Writing

CLOCK = SystemClock()
QUERY = "I cut my finger."
MILD, DOUBTFUL, NO_FORM = form("Keep it clean.", "self_care"), form("Show it to a nurse.", "routine"), ("Hm.",)
TO_THE_TOP = Guard.load("US", Acuity.EMERGENCY_NOW)


def matter(
    query: str = QUERY, record: PatientRecord = RECORD, floor: Floor = QUIET, scope: str = "patient:x"
) -> Matter:
    context = context_of(record)
    fitted = fit(context, query, Budget())
    return Matter(query, "gguf", floor, context, Budget(), fitted, Shown(len(fitted.kept), ()), scope)


ASKED = Consultation("patient:x", QUERY, QUIET, matter().fitted, "1", "gguf", "m", "a" * 64, SamplingParams(seed=7))


class House:
    """One life of the service, with a model that says what it is told to."""

    def __init__(self, consulting: Consulting, engine: Writing) -> None:
        self.consulting, self.engine = consulting, engine

    async def ask(self, asked: Matter, within_s: float = 10) -> Answer:
        async with aclosing(self.consulting.steps(asked, Deadline.after(within_s, CLOCK))) as steps:
            *_, last = [step async for step in steps]
        assert isinstance(last, Answer)
        return last

    async def hear(self, words: tuple[str, ...] = MILD, asked: Matter | None = None, within_s: float = 10) -> Answer:
        self.engine.words = list(words)
        return await self.ask(asked or matter(), within_s)

    async def level(self, words: tuple[str, ...] = MILD, asked: Matter | None = None) -> Acuity:
        return (await self.hear(words, asked)).composed.acuity


class OneByOne(Writing):
    """Writes for two at the same time, for each what was laid down for it and when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.busy = EngineLoad(slots=2)
        self._each: list[FakeEngine] = []

    def will_write(self, words: tuple[str, ...]) -> asyncio.Event:
        """For the next one who asks, once the event is set."""
        engine = FakeEngine(words)
        engine.gate.clear()
        self._each.append(engine)
        return engine.gate

    @override
    async def stream(
        self,
        messages: Sequence[ChatMessage],
        params: SamplingParams,
        deadline: Deadline,
        scope: str | None = None,
    ) -> AsyncGenerator[StreamEvent, None]:
        async with aclosing(self._each.pop(0).stream(messages, params, deadline, scope)) as events:
            async for event in events:
                yield event


@asynccontextmanager
async def living(rules: Guard | None = None, engine: Writing | None = None) -> AsyncIterator[House]:
    engine = engine or Writing()
    async with ChatLane("gguf", engine, 4, 2, CLOCK, ChatMetrics()) as lane:
        yield House(Consulting({"gguf": lane}, SamplingParams(), rules or guard()), engine)


# --- asked again --------------------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(("first", "then"), [(MILD, DOUBTFUL), (DOUBTFUL, MILD)], ids=["mild", "doubtful"])
async def test_the_level_is_the_first_ones_and_the_words_are_the_new_ones(
    first: tuple[str, ...], then: tuple[str, ...]
) -> None:
    async with living() as house:
        before, after = await house.hear(first), await house.hear(then)
    told: list[Composed] = [before.composed, after.composed]
    assert told[0].acuity is told[1].acuity
    assert (told[0].acuity_source, told[0].gate) == (told[1].acuity_source, told[1].gate)
    assert ("Keep it clean." in told[0].response) is (first is MILD)
    assert ("Keep it clean." in told[1].response) is (then is MILD)
    async with living() as another:  # which has heard nothing yet
        assert await another.level(then) is not told[0].acuity


@pytest.mark.anyio
async def test_one_that_wrote_no_form_at_first_has_no_say_later_and_one_that_did_keeps_it() -> None:
    async with living() as house:
        nothing, later = await house.hear(NO_FORM), await house.hear(MILD)
        assert (nothing.composed.acuity, later.composed.acuity) == (Acuity.ROUTINE, Acuity.ROUTINE)
        assert later.composed.gate == nothing.composed.gate == ("model_absent",)
        assert (nothing.degraded, later.degraded) == (("model_invalid",), ())
        assert "Keep it clean." in later.text
    async with living() as house:
        assert await house.level(MILD) is Acuity.SELF_CARE
        later = await house.hear(NO_FORM)
        assert (later.composed.acuity, later.degraded) == (Acuity.SELF_CARE, ("model_invalid",))


@pytest.mark.anyio
async def test_words_that_may_not_stand_at_the_first_level_are_left_out() -> None:
    soothing = form("It bleeds. You are fine, it is nothing to worry about.", "self_care")
    async with living() as house:
        assert await house.level(DOUBTFUL) is Acuity.ROUTINE
        said = (await house.hear(soothing)).text
        assert "It bleeds." in said
        assert "nothing to worry about" not in said
    async with living(TO_THE_TOP) as house:
        assert await house.level(form("It bleeds.", "emergency")) is Acuity.EMERGENCY
        milder = (await house.hear(MILD)).composed
        assert (milder.acuity, milder.model_text) == (Acuity.EMERGENCY, "dropped")


@pytest.mark.anyio
async def test_of_two_at_once_the_first_to_finish_decides() -> None:
    engine = OneByOne()
    async with living(engine=engine) as house:
        slow, fast = engine.will_write(DOUBTFUL), engine.will_write(MILD)
        begun_first, begun_second = (asyncio.create_task(house.ask(matter())) for _ in range(2))
        fast.set()
        assert (await begun_second).composed.acuity is Acuity.SELF_CARE
        slow.set()
        late = await begun_first
    assert "Show it to a nurse." in late.text
    assert late.composed.acuity is Acuity.SELF_CARE


@given(
    floor=st.sampled_from(Acuity),
    said=st.lists(st.none() | st.sampled_from(Acuity), min_size=1, max_size=8),
    up_to=st.sampled_from(Acuity),
)
def test_however_often_it_is_asked_the_level_never_changes_and_is_never_below_the_floor(
    floor: Acuity, said: list[Acuity | None], up_to: Acuity
) -> None:
    opinions, held = Opinions(), replace(QUIET, acuity=floor)
    counted = [opinions.first(replace(ASKED, floor=held), Opinion(each)) for each in said]
    levels = [settle(held, record_read=True, model=each, up_to=up_to).acuity for each in counted]
    assert set(levels) == {levels[0]}
    assert levels[0] >= floor


# --- what is another question -------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    "other",
    [
        matter("I cut my finger again."),
        matter(record=replace(RECORD, medications=())),
        matter(floor=replace(QUIET, questions=("onset",))),
        matter(scope="patient:y"),
    ],
    ids=["words", "record", "floor", "patient"],
)
async def test_another_question_record_floor_or_patient_has_an_opinion_of_its_own(other: Matter) -> None:
    async with living() as house:
        assert await house.level(MILD) is Acuity.SELF_CARE
        assert await house.level(DOUBTFUL, other) is Acuity.ROUTINE
        assert await house.level(DOUBTFUL) is Acuity.SELF_CARE


@pytest.mark.anyio
async def test_another_model_has_an_opinion_of_its_own_and_what_it_took_over_keeps_the_old_ones() -> None:
    async with living() as house:
        old = house.engine.now
        assert await house.level(MILD) is Acuity.SELF_CARE
        house.engine.now = replace(old, model=ModelInfo("fake.gguf", "b" * 64))
        assert await house.level(DOUBTFUL) is Acuity.ROUTINE
        house.engine.now = old
        assert await house.level(DOUBTFUL) is Acuity.SELF_CARE


@pytest.mark.anyio
async def test_an_answer_that_a_swap_overtakes_is_the_old_models() -> None:
    async with living() as house:
        house.engine.words = list(MILD)
        async with aclosing(house.consulting.steps(matter(), Deadline.after(10, CLOCK))) as steps:
            async for step in steps:
                if step == Status("prefill", done=0, total=10, cached=0):
                    house.engine.now = replace(house.engine.now, model=ModelInfo("new.gguf", "b" * 64))
        assert isinstance(step, Answer)
        assert (step.model, step.composed.acuity) == ("fake.gguf", Acuity.SELF_CARE)
        assert await house.level(DOUBTFUL) is Acuity.ROUTINE


@pytest.mark.parametrize(
    "other",
    [
        replace(ASKED, rules="2"),
        replace(ASKED, prompt="0"),
        replace(ASKED, mode="remote"),
        replace(ASKED, model="n"),
        replace(ASKED, model=None, model_sha256=None),
        replace(ASKED, params=SamplingParams(seed=8)),
        replace(ASKED, shown=replace(ASKED.shown, query="I cut […]")),
    ],
    ids=["rules", "prompt", "mode", "name", "no name", "seed", "shown"],
)
def test_whatever_an_opinion_depends_on_makes_another(other: Consultation) -> None:
    opinions = Opinions()
    assert opinions.first(ASKED, Opinion(Acuity.SELF_CARE)).acuity is Acuity.SELF_CARE
    assert opinions.first(other, Opinion(Acuity.ROUTINE)).acuity is Acuity.ROUTINE


# --- what is no opinion -------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_what_was_broken_off_or_never_asked_is_not_remembered() -> None:
    async with living() as house:
        house.engine.gate.clear()
        assert (await house.hear(DOUBTFUL, within_s=0.05)).degraded == ("deadline",)
        house.engine.gate.set()
        house.engine.finish = FinishReason.CANCELLED
        await house.hear(DOUBTFUL)
        house.engine.finish = FinishReason.STOP
        assert (await house.hear(DOUBTFUL, replace(matter(), mode="nowhere"))).degraded == ("model_unavailable",)
        assert await house.level(MILD) is Acuity.SELF_CARE


# --- what is kept -------------------------------------------------------------------------------------------------


def test_as_many_are_kept_as_there_is_room_for_and_who_asked_longest_ago_leaves() -> None:
    opinions, (first, second, third) = Opinions(2), [replace(ASKED, query=each) for each in "abc"]
    for each in (first, second, first, third):
        opinions.first(each, Opinion(Acuity.SELF_CARE))
    assert len(opinions) == 2
    assert opinions.first(first, Opinion(Acuity.ROUTINE)).acuity is Acuity.SELF_CARE
    assert opinions.first(second, Opinion(Acuity.ROUTINE)).acuity is Acuity.ROUTINE


def test_neither_words_nor_numbers_are_kept_and_digests_differ_from_process_to_process() -> None:
    one, other = Opinions(), Opinions()
    for each in (one, other):
        each.first(ASKED, Opinion(None))
    (kept,), (elsewhere,) = one._first, other._first
    assert len(kept) == 32
    assert kept != elsewhere


@given(text=st.text())
def test_any_text_can_be_asked_about_twice(text: str) -> None:
    opinions = Opinions()
    opinions.first(replace(ASKED, query=text), Opinion(Acuity.ROUTINE))
    assert opinions.first(replace(ASKED, query=text), Opinion(None)).acuity is Acuity.ROUTINE


def test_half_a_character_can_be_asked_about() -> None:
    assert Opinions().first(replace(ASKED, query="\ud83d"), Opinion(None)) == Opinion(None)
