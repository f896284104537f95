import pytest

from service_chat.safety.assess import Ruleset
from service_chat.safety.values import Acuity, RecordFacts
from tests.unit.service_chat.safety.small import small

ADULT = RecordFacts(age_years=40)


@pytest.fixture(scope="module")
def ruleset(tmp_path_factory: pytest.TempPathFactory) -> Ruleset:
    return small(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize(
    ("text", "facts", "codes"),
    [
        ("I have swollen pain", ADULT, ()),
        ("I have swollen pain", RecordFacts(), ("age_unknown",)),
        ("I have swollen pain", RecordFacts(age_years=1), ("age_out_of_range",)),
        ("I have swollen pain", RecordFacts(age_years=80), ("age_out_of_range",)),
        ("I have pain, my mother is 90 years old", ADULT, ("age_out_of_range",)),
        ("I have pain", RecordFacts(age_years=40, drugs=(("anticoagulant", "Warfarin"),)), ("high_risk_record",)),
        ("I have pain", RecordFacts(age_years=40, conditions=(("transplant", "Kidney"),)), ("high_risk_record",)),
        ("I have pain", RecordFacts(age_years=40, pregnant=True), ("high_risk_record",)),
        ("I have pain", RecordFacts(age_years=40, drugs=(("nsaid", "Ibuprofen"),)), ()),
        ("not right", ADULT, ("vague",)),
        ("my elbow glimmers", ADULT, ("symptom_unrecognised",)),
        ("I have pain. my elbow glimmers", ADULT, ("symptom_unrecognised",)),
        ("I have pain. what do I do", ADULT, ()),
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
