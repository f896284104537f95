"""The engine without a model keeps to the protocol that the real ones keep to."""

from contextlib import aclosing

import pytest

from service_chat.engines.mock import SENTENCE, MockEngine
from service_chat.engines.protocol import (
    ChatMessage,
    Completion,
    Delta,
    EngineState,
    EngineStatus,
    FinishReason,
    SamplingParams,
)
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.errors import DeadlineExceeded

pytestmark = pytest.mark.anyio

CLOCK = SystemClock()
ASKED = (ChatMessage("system", "Be kind."), ChatMessage("user", "My head hurts."))


def soon(seconds: float = 10.0) -> Deadline:
    return Deadline.after(seconds, CLOCK)


async def test_the_answer_is_the_one_sentence_and_says_what_it_is() -> None:
    answer = await MockEngine(CLOCK).generate(ASKED, SamplingParams(), soon())
    assert answer.text == SENTENCE
    assert "mock" in answer.text
    assert answer.finish_reason is FinishReason.STOP
    assert answer.prompt_tokens == 5


async def test_the_deltas_joined_are_the_answer_and_the_answer_comes_last() -> None:
    async with aclosing(MockEngine(CLOCK).stream(ASKED, SamplingParams(), soon())) as stream:
        events = [event async for event in stream]
    assert isinstance(events[-1], Completion)
    assert "".join(event.text for event in events if isinstance(event, Delta)) == events[-1].text


async def test_an_answer_that_was_cut_short_says_so() -> None:
    answer = await MockEngine(CLOCK).generate(ASKED, SamplingParams(max_tokens=4), soon())
    assert answer.text == "This is a mock"
    assert (answer.finish_reason, answer.completion_tokens) == (FinishReason.LENGTH, 4)


async def test_the_deadline_ends_it() -> None:
    with pytest.raises(DeadlineExceeded):
        await MockEngine(CLOCK, step_s=5.0).generate(ASKED, SamplingParams(), soon(0.02))


async def test_watchers_see_it_become_ready_and_stop() -> None:
    engine, seen = MockEngine(CLOCK), list[EngineStatus]()
    engine.watch(seen.append)
    await engine.start()
    await engine.aclose()
    assert [status.state for status in seen] == [EngineState.LOADING, EngineState.READY, EngineState.STOPPED]
