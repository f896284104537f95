"""The arithmetic of waiting: slots played through, tokens divided by rates."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.services.waiting import Experience, Speed, Work, forecast

SPEED = Speed(prefill=100.0, decode=20.0)
works = st.builds(Work, st.floats(0, 4000), st.floats(1, 512))


def test_alone_it_is_read_then_written() -> None:
    (alone,) = forecast(SPEED, 4, [], [Work(200, 40)])
    assert alone.start_s == 0.0
    assert alone.first_token_s == pytest.approx(2.05)
    assert alone.end_s == pytest.approx(4.0)


def test_with_one_slot_each_waits_for_the_whole_of_those_before() -> None:
    first, second = forecast(SPEED, 1, [Work(0, 20)], [Work(100, 20), Work(100, 20)])
    assert first.start_s == pytest.approx(1.0)
    assert first.end_s == pytest.approx(3.0)
    assert second.start_s == first.end_s


def test_the_slot_that_is_free_first_goes_to_the_first_in_line() -> None:
    first, second = forecast(SPEED, 2, [Work(0, 10), Work(0, 100)], [Work(100, 10), Work(100, 10)])
    assert first.start_s == pytest.approx(1.0)  # two write, ten tokens each
    assert second.start_s > first.start_s


def test_a_short_prompt_is_read_before_a_long_one() -> None:
    long, short = forecast(SPEED, 2, [], [Work(1000, 10), Work(10, 10)])
    assert short.first_token_s < long.first_token_s


def test_more_that_run_than_there_are_slots_are_waited_for() -> None:
    (only,) = forecast(SPEED, 1, [Work(0, 20), Work(0, 40)], [Work(10, 1)])
    assert only.start_s == pytest.approx(3.0)


@given(
    slots=st.integers(1, 16),
    running=st.lists(works, max_size=16),
    waiting=st.lists(works, min_size=1, max_size=40),
)
def test_nobody_ever_starts_before_one_who_came_before_and_all_work_is_done_at_the_end(
    slots: int, running: list[Work], waiting: list[Work]
) -> None:
    futures = forecast(SPEED, slots, running, waiting)
    starts = [future.start_s for future in futures]
    assert starts == sorted(starts)
    assert all(future.start_s <= future.first_token_s <= future.end_s for future in futures)
    total = sum(work.prompt / SPEED.prefill + work.answer / SPEED.decode for work in (*running, *waiting))
    # The engine is never idle while somebody waits, and does not do more than it can.
    assert max(future.end_s for future in futures) <= total * (1 + 1e-9) + 1e-6


@given(running=st.lists(works, min_size=1, max_size=8), newcomer=works, more=works)
def test_a_further_chat_ahead_never_makes_the_start_earlier(running: list[Work], newcomer: Work, more: Work) -> None:
    alone = forecast(SPEED, 2, running, [newcomer])[-1]
    behind = forecast(SPEED, 2, running, [more, newcomer])[-1]
    assert behind.start_s >= alone.start_s - 1e-9


def test_a_full_house_is_forecast_in_milliseconds() -> None:
    """At the door, on the event loop: arithmetic must not grow with the square of the queue."""
    futures = forecast(SPEED, 16, [Work(100, 100)] * 16, [Work(100, 100)] * 4000)
    assert math.isclose(futures[-1].end_s, 4016 * 6.0, rel_tol=0.01)


def test_bytes_become_tokens_at_the_ratio_that_was_counted() -> None:
    experience = Experience()
    assert experience.prompt_tokens(1000) == pytest.approx(300)
    for _ in range(40):
        experience.counted(1000, 500)
    assert experience.prompt_tokens(1000) == pytest.approx(500, rel=0.01)


def test_what_is_cached_is_not_read_again() -> None:
    experience = Experience()
    assert experience.to_read(400) == 400
    for _ in range(40):
        experience.read(400, cached=300)
    assert experience.to_read(400) == pytest.approx(100, rel=0.02)


def test_answers_are_thought_to_be_as_long_as_answers_are_and_never_longer_than_they_may() -> None:
    experience = Experience()
    assert experience.to_write(512) == 512
    experience.wrote(100)
    assert experience.to_write(512) == 100
    assert experience.to_write(50) == 50
    assert experience.to_write(512, written=40) == 60
    assert experience.to_write(512, written=300) == 16
    assert experience.to_write(512, written=510) == 2


@given(st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 4000), st.integers(0, 600)), max_size=30))
def test_no_experience_ever_makes_work_negative(chats: list[tuple[int, int, int]]) -> None:
    experience = Experience()
    for size, tokens, wrote in chats:
        experience.counted(size, tokens)
        experience.read(tokens, cached=tokens // 2)
        experience.wrote(wrote)
    typical = experience.typical(512)
    assert experience.prompt_tokens(100) >= 1
    assert typical.prompt >= 0
    assert 1 <= typical.answer <= 512
