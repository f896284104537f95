"""Guesses: what followed the same tokens before, and only as many as pay."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.engines.gguf.drafting import DraftGovernor, PromptLookup


def test_a_guess_is_what_followed_the_last_tokens_before() -> None:
    assert PromptLookup([1, 2, 3, 4, 5, 9, 1, 2]).draft(3) == [3, 4, 5]


def test_the_latest_of_several_occurrences_is_taken() -> None:
    assert PromptLookup([1, 2, 3, 1, 2, 4, 1, 2]).draft(1) == [4]


def test_a_longer_match_goes_before_a_later_one() -> None:
    assert PromptLookup([7, 1, 2, 3, 8, 1, 2, 4, 7, 1, 2]).draft(1) == [3]


def test_tokens_that_were_written_count_like_the_prompt() -> None:
    lookup = PromptLookup([1, 2])
    for token in (3, 1, 2):
        lookup.extend(token)
    assert lookup.draft(1) == [3]


def test_a_cycle_is_guessed_to_go_on() -> None:
    assert PromptLookup([1, 2, 1, 2, 1, 2]).draft(6) == [1, 2, 1, 2, 1, 2]


def test_there_is_no_guess_for_tokens_that_are_new() -> None:
    assert PromptLookup([1, 2, 3, 4]).draft(6) == []
    assert PromptLookup([]).draft(6) == []


def test_a_guess_has_no_more_tokens_than_asked_for_and_no_more_than_the_longest() -> None:
    lookup = PromptLookup([*range(20), 0, 1], longest=4)
    assert lookup.draft(2) == [2, 3]
    assert lookup.draft(9) == [2, 3, 4, 5]
    assert lookup.draft(0) == []


@given(st.lists(st.integers(0, 2), max_size=40), st.integers(1, 6))
def test_a_guess_is_always_what_a_search_from_the_end_would_find(tokens: list[int], at_most: int) -> None:
    expected: list[int] = []
    for size in (4, 3, 2):
        tail = tokens[-size:]
        starts = [at for at in range(len(tokens) - size) if tokens[at : at + size] == tail]
        if len(tail) == size and starts:
            after = starts[-1] + size
            whole = tokens[after:] * at_most
            expected = whole[:at_most]
            break
    assert PromptLookup(tokens).draft(at_most) == expected


def judged(governor: DraftGovernor, chance: float, rounds: int, active: int = 1, seed: int = 1) -> int:
    """Plays `rounds` steps in which a guess comes true with `chance`; how many tokens were put altogether."""
    draw, put = random.Random(seed), 0
    for _ in range(rounds):
        rows = governor.rows(active)
        accepted = 0
        while accepted < rows and draw.random() < chance:
            accepted += 1
        governor.note(rows, accepted)
        put += rows
    return put


def test_guesses_that_come_true_are_put_at_full_length() -> None:
    governor = DraftGovernor(0.35)
    judged(governor, 1.0, 100)
    assert governor.rows(1) == 6


def test_guesses_that_never_come_true_are_probed_seldom() -> None:
    governor = DraftGovernor(0.35)
    judged(governor, 0.0, 1000)
    assert 1 <= judged(governor, 0.0, 2000) <= 5


def test_it_recovers_when_guesses_come_true_again() -> None:
    governor = DraftGovernor(0.35)
    judged(governor, 0.0, 5000)
    judged(governor, 1.0, 1200)
    assert governor.rows(1) == 6


def test_a_probe_waits_until_there_is_something_to_guess() -> None:
    governor = DraftGovernor(0.5)
    judged(governor, 0.0, 100)
    while not governor.rows(1):
        pass
    assert [governor.rows(1) for _ in range(3)] == [1, 1, 1]
    governor.note(1, 0)
    assert governor.rows(1) == 0


@pytest.mark.parametrize("active", [1, 4])
def test_rows_that_cost_a_whole_step_are_never_put(active: int) -> None:
    governor = DraftGovernor(1.0)
    governor.note(6, 6)
    assert not any(governor.rows(active) for _ in range(2000))


def test_an_unknown_cost_takes_nearly_certain_guesses() -> None:
    governor = DraftGovernor(None)
    assert governor.rows(1) == 0
    judged(governor, 1.0, 2000)
    assert governor.rows(1) > 0


def test_many_rows_leave_less_for_guesses_than_one() -> None:
    governor = DraftGovernor(0.3)
    judged(governor, 0.75, 400)
    assert governor.rows(1) > governor.rows(4) > governor.rows(64) == 0


@given(
    cost=st.floats(0.05, 0.95),
    active=st.integers(1, 32),
    history=st.lists(st.integers(0, 6).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), max_size=60),
)
def test_tokens_per_time_never_fall_by_guesses_that_are_put(
    cost: float, active: int, history: list[tuple[int, int]]
) -> None:
    governor = DraftGovernor(cost)
    for drafted, accepted in history:
        governor.note(drafted, accepted)
    rows, chance = governor.rows(active), governor.acceptance
    gain = sum(chance**place for place in range(1, rows + 1))
    step = 1 + (active - 1) * cost
    assert 0.0 <= chance <= 1.0
    assert (active + gain) / (step + rows * cost) >= active / step - 1e-9
