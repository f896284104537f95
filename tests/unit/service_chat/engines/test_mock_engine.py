"""The engine without a model keeps to the protocol that the real ones keep to."""

import asyncio
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.engines.mock import SENTENCE, MockEngine
from service_chat.engines.protocol import (
    ChatMessage,
    Completion,
    Delta,
    EngineState,
    EngineStatus,
    FinishReason,
    SamplingParams,
    StreamEvent,
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


@pytest.mark.parametrize(
    ("stop", "said", "tokens"),
    [
        (("mock",), "This is a ", 4),
        (("is a",), "This ", 2),
        (("a mock response", "mock"), "This is a ", 4),
        (("a mock response", "a mock"), "This is ", 3),
        (("This",), "", 0),
    ],
)
async def test_the_text_ends_before_the_stop_string_that_is_complete_first(
    stop: tuple[str, ...], said: str, tokens: int
) -> None:
    async with aclosing(MockEngine(CLOCK).stream(ASKED, SamplingParams(stop=stop), soon())) as stream:
        events = [event async for event in stream]
    done = events[-1]
    assert isinstance(done, Completion)
    assert (done.text, done.finish_reason, done.completion_tokens) == (said, FinishReason.STOP, tokens)
    assert "".join(event.text for event in events if isinstance(event, Delta)) == said


async def test_a_stop_string_behind_the_longest_length_stops_nothing() -> None:
    answer = await MockEngine(CLOCK).generate(ASKED, SamplingParams(max_tokens=4, stop=("mock response", "")), soon())
    assert (answer.text, answer.finish_reason) == ("This is a mock", FinishReason.LENGTH)


@given(max_tokens=st.integers(1, 30), start=st.integers(0, len(SENTENCE)), length=st.integers(1, 20))
def test_no_delta_is_ever_empty_and_their_count_is_the_tokens(max_tokens: int, start: int, length: int) -> None:
    params = SamplingParams(max_tokens=max_tokens, stop=(SENTENCE[start : start + length],))

    async def events() -> list[StreamEvent]:
        async with aclosing(MockEngine(CLOCK).stream(ASKED, params, soon())) as stream:
            return [event async for event in stream]

    *before, done = asyncio.run(events())
    deltas = [event for event in before if isinstance(event, Delta)]
    assert isinstance(done, Completion)
    assert all(delta.text for delta in deltas)
    assert [delta.tokens for delta in deltas] == list(range(1, done.completion_tokens + 1))
    assert "".join(delta.text for delta in deltas) == done.text
    assert not any(stop in done.text for stop in params.stop if stop)


async def test_the_deadline_ends_it() -> None:
    with pytest.raises(DeadlineExceeded):
        await MockEngine(CLOCK, step_s=5.0).generate(ASKED, SamplingParams(), soon(0.02))


async def test_watchers_see_it_become_ready_and_stop() -> None:
    engine, seen = MockEngine(CLOCK), list[EngineStatus]()
    engine.watch(seen.append)
    await engine.start()
    await engine.aclose()
    assert [status.state for status in seen] == [EngineState.LOADING, EngineState.READY, EngineState.STOPPED]
