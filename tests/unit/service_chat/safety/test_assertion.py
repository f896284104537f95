import pytest

from service_chat.safety.assess import Ruleset
from service_chat.safety.values import Assertion
from tests.unit.service_chat.safety.small import said, small

PRESENT, NEGATED = Assertion.PRESENT, Assertion.NEGATED


@pytest.fixture(scope="module")
def ruleset(tmp_path_factory: pytest.TempPathFactory) -> Ruleset:
    return small(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize(
    ("text", "concept", "assertion"),
    [
        ("I have fever", "fever", PRESENT),
        ("no fever", "fever", NEGATED),
        ("I don't have fever", "fever", NEGATED),
        ("I dont have fever", "fever", NEGATED),
        ("fever is gone", "fever", NEGATED),
        ("Fever: no", "fever", NEGATED),
        ("Fever: no relief", "fever", PRESENT),
        ("not just fever", "fever", PRESENT),
        ("no relief from the pain", "pain", PRESENT),
        ("doctor said no fever", "fever", PRESENT),
        ("I can't say I don't have fever", "fever", PRESENT),
        ("I can't say. No fever", "fever", NEGATED),
        ("what if I have fever, as I do right now", "fever", PRESENT),
        ("I can't breathe", "cant_breathe", PRESENT),
        ("no, I have fever", "fever", PRESENT),
        ("no rash but fever", "fever", PRESENT),
        ("no rash and fever", "fever", PRESENT),
        ("no rash my fever is high", "fever", PRESENT),
        ("no rash, fever or pain", "pain", NEGATED),
        ("no rash, fever or pain", "fever", NEGATED),
        ("no rash, fever", "fever", PRESENT),
        ("no rash, my chest is bad, fever or not", "fever", PRESENT),
        ("no rash. Fever", "fever", PRESENT),
        ("no rash\nfever", "fever", PRESENT),
        ("no\nfever", "fever", PRESENT),
        ("no one two three four five six seven fever", "fever", PRESENT),
        ("chest has no pain", "pain", NEGATED),
        ("no tengo fiebre", "fever", NEGATED),
        ("no puedo respirar", "cant_breathe", PRESENT),
        ("heart attack years ago", "heart_attack", Assertion.PAST),
        ("history of heart attack", "heart_attack", Assertion.PAST),
        ("heart attack years ago and now again", "heart_attack", PRESENT),
        ("my father had a heart attack", "heart_attack", Assertion.FAMILY),
        ("heart attack runs in the family", "heart_attack", Assertion.FAMILY),
        ("I have fever my father had a heart attack", "fever", PRESENT),
        ("my father had rash my chest has pain", "pain", PRESENT),
        ("what if I get fever", "fever", Assertion.HYPOTHETICAL),
        ("what if I have fever right now", "fever", PRESENT),
        ("fever what if", "fever", PRESENT),
        ("he is a pain in the neck", "pain", Assertion.IDIOM),
        ("pain in the neck with fever", "fever", PRESENT),
    ],
)
def test_what_a_text_says_of_a_thing(ruleset: Ruleset, text: str, concept: str, assertion: Assertion) -> None:
    assert said(ruleset.explain(text).findings, concept) == [assertion]


def test_a_denial_that_fills_a_gap_denies_and_one_that_is_meant_does_not(ruleset: Ruleset) -> None:
    assert said(ruleset.explain("I can't not breathe").findings, "cant_breathe") == [NEGATED]
    assert said(ruleset.explain("I can't even breathe").findings, "cant_breathe") == [PRESENT]


def test_part_of_a_symptom_denies_nothing_behind_it(ruleset: Ruleset) -> None:
    findings = ruleset.explain("I can't breathe chest pain").findings
    assert said(findings, "pain") == [PRESENT]


def test_a_cue_that_the_next_line_completes_is_none(ruleset: Ruleset) -> None:
    assert said(ruleset.explain("pain\nin the neck").findings, "pain") == [PRESENT]


def test_a_longer_thing_hides_what_it_only_contains(ruleset: Ruleset) -> None:
    assert said(ruleset.explain("hay fever").findings, "fever") == []
    assert said(ruleset.explain("hay fever and fever").findings, "fever") == [PRESENT]
    assert said(ruleset.explain("hay\nfever").findings, "fever") == [PRESENT]
