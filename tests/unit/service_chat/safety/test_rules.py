from pathlib import Path

import pytest

from service_chat.safety.assess import Ruleset
from service_chat.safety.expressions import ExpressionError, parse
from service_chat.safety.packaged import RulesError
from service_chat.safety.proof import Scene
from service_chat.safety.values import Acuity, RecordFacts
from tests.unit.service_chat.safety.small import RULES, data_in

CONCEPTS = ("chest_site", "pain", "fever", "baby", "pregnant_self")


def with_rule(folder: Path, when: str, within: str = "sentence", more: str = "") -> Ruleset:
    rule = f"""
[[rule]]
id = "test.rule"
version = 3
flag = "cardiac"
acuity = "emergency"
when = "{when}"
within = "{within}"
label = "Test"
source = "https://example.org"
{more}
"""
    return Ruleset.load(data=data_in(folder, **{"rules/all.toml": rule}))


def fires(ruleset: Ruleset, text: str, facts: RecordFacts | None = None) -> bool:
    return "test.rule@3" in [flag.rule for flag in ruleset.assess(text, facts).flags]


@pytest.mark.parametrize(
    ("within", "text", "fired"),
    [
        ("clause", "chest pain", True),
        ("clause", "chest, pain", False),
        ("sentence", "chest, pain", True),
        ("sentence", "chest\npain", True),
        ("sentence", "chest. pain", False),
        ("near", "chest. pain", True),
        ("near", "pain. chest", True),
        ("near", "chest. rash. pain", False),
        ("text", "chest. rash. pain", True),
        ("text", "chest", False),
    ],
)
def test_concepts_stand_as_near_as_the_rule_says(tmp_path: Path, within: str, text: str, fired: bool) -> None:
    assert fires(with_rule(tmp_path, "chest_site & pain", within), text) is fired


@pytest.mark.parametrize(
    ("when", "text", "facts", "fired"),
    [
        ("pain | fever & rash", "pain", RecordFacts(), True),
        ("(pain | fever) & rash", "pain", RecordFacts(), False),
        ("fever", "no fever", RecordFacts(), False),
        ("negated:fever", "no fever", RecordFacts(), True),
        ("any:fever", "no fever", RecordFacts(), True),
        ("any:pain", "a pain in the neck", RecordFacts(), False),
        ("past:heart_attack", "heart attack years ago", RecordFacts(), True),
        ("family:heart_attack", "my father had a heart attack", RecordFacts(), True),
        ("hypo:fever", "what if I get fever", RecordFacts(), True),
        ("fever & age_years < 0.25", "2 months old. fever", RecordFacts(), True),
        ("fever & age_years < 0.25", "fever", RecordFacts(age_years=0.1), True),
        ("fever & age_years < 0.25", "fever. my brother is 9 years old", RecordFacts(age_years=0.1), True),
        ("fever & age_years < 0.25", "fever", RecordFacts(age_years=30), False),
        ("gestation_weeks >= 20 & pain", "pain", RecordFacts(gestation_weeks=30), True),
        ("fever & drug:steroid", "fever", RecordFacts(drugs=(("steroid", "Prednisone"),)), True),
        ("fever & drug:steroid", "fever", RecordFacts(), False),
        ("fever & condition:asthma", "fever", RecordFacts(conditions=(("asthma", "Asthma"),)), True),
        ("rash & allergy:penicillin", "rash", RecordFacts(allergies=(("penicillin", "Penicillin"),)), True),
        ("rash & new_drug", "rash", RecordFacts(new_drugs=("Lamotrigine",)), True),
        ("pain & pregnant", "pain", RecordFacts(pregnant=True), True),
        ("pain & pregnant", "I am pregnant. pain", RecordFacts(), True),
        ("pain & pregnant", "I am not pregnant. pain", RecordFacts(), False),
        ("pain & sex:F", "pain", RecordFacts(sex="F"), True),
        ("pain & sex:F", "pain", RecordFacts(sex="M"), False),
        ("deceased", "hello", RecordFacts(deceased=True), True),
    ],
)
def test_conditions_hold_when_they_say_so(
    tmp_path: Path, when: str, text: str, facts: RecordFacts, fired: bool
) -> None:
    assert fires(with_rule(tmp_path, when), text, facts) is fired


def test_a_flag_shows_the_callers_own_words_and_the_records(tmp_path: Path) -> None:
    ruleset = with_rule(tmp_path, "chest_site & pain & drug:steroid")
    (flag,) = ruleset.assess("My Chest HURTS!", RecordFacts(drugs=(("steroid", "Prednisone 5 mg"),))).flags
    assert flag.evidence == ("Chest", "HURTS")
    assert flag.record == ("Prednisone 5 mg",)
    assert (flag.acuity, flag.rule, flag.source) == (Acuity.EMERGENCY, "test.rule@3", "https://example.org")


def test_a_rule_that_misses_one_part_asks_its_questions(tmp_path: Path) -> None:
    ruleset = with_rule(tmp_path, "chest_site & pain", more='questions = ["severity"]')
    assert "severity" in ruleset.assess("my chest").questions
    assert "severity" not in ruleset.assess("I need an appointment").questions


@pytest.mark.parametrize(
    ("condition", "complaint"),
    [
        ("!fever", "no `!`"),
        ("pain & !fever", "no `!`"),
        ("unknown_thing", "no concept"),
        ("past:unknown_thing", "no concept"),
        ("maybe:pain", "before a colon"),
        ("pain &", "too early"),
        ("(pain", "too early"),
        ("pain fever", "belongs"),
        ("temp_c & pain", "compared with a number"),
        ("pain $ fever", "can not read"),
        ("", "too early"),
    ],
)
def test_a_condition_that_can_not_be_read_says_why(condition: str, complaint: str) -> None:
    with pytest.raises(ExpressionError, match=complaint):
        parse(condition, CONCEPTS)


def test_and_binds_closer_than_or() -> None:
    condition = parse("pain | fever & baby", CONCEPTS)
    assert condition.concepts() == {"pain", "fever", "baby"}
    assert condition.prove(Scene({}, ())) is None


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (('flag = "cardiac"', 'flag = "cardiology"'), "none of values.Flag"),
        (('source = "https://example.org/chest"', ""), "public page"),
        (('acuity = "emergency"', 'acuity = "soon"'), "acuity is one of"),
        (("version = 2", "version = 0"), "whole number"),
        (('when = "chest_site & pain"', 'when = "chest_site & !pain"'), "no `!`"),
        (('questions = ["onset"]', 'questions = ["shoe_size"]'), "shoe_size"),
        (('id = "breathing.cant"', 'id = "cardiac.chest_pain"'), "as well"),
        (('label = "Rash"', 'label = "Rash"\nwithin = "page"'), "within is one of"),
        (('label = "Rash"', 'label = "Rash"\ncolour = "red"'), "no field"),
        (('acuity = "routine"', 'acuity = "emergency"'), "has a flag"),
        (('label = "Rash"', ""), "has no label"),
    ],
)
def test_a_wrong_rule_stops_the_start_and_is_named(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    assert change[0] in RULES
    with pytest.raises(RulesError, match=r"rules/all\.toml") as caught:
        Ruleset.load(data=data_in(tmp_path, **{"rules/all.toml": RULES.replace(*change, 1)}))
    assert any(complaint in problem for problem in caught.value.details["problems"])
