"""Loops are caught within their bound, and nothing else is."""

import random
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from service_chat.engines.gguf.repetition import RepetitionGuard


def caught_at(tokens: Iterable[int], guard: RepetitionGuard | None = None) -> int | None:
    """After how many tokens the guard spoke."""
    guard = guard or RepetitionGuard()
    return next((count for count, token in enumerate(tokens, start=1) if guard.feed(token)), None)


def test_one_token_again_and_again_is_caught_after_96() -> None:
    assert caught_at([7] * 200) == 96


def test_a_long_cycle_is_caught_in_its_eighth_round() -> None:
    assert caught_at(list(range(40)) * 20) == 8 * 40


def test_a_cycle_of_64_tokens_is_the_longest_that_is_caught() -> None:
    assert caught_at(list(range(64)) * 9) == 8 * 64
    assert caught_at(list(range(65)) * 20) is None


def test_seven_rounds_are_a_refrain() -> None:
    assert caught_at(list(range(50)) * 7) is None


def test_a_table_whose_cells_differ_is_no_loop() -> None:
    rows = [[1, 2, 3, 100 + row, 4, 5, 6] for row in range(100)]
    assert caught_at(token for row in rows for token in row) is None


def test_a_cycle_that_was_left_counts_from_anew() -> None:
    assert caught_at([1, 2] * 47 + [3] + [1, 2] * 47) is None


def test_it_stays_caught_while_the_cycle_goes_on_and_no_longer() -> None:
    guard = RepetitionGuard()
    assert [guard.feed(1) for _ in range(98)][95:] == [True, True, True]
    assert not guard.feed(2)


@given(st.lists(st.integers(0, 3), max_size=60), st.lists(st.integers(0, 3), min_size=1, max_size=64))
def test_a_periodic_tail_is_always_caught_within_its_bound(start: list[int], cycle: list[int]) -> None:
    bound = len(start) + max(8 * len(cycle), 96)
    at = caught_at([*start, *cycle * 100])
    assert at is not None
    assert at <= bound


def is_loop(tokens: list[int]) -> bool:
    """The definition, spelled out."""
    return any(
        len(tokens) >= (need := max(8 * period, 96)) and tokens[-need:-period] == tokens[period - need :]
        for period in range(1, 65)
    )


@given(seed=st.integers(0, 2**32), kinds=st.integers(8, 30))
def test_random_text_with_short_repeats_is_never_caught(seed: int, kinds: int) -> None:
    draw, tokens = random.Random(seed), list[int]()
    while len(tokens) < 1500:
        phrase = [draw.randrange(kinds) for _ in range(draw.randint(1, 12))]
        tokens += phrase * draw.randint(1, 7)
    assert caught_at(tokens) is None


@given(st.lists(st.tuples(st.lists(st.integers(0, 2), min_size=1, max_size=15), st.integers(1, 40)), max_size=4))
def test_it_always_says_what_the_definition_says(parts: list[tuple[list[int], int]]) -> None:
    tokens = [token for phrase, times in parts for token in phrase * times]
    guard = RepetitionGuard()
    for end, token in enumerate(tokens, start=1):
        assert guard.feed(token) == is_loop(tokens[:end])
