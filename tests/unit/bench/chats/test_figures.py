import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.chats.client import Answer
from bench.chats.crowd import Crowd, Probes
from bench.chats.figures import chat_figures, decode_rate, middle, percentile
from bench.chats.others import Ledger, busy_ticks, in_words
from bench.chats.words import WORDS, chat, text


def answer(began: float, *stamps: float, usage: int | None = None) -> Answer:
    return Answer(status=200, stamps=list(stamps), usage=usage, began=began, took_s=stamps[-1] if stamps else 0.0)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 100))
def test_a_percentile_is_always_one_of_the_values_and_enough_are_below_it(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100 - 1e-6


def test_nothing_measured_is_not_a_number() -> None:
    assert math.isnan(percentile([], 99))
    assert math.isnan(middle([]))
    assert math.isnan(decode_rate([]))


def test_a_crowd_is_told_by_whole_answers_only() -> None:
    whole = [answer(0.0, 1.0, 1.5, 2.0, usage=3), answer(0.0, 3.0, 3.1, 4.1)]
    cut = [answer(0.0, 9.0, usage=1), Answer(status=429), Answer(status=200, error="hung up")]
    found = chat_figures(Crowd((*whole, *cut), 8.0), Probes([0.002, 0.004], 1), 3)
    assert (found.whole, found.asked) == (2, 5)
    assert (found.first_p50_s, found.first_max_s) == (2.0, 3.0)
    assert found.gap_p99_s == pytest.approx(1.0)
    assert found.tokens_per_s == 6 / 8
    assert (found.health_p99_ms, found.health_max_ms, found.probes_failed) == (4.0, 4.0, 1)


def test_decoding_is_measured_only_while_all_write() -> None:
    # Both write from 2.0 to 4.0: the first one four tokens, the second one two.
    first = answer(0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
    second = answer(1.0, 1.0, 2.0, 3.0, 4.0, 5.0)
    assert decode_rate([first, second]) == pytest.approx((4 + 2) / 2.0)


def test_a_piece_of_several_tokens_counts_as_several() -> None:
    assert decode_rate([answer(0.0, 1.0, 2.0, 3.0, usage=6)]) == pytest.approx(2 * 2 / 2.0)


def test_answers_that_never_wrote_together_have_no_rate() -> None:
    assert math.isnan(decode_rate([answer(0.0, 1.0, 2.0), answer(5.0, 1.0, 2.0)]))
    assert math.isnan(decode_rate([answer(0.0, 1.0, 2.0), Answer(status=429)]))


def test_equal_seeds_say_the_same_and_a_word_is_drawn_from_the_list() -> None:
    assert text(40, 3) == text(40, 3) != text(40, 4)
    assert set(text(200, 1).split()) <= set(WORDS)


@given(st.integers(0, 500), st.integers(0, 500))
def test_two_callers_always_share_the_system_text_and_part_at_the_first_word_of_their_own(one: int, other: int) -> None:
    def texts(number: int) -> list[object]:
        match chat(number, 50, 20, 8):
            case {"messages": [{"content": system}, {"content": user}]}:
                return [system, user]
        return []

    system, user = texts(one)
    assert texts(other)[0] == system
    if one != other:
        assert str(texts(other)[1]).split()[0] != str(user).split()[0]


def test_idle_and_waiting_time_are_nobodys_and_stolen_time_is_somebodys() -> None:
    # user nice system idle iowait irq softirq steal guest guest_nice
    assert busy_ticks("cpu  100 20 30 9000 800 4 5 6 70 70\ncpu0 1 1 1 1 1 1 1 1 1 1\n") == 100 + 20 + 30 + 4 + 5 + 6


@given(st.floats(0.1, 100), st.floats(0, 100), st.floats(0, 100))
def test_what_we_used_ourselves_never_counts_as_others(wall: float, ours: float, theirs: float) -> None:
    before = Ledger(10.0, 500.0, 40.0)
    after = Ledger(10.0 + wall, 500.0 + ours + theirs, 40.0 + ours)
    assert after.share_since(before, cores=2) == pytest.approx(theirs / (2 * wall), abs=1e-6)


def test_a_busy_machine_is_said_to_be_one() -> None:
    assert "quiet enough" in in_words({"chats": 0.02, "burst": 0.05})
    assert "TOO BUSY" in in_words({"chats": 0.02, "burst": 0.2})
