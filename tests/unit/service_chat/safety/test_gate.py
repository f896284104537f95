import pytest

from service_chat.safety.assess import Ruleset
from service_chat.safety.gate import EVERYDAY
from service_chat.safety.values import Acuity, RecordFacts
from tests.unit.service_chat.safety.small import packaged, small

ADULT = RecordFacts(age_years=40)


@pytest.fixture(scope="module")
def ruleset(tmp_path_factory: pytest.TempPathFactory) -> Ruleset:
    return small(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize(
    ("text", "facts", "codes"),
    [
        ("I have hay fever", ADULT, ()),
        ("I have hay fever", RecordFacts(), ("age_unknown",)),
        ("I have hay fever", RecordFacts(age_years=1), ("age_out_of_range",)),
        ("I have hay fever", RecordFacts(age_years=80), ("age_out_of_range",)),
        ("I have hay fever, my mother is 90 years old", ADULT, ("age_out_of_range",)),
        ("I have hay fever", RecordFacts(age_years=40, drugs=(("anticoagulant", "Warfarin"),)), ("high_risk_record",)),
        ("I have hay fever", RecordFacts(age_years=40, conditions=(("transplant", "Kidney"),)), ("high_risk_record",)),
        ("I have hay fever", RecordFacts(age_years=40, pregnant=True), ("high_risk_record",)),
        ("I have hay fever", RecordFacts(age_years=40, drugs=(("nsaid", "Ibuprofen"),)), ()),
        ("not right", ADULT, ("vague", "symptom_unruled")),
        ("I have pain", ADULT, ("symptom_unruled",)),
        ("I have hay fever and pain", ADULT, ("symptom_unruled",)),
        ("no pain", ADULT, ()),
        ("I have hay fever. I have pain.", ADULT, ("symptom_unruled",)),
        ("my elbow glimmers", ADULT, ("symptom_unrecognised",)),
        ("I have hay fever. my elbow glimmers", ADULT, ("symptom_unrecognised",)),
        ("I have hay fever. what do I do", ADULT, ()),
        ("help me", ADULT, ("symptom_unrecognised",)),
        ("", ADULT, ("symptom_unrecognised",)),
    ],
)
def test_what_keeps_an_answer_from_self_care(
    ruleset: Ruleset, text: str, facts: RecordFacts, codes: tuple[str, ...]
) -> None:
    floor = ruleset.assess(text, facts)
    assert floor.gate == codes
    assert floor.acuity == (Acuity.ROUTINE if codes else Acuity.SELF_CARE)


def test_a_question_to_the_desk_is_informational_and_needs_no_age(ruleset: Ruleset) -> None:
    floor = ruleset.assess("I have an appointment")
    assert (floor.acuity, floor.gate) == (Acuity.INFORMATIONAL, ())


@pytest.mark.parametrize("symptom", ["I have pain", "no pain", "what if I get fever", "my elbow glimmers"])
def test_a_symptom_of_any_kind_beside_it_makes_it_more_than_papers(ruleset: Ruleset, symptom: str) -> None:
    assert ruleset.assess(f"I have an appointment. {symptom}", ADULT).acuity > Acuity.INFORMATIONAL


def test_another_language_makes_it_urgent(ruleset: Ruleset) -> None:
    floor = ruleset.assess("ik heb het niet", ADULT)
    assert floor.acuity is Acuity.URGENT
    assert "language_unsupported" in floor.gate


def test_words_that_no_language_knows_make_it_urgent_and_a_single_one_does_not(ruleset: Ruleset) -> None:
    assert ruleset.assess("mam silnyy bolu glowy", ADULT).acuity is Acuity.URGENT
    assert ruleset.assess("glowy", ADULT).acuity is Acuity.ROUTINE


def test_a_symptom_that_a_rule_speaks_of_needs_no_code(ruleset: Ruleset) -> None:
    floor = ruleset.assess("I have a rash", ADULT)
    assert (floor.acuity, floor.gate) == (Acuity.ROUTINE, ())


@pytest.mark.parametrize("age", [2, 18, 40, 75])
def test_a_symptom_without_a_rule_is_never_self_care_whatever_the_age(ruleset: Ruleset, age: float) -> None:
    assert ruleset.assess("my chest is swollen", RecordFacts(age_years=age)).acuity is Acuity.ROUTINE


def test_the_everyday_complaints_that_need_nobody_are_concepts_and_symptoms() -> None:
    concepts = packaged().lexicon.concepts
    assert all(concepts[name].symptom for name in EVERYDAY)
