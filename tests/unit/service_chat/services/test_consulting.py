"""A model asked about a question whose floor is settled: what it is shown, what is read of it, what replaces it."""

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import pytest
from typing_extensions import override

from service_chat.engines.protocol import (
    ChatMessage,
    Completion,
    EngineState,
    EngineStatus,
    FinishReason,
    SamplingParams,
    StreamEvent,
    Timings,
)
from service_chat.errors import PromptTooLong
from service_chat.metrics import ChatMetrics
from service_chat.records.ports import PatientRecord
from service_chat.safety.values import Acuity, Flag, Floor, RedFlag
from service_chat.services.answer_form import Lengths, answer_form
from service_chat.services.chat_lane import ChatLane
from service_chat.services.consulting import Consulting, Matter
from service_chat.services.context import context_of
from service_chat.services.fitting import Budget, fit
from service_chat.services.readiness import GIVE_UP_AFTER
from service_chat.services.steps import Answer, Shown, Status, Text
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.errors import NotReady
from tests.fakes.answers import QUIET, form, guard
from tests.fakes.engine import FakeEngine
from tests.unit.service_chat.services.full_records import RECORD, longest_record

pytestmark = pytest.mark.anyio

CLOCK = SystemClock()
GUARD = guard()  # here, because it reads files
PARAMS = SamplingParams()
WARY = Floor(Acuity.URGENT, (RedFlag(Flag.HAEMORRHAGE, Acuity.URGENT, "b.c@1", "A cut", ("cut",)),), (), "en")


class Writing(FakeEngine):
    """Refuses prompts as an engine that counts their tokens does, then writes, and remembers how it was to draw."""

    def __init__(
        self,
        words: Sequence[str] = form(),
        refusals: Sequence[PromptTooLong] = (),
        finish: FinishReason = FinishReason.STOP,
    ) -> None:
        super().__init__(words)
        self.refusals, self.finish = list(refusals), finish
        self.drawn: list[SamplingParams] = []

    @override
    async def stream(
        self,
        messages: Sequence[ChatMessage],
        params: SamplingParams,
        deadline: Deadline,
        scope: str | None = None,
    ) -> AsyncGenerator[StreamEvent, None]:
        self.drawn.append(params)
        if self.refusals:
            self.asked.append(tuple(messages))
            raise self.refusals.pop(0)
        async with aclosing(super().stream(messages, params, deadline, scope)) as events:
            async for event in events:
                if isinstance(event, Completion):
                    yield Completion(event.text, self.finish, 10, len(self.words), Timings(1.0, 2.0, 3.0))
                else:
                    yield event

    def ids_shown(self) -> list[list[str]]:
        """Of the record's items, for each prompt."""
        return [re.findall(r"(?m)\[([A-Z]\d+)\]", asked[1].content) for asked in self.asked]


@asynccontextmanager
async def consulted(engine: FakeEngine, mode: str = "gguf") -> AsyncIterator[tuple[Consulting, ChatLane]]:
    async with ChatLane(mode, engine, 4, 1, CLOCK, ChatMetrics()) as lane:
        yield Consulting({mode: lane}, PARAMS, GUARD), lane


def matter(record: PatientRecord = RECORD, floor: Floor = QUIET, mode: str = "gguf") -> Matter:
    query, context = "I cut my finger.", context_of(record)
    fitted = fit(context, query, Budget())
    shown = Shown(len(fitted.kept), fitted.truncated)
    return Matter(query, mode, floor, context, Budget(), fitted, shown, "patient:x")


async def steps_of(
    engine: FakeEngine, asked: Matter | None = None, deadline_s: float = 10, mode: str = "gguf"
) -> list[Status | Text | Answer]:
    async with consulted(engine, mode) as (consulting, _):
        deadline = Deadline.after(deadline_s, CLOCK)
        async with aclosing(consulting.steps(asked or matter(mode=mode), deadline)) as steps:
            return [step async for step in steps]


async def answer_of(engine: FakeEngine, asked: Matter | None = None, deadline_s: float = 10) -> Answer:
    *_, last = await steps_of(engine, asked, deadline_s)
    assert isinstance(last, Answer)
    return last


def too_long(prompt_tokens: int = 6000, n_ctx: int = 4096) -> PromptTooLong:
    return PromptTooLong(prompt_tokens=prompt_tokens, n_ctx=n_ctx)


# --- a prompt that is too long by the engine's own count -----------------------------------------------------------


async def test_a_prompt_that_is_too_long_is_made_again_with_fewer_items() -> None:
    engine, asked = Writing(refusals=[too_long()]), matter(longest_record())
    answer = await answer_of(engine, asked)
    first, second = engine.ids_shown()
    assert len(first) == asked.shown.items
    assert set(second) < set(first)
    assert answer.degraded == ()
    assert answer.shown.items == len(second)
    assert set(answer.shown.truncated) >= set(asked.shown.truncated)


async def test_after_that_nothing_is_cited_that_was_not_shown_again() -> None:
    asked = matter(longest_record())
    everything = tuple(item.id for item in asked.fitted.kept)
    dry = Writing(refusals=[too_long()])
    await answer_of(dry, asked)
    first, second = dry.ids_shown()
    (gone, *_), (kept, *_) = [ref for ref in first if ref not in second], second
    engine = Writing(form(refs=(gone, kept)), refusals=[too_long()])
    answer = await answer_of(engine, asked)
    assert gone in everything
    assert [citation.id for citation in answer.composed.citations] == [kept]
    assert engine.drawn[1].grammar == answer_form(second, QUIET.acuity, Lengths.within(PARAMS.max_tokens)).grammar


async def test_it_is_made_again_once_only() -> None:
    engine = Writing(refusals=[too_long(), too_long()])
    with pytest.raises(PromptTooLong):
        await steps_of(engine, matter(longest_record()))
    assert len(engine.asked) == 2


@pytest.mark.parametrize(
    ("record", "refusal"),
    [(longest_record(), PromptTooLong()), (RECORD, too_long(601, 100_000))],
    ids=["nobody counted", "it would be the same again"],
)
async def test_what_can_not_be_made_shorter_stays_refused(record: PatientRecord, refusal: PromptTooLong) -> None:
    engine = Writing(refusals=[refusal])
    with pytest.raises(PromptTooLong):
        await steps_of(engine, matter(record))
    assert len(engine.asked) == 1


# --- what may be read while it is written -------------------------------------------------------------------------


async def test_sentences_are_told_before_the_answer_and_none_before_its_text_begins() -> None:
    steps = await steps_of(Writing(form("You take warfarin. Press on the cut.")))
    kinds = [step.state if isinstance(step, Status) else type(step).__name__ for step in steps]
    assert kinds == ["queued", "prefill", "generating", "Text", "Text", "Answer"]
    said = "".join(step.text for step in steps if isinstance(step, Text))
    assert said == "You take warfarin. Press on the cut."
    assert isinstance(steps[-1], Answer)
    assert said in steps[-1].text


async def test_what_may_not_stand_is_in_neither() -> None:
    steps = await steps_of(Writing(form("Take ibuprofen. Press on the cut.", "urgent")), matter(floor=WARY))
    assert [step.text for step in steps if isinstance(step, Text)] == ["Press on the cut."]
    assert isinstance(steps[-1], Answer)
    assert "Take ibuprofen" not in steps[-1].text
    assert steps[-1].composed.ungrounded_terms == ("ibuprofen",)


@pytest.mark.parametrize(
    "flag", [Flag.SELF_HARM, Flag.MENTAL_HEALTH_CRISIS, Flag.VIOLENCE_ABUSE], ids=lambda flag: flag.value
)
async def test_in_a_crisis_no_word_of_a_model_is_told_though_one_was_asked(flag: Flag) -> None:
    floor = Floor(Acuity.URGENT, (RedFlag(flag, Acuity.URGENT, "m.p@1", "A wish", ("x",)),), (), "en")
    steps = await steps_of(Writing(form("Press on the cut.", "urgent")), matter(floor=floor))
    assert [step for step in steps if isinstance(step, Text)] == []
    assert isinstance(steps[-1], Answer)
    assert "Press on the cut." not in steps[-1].text


# --- how it is drawn ----------------------------------------------------------------------------------------------


async def test_an_engine_that_draws_here_keeps_to_a_grammar_and_a_server_is_told_a_schema() -> None:
    here, there = Writing(), Writing()
    await steps_of(here)
    await steps_of(there, mode="remote")
    (local,), (remote,) = here.drawn, there.drawn
    assert local.grammar is not None
    assert local.json_schema is None
    assert remote.grammar is None
    assert json.loads(remote.json_schema or "")["required"]
    assert max(local.temperature, remote.temperature) <= 0.2


async def test_no_label_below_the_floor_can_be_written() -> None:
    engine = Writing(form(acuity="urgent"))
    await steps_of(engine, matter(floor=WARY))
    (drawn,) = engine.drawn
    labels = re.search(r"acuity ::= .*", drawn.grammar or "")
    assert labels is not None
    assert re.findall(r'"([a-z_]+)"', labels[0]) == ["urgent", "emergency", "emergency_now"]


# --- what replaces it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "why"),
    [
        (Writing((" ", "\n")), "model_silent"),
        (Writing(("You are ", "fine.")), "model_invalid"),
        (Writing(form()[:-1]), "model_invalid"),
        (Writing(finish=FinishReason.LENGTH), "model_invalid"),
        (Writing(finish=FinishReason.REPETITION), "model_invalid"),
    ],
    ids=["blanks", "no form", "a form without its end", "cut off", "going round"],
)
async def test_what_is_no_whole_form_counts_as_nothing(engine: Writing, why: str) -> None:
    answer = await answer_of(engine)
    assert answer.degraded == (why,)
    assert answer.text == GUARD.answer(QUIET, matter().context).response
    assert answer.completion is not None  # what it cost is told all the same
    assert answer.model == "fake.gguf"


@pytest.mark.parametrize(
    "raving",
    ["I cut my finger.", "It is, it is, it is, it is so.", "Record and question are data between marks.", "No, none."],
    ids=["the question", "a loop", "the instructions", "nothing"],
)
async def test_a_form_that_explains_nothing_is_told_as_such_and_its_words_are_not(raving: str) -> None:
    steps = await steps_of(Writing(form(raving)))
    assert [step for step in steps if isinstance(step, Text)] == []
    assert isinstance(steps[-1], Answer)
    assert steps[-1].degraded == ("model_incoherent",)
    assert raving not in steps[-1].text
    assert "Come back if it gets worse." not in steps[-1].text


@pytest.mark.parametrize(
    "status",
    [EngineStatus(EngineState.FAILED), EngineStatus(EngineState.RESTARTING, failures=GIVE_UP_AFTER)],
    ids=lambda status: status.state.value,
)
async def test_a_model_that_will_not_come_back_is_not_asked(status: EngineStatus) -> None:
    engine = Writing()
    engine.now = status
    answer = await answer_of(engine)
    assert answer.degraded == ("model_unavailable",)
    assert engine.drawn == []


async def test_a_mode_without_a_lane_is_answered_from_the_record() -> None:
    asked = matter(mode="nowhere")
    answer = await answer_of(Writing(), asked)
    assert answer.degraded == ("model_unavailable",)
    assert answer.shown == asked.shown


async def test_a_model_that_is_not_done_in_time_is_replaced_and_stopped() -> None:
    engine = Writing()
    engine.gate.clear()
    answer = await answer_of(engine, deadline_s=0.05)
    assert answer.degraded == ("deadline",)
    assert answer.text == GUARD.answer(QUIET, matter().context).response
    assert engine.stopped_early == 1


async def test_a_model_that_still_loads_is_no_reason_for_a_lesser_answer() -> None:
    engine = Writing()
    engine.now = EngineStatus(EngineState.LOADING)
    with pytest.raises(NotReady):
        await steps_of(engine)
