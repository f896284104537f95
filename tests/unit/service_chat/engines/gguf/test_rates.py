import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.engines.gguf.rates import Rates


def test_steps_of_one_kind_are_taken_as_they_are() -> None:
    rates = Rates()
    rates.note(64, 0, 1.0)
    rates.note(0, 4, 0.2)
    assert (rates.prefill, rates.decode) == (64.0, 20.0)


@given(st.lists(st.tuples(st.integers(0, 64), st.integers(0, 8)), min_size=40, max_size=80))
def test_mixed_steps_never_lead_away_from_a_machine_that_stays_as_it_is(steps: list[tuple[int, int]]) -> None:
    rates = Rates()
    rates.note(64, 0, 64 / 50)
    rates.note(0, 8, 8 / 20)
    for read, written in steps:
        rates.note(read, written, read / 50 + written / 20)
    assert rates.prefill == pytest.approx(50)
    assert rates.decode == pytest.approx(20)


def test_a_machine_that_others_use_too_is_noticed_within_a_dozen_steps() -> None:
    rates = Rates()
    for _ in range(20):
        rates.note(64, 8, 1.0)
        rates.note(64, 0, 1.0)
        rates.note(0, 8, 0.5)
    for _ in range(12):
        rates.note(32, 8, 2.0)
    assert rates.prefill < 40
    assert rates.decode < 10


def test_a_cold_beginning_does_not_last() -> None:
    rates = Rates()
    rates.note(64, 0, 60.0)
    for _ in range(6):
        rates.note(64, 0, 1.0)
    assert rates.prefill > 50


def test_a_step_that_brought_nothing_or_took_no_time_says_nothing() -> None:
    rates = Rates()
    rates.note(0, 0, 1.0)
    rates.note(10, 0, 0.0)
    rates.note(10, 5, 1.0)  # which of the two was slow can not be known yet
    assert (rates.prefill, rates.decode) == (0.0, 0.0)


def test_a_step_counts_for_the_time_that_it_took() -> None:
    """A mean of each step's speed would say 900 tokens a second here, and a door would let in four times too many."""
    rates = Rates()
    for _ in range(100):
        for _ in range(9):
            rates.note(0, 1, 0.001)
        rates.note(0, 1, 0.031)
    assert rates.decode == pytest.approx(10 / 0.040, rel=0.02)
