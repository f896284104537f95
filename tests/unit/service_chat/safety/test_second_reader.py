"""The reader that may only raise: what it promises whatever it has learned, and what becomes of what it suspects."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.safety.assess import Ruleset
from service_chat.safety.packaged import RulesError
from service_chat.safety.second_reader import RULE, SecondReader, Suspicion, Weights, seen
from service_chat.safety.values import Acuity, Flag
from service_chat.safety.word_features import alone, behind, behind_two
from tests.unit.service_chat.safety.small import EXAMPLES, data_in, packaged, small

SIZE = 64
LARGE = 1 << 16  #: where words have no features in common
WORDS = st.lists(st.sampled_from(("chest", "hurts", "no", "pain", "at", "all", "fine", "38", "胸")), max_size=12)
NUMBERS = st.lists(st.integers(-127, 127), min_size=SIZE, max_size=SIZE)
BARS = st.lists(st.floats(-5, 5), min_size=4, max_size=4)


def reader(values: Sequence[int], bars: Sequence[float] = (-1.0, -1.0, -1.0, -1.0)) -> SecondReader:
    return SecondReader(
        weights=Weights(array("b", values), 0.25),
        runs=tuple(zip((1, 2, 3, 5), bars, strict=True)),
        urgent=0.0,
        emergency=1.0,
        dangers=(Flag.SELF_HARM, Flag.CARDIAC),
        danger_weights=Weights(array("b", bytes(2 * SIZE)), 1.0),
        danger_biases=(0.5, 0.0),
    )


def plainly(words: Sequence[str], values: Sequence[int], bars: Sequence[float]) -> float:
    """What the module's first lines say, run by run."""
    scores = [-math.inf]
    for length, bar in zip((1, 2, 3, 5), bars, strict=True):
        for first in range(len(words) - length + 1):
            run = words[first : first + length]
            features = [feature for word in run for feature in alone(word, SIZE)]
            features += [behind(before, word, SIZE) for before, word in pairwise(run)]
            features += [behind_two(before, word, SIZE) for before, word in zip(run, run[2:], strict=False)]
            scores.append(sum(values[feature] for feature in features) * 0.25 / math.sqrt(length) + bar)
    return max(scores)


@EXAMPLES
@given(NUMBERS, BARS, WORDS, WORDS, WORDS)
def test_words_before_and_behind_a_text_never_lower_its_score(
    values: list[int], bars: list[float], before: list[str], text: list[str], after: list[str]
) -> None:
    read = reader(values, bars)
    assert read.highest([*before, *text, *after])[0] >= read.highest(text)[0]


@EXAMPLES
@given(NUMBERS, BARS, WORDS)
def test_the_score_is_that_of_the_highest_run(values: list[int], bars: list[float], words: list[str]) -> None:
    score, first, last = reader(values, bars).highest(words)
    assert score == pytest.approx(plainly(words, values, bars))
    if words:
        assert plainly(words[first : last + 1], values, bars) == pytest.approx(score)


def weighing(*words: str) -> list[int]:
    """Weights under which these words are grave and no others."""
    values = [0] * LARGE
    for word in words:
        for feature in alone(word, LARGE):
            values[feature] = 20
    return values


def suspecting(folder: Path, *words: str) -> Ruleset:
    return replace(small(folder), reader=reader(weighing(*words)))


def test_what_no_rule_finds_is_raised_with_the_words_it_rests_on(tmp_path: Path) -> None:
    assert small(tmp_path).assess("I saw a grue.").acuity < Acuity.URGENT
    floor = suspecting(tmp_path, "grue").assess("I saw a grue.")
    assert floor.acuity is Acuity.EMERGENCY
    (flag,) = floor.flags
    assert (flag.rule, flag.flag, flag.acuity) == (RULE, Flag.SELF_HARM, Acuity.EMERGENCY)
    assert flag.evidence == ("grue",)


def test_what_it_suspects_takes_nothing_from_what_rules_find(tmp_path: Path) -> None:
    text = "I saw a grue. My chest hurts."
    by_rules, both = small(tmp_path).assess(text), suspecting(tmp_path, "grue").assess(text)
    assert both.acuity == by_rules.acuity
    assert {flag.rule for flag in both.flags} == {flag.rule for flag in by_rules.flags} | {RULE}


def test_words_that_are_denied_are_only_seen_to_be_denied() -> None:
    findings = packaged().hear("I have no chest pain but I can't breathe").findings
    words = seen(findings)
    assert "chest" not in words
    assert "~negated" in words
    assert words[-1] == "breathe"


def test_it_is_not_sure_of_one_danger_when_rules_have_named_others() -> None:
    unsure = Suspicion(Acuity.EMERGENCY, 0, 0, (Flag.SELF_HARM, Flag.STROKE, Flag.CARDIAC), sure=False)
    assert unsure.danger([]) is Flag.SELF_HARM
    assert unsure.danger([Flag.CARDIAC]) is Flag.CARDIAC
    assert unsure.danger([Flag.BREATHING]) is Flag.SELF_HARM  # which it knows nothing of
    assert replace(unsure, sure=True).danger([Flag.CARDIAC]) is Flag.SELF_HARM


@pytest.mark.parametrize("text", ["", "   ", "!!!", "12"])
def test_a_text_without_words_that_weigh_is_nothing(text: str) -> None:
    assert packaged().hear(text).impression.suspicion is None


def test_settings_that_do_not_belong_together_are_named(tmp_path: Path) -> None:
    settings = (tmp_path / "data", "second_reader.toml")
    levels = "urgent = 0\nemergency = 1"
    wrong = f'[reading]\nunit = "x"\nlengths = [1, 2]\nbars = [0.0]\n{levels}\n[naming]\nunit = 1\n'
    data = data_in(settings[0], **{settings[1]: wrong})
    with pytest.raises(RulesError) as told:
        Ruleset.load(data=data)
    problems = " ".join(map(str, told.value.details["problems"]))
    assert "unit is a number" in problems
    assert "one for one" in problems
    assert "belong together" in problems
