import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.services.event_log import Accepted, Done, Event, EventLog, Failed
from service_chat.services.steps import Answer, Assessed, Status, Text
from serving.errors import Draining, WorkFailed
from tests.fakes.answers import QUIET, answer

pytestmark = pytest.mark.anyio

FIRST = Accepted("job", "trace")
ANSWER = answer("all of it")

#: Deltas (some of several characters, some of several bytes) with statuses between them.
happenings = st.lists(
    st.one_of(st.text("aé☃", min_size=1, max_size=3), st.just(None)),
    max_size=40,
)


def written(words: list[str | None], keep: int = 4) -> EventLog:
    log = EventLog(FIRST, keep=keep)
    for number, word in enumerate(words):
        log.append(Text(word, number) if word is not None else Status("generating", tokens=number), float(number))
    return log


def text_of(events: list[Event]) -> str:
    return "".join(event.what.text for event in events if isinstance(event.what, Text))


@given(happenings, st.booleans())
def test_a_reader_who_comes_back_never_misses_or_repeats_a_character(words: list[str | None], ended: bool) -> None:
    log, exact = written(words), written(words, keep=1000)
    if ended:
        log.close()
        log.compact()
    everything = exact.since(0)
    for seen in range(exact.last_id + 1):
        before = text_of([event for event in everything if event.id <= seen])
        assert before + text_of(log.since(seen)) == "".join(word for word in words if word is not None)


@given(happenings, st.integers(2, 8))
def test_a_log_never_holds_more_events_than_it_may_and_its_ids_always_grow(words: list[str | None], keep: int) -> None:
    log = written(words, keep)
    ids = [event.id for event in log.since(0)]
    assert len(ids) <= keep + 2  # the first event, and one for all that was folded
    assert ids == sorted(set(ids))
    assert ids[0] == 1
    assert log.last_id == len(words) + 1
    assert log.text() == "".join(word for word in words if word is not None)


def test_a_log_that_was_not_folded_gives_each_event_as_it_was() -> None:
    log = EventLog(FIRST)
    log.append(Status("queued", position=2), 1.0)
    log.append(Text("Rest", 1), 2.0)
    assert log.since(0) == [
        Event(1, 0.0, FIRST),
        Event(2, 1.0, Status("queued", position=2)),
        Event(3, 2.0, Text("Rest", 1)),
    ]
    assert log.since(2) == [Event(3, 2.0, Text("Rest", 1))]
    assert log.since(3) == []


def test_a_compact_log_keeps_its_end_and_its_text() -> None:
    log = written(["a"] * 20)
    log.append(ANSWER, 20.0)
    log.append(Done(), 21.0)
    log.close()
    log.compact()
    assert [type(event.what) for event in log.since(0)] == [Accepted, Text, Answer, Done]
    assert [event.what for event in log.since(22)] == [Done()]
    failed = written(["a"] * 20)
    failed.append(Failed(Draining()), 20.0)
    failed.close()
    failed.compact()
    assert isinstance(failed.since(21)[-1].what, Failed)


async def test_followers_hear_what_was_and_then_what_comes_until_the_end() -> None:
    log = written(["a", "b"])

    async def heard(last_id: int) -> str:
        return text_of([event async for event in log.follow(last_id)])

    early, late = asyncio.create_task(heard(0)), asyncio.create_task(heard(2))
    await asyncio.sleep(0)
    log.append(Text("c", 3), 3.0)
    await asyncio.sleep(0)
    log.append(Text("d", 4), 4.0)
    log.close()
    assert (await early, await late) == ("abcd", "bcd")


async def test_a_slow_reader_gets_what_was_folded_meanwhile_and_loses_nothing() -> None:
    log = written(["a", "b"])
    heard: list[Event] = []
    async for event in log.follow():
        heard.append(event)
        if len(heard) == 2:
            for number in range(30):
                log.append(Text("x", number), 1.0)
            log.close()
    assert text_of(heard) == "ab" + "x" * 30
    assert len(heard) < 10


def test_a_text_without_end_is_an_error_and_not_a_full_memory() -> None:
    log = EventLog(FIRST, max_chars=10)
    log.append(Text("0123456789", 1), 0.0)
    with pytest.raises(WorkFailed):
        log.append(Text("a", 2), 0.0)
    assert log.chars == 10


async def test_a_reader_with_an_id_that_was_never_given_hears_everything() -> None:
    log = written(["a", "b"])
    assert log.since(99) == log.since(0)

    async def heard() -> str:
        return text_of([event async for event in log.follow(99)])

    following = asyncio.create_task(heard())
    await asyncio.sleep(0)
    log.append(Text("c", 3), 3.0)
    log.close()
    assert await following == "abc"


def test_what_the_rules_hold_is_heard_by_whoever_comes_late_too() -> None:
    log = EventLog(FIRST, keep=4)
    log.append(Assessed(QUIET, None), 0.5)
    for number in range(20):
        log.append(Text("a", number), float(number))
    kinds = [type(event.what).__name__ for event in log.since(0)]
    assert kinds[:3] == ["Accepted", "Assessed", "Text"]
    assert [event.id for event in log.since(0)] == sorted(event.id for event in log.since(0))
    assert not any(isinstance(event.what, Assessed) for event in log.since(2))
