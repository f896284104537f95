"""Rules that read the record: which sign with which class is how urgent, whatever words a language has for it.

The signs are handed in as concepts, so these tests say what the rules mean; what the lexicons find is tested elsewhere.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.safety.findings import Findings, Hit, Reading
from service_chat.safety.lexicon import read_concepts
from service_chat.safety.packaged import Packaged
from service_chat.safety.record_checks import Tables
from service_chat.safety.rules import Rules, read_rules
from service_chat.safety.templates import Templates
from service_chat.safety.text import read
from service_chat.safety.values import Acuity, Assertion, Flag, RecordFacts

PROBLEMS: list[str] = []
DATA = Packaged()
CONCEPTS = read_concepts(DATA, PROBLEMS)
RULES = read_rules(DATA, CONCEPTS, Templates.read(Packaged(), []).questions, PROBLEMS)
OWN = Rules([rule for rule in RULES.rules if rule.file == "rules/record.toml"])
TABLES = Tables.load()
CALM = RecordFacts(age_years=40, sex="F")


def signs(
    *concepts: str, assertion: Assertion = Assertion.PRESENT, numbers: Mapping[str, float] | None = None
) -> Findings:
    """A text that asserts these concepts side by side, and holds these readings."""
    text = read(" ".join(f"w{at}" for at in range(len(concepts) + 1)))
    hits = tuple(Hit(name, "en", at, at, (at,), 0, 0, assertion) for at, name in enumerate(concepts))
    readings = tuple(Reading(name, value, 0, 2) for name, value in (numbers or {}).items())
    return Findings(text, "en", (("en",),), hits, readings)


def facts(*names: str) -> RecordFacts:
    """`drug:x condition:y allergy:z pregnant weeks:33 new_drug` as a record would have them."""
    known = CALM
    for name in names:
        kind, _, value = name.partition(":")
        if kind == "drug":
            entry = TABLES.drugs.entries[value]
            known = replace(known, drugs=(*known.drugs, *((family, value) for family in sorted(entry.classes))))
        elif kind == "condition":
            known = replace(known, conditions=(*known.conditions, (value, value)))
        elif kind == "allergy":
            known = replace(known, allergies=(*known.allergies, (value, value)))
        elif kind == "weeks":
            known = replace(known, gestation_weeks=int(value))
        elif kind == "pregnant":
            known = replace(known, pregnant=True)
        elif kind == "new_drug":
            known = replace(known, new_drugs=("something new",))
    return known


def judged(findings: Findings, known: RecordFacts) -> tuple[Acuity, set[Flag]]:
    fired, _ = OWN.fired(findings, known)
    flags = {each.rule.flag for each in fired if each.rule.flag is not None}
    return max((each.rule.acuity for each in fired), default=Acuity.INFORMATIONAL), flags


def test_the_rules_of_the_record_are_read_without_a_problem() -> None:
    assert [problem for problem in PROBLEMS if "record.toml" in problem] == []
    assert len(OWN.rules) > 100
    assert all(rule.source.startswith("https://") for rule in OWN.rules)


def test_every_class_that_any_rule_asks_for_can_be_found_in_a_record() -> None:
    known = {
        "drug": TABLES.drugs.classes,
        "condition": {kind.name for kind in TABLES.kinds.conditions},
        "allergy": {kind.name for kind in TABLES.kinds.allergens} | TABLES.drugs.classes | {"severe"},
    }
    unknown = [
        f"{rule.file}: {kind}:{name}"
        for rule in RULES.rules
        for kind, name in re.findall(r"kind='(drug|condition|allergy)', name='(\w+)'", repr(rule.when))
        if name not in known[kind]
    ]
    assert unknown == []


@pytest.mark.parametrize(
    ("sign", "record", "acuity", "flag"),
    [
        # infection and a weak defence
        ("fever", "drug:tacrolimus", Acuity.EMERGENCY, Flag.IMMUNOCOMPROMISED_FEVER),
        ("rigors", "condition:neutropenia", Acuity.EMERGENCY, Flag.IMMUNOCOMPROMISED_FEVER),
        ("fever", "condition:asplenia", Acuity.EMERGENCY, Flag.IMMUNOCOMPROMISED_FEVER),
        ("fever", "drug:adalimumab", Acuity.EMERGENCY, Flag.IMMUNOCOMPROMISED_FEVER),
        ("flu_like", "condition:cancer_treatment", Acuity.URGENT, Flag.IMMUNOCOMPROMISED_FEVER),
        ("fever", "drug:carbimazole", Acuity.EMERGENCY, Flag.IMMUNOCOMPROMISED_FEVER),
        ("sore_throat", "drug:clozapine", Acuity.URGENT, Flag.MEDICATION_TOXICITY),
        ("fever", "drug:prednisone", Acuity.URGENT, Flag.IMMUNOCOMPROMISED_FEVER),
        # bleeding, blows and thin blood
        ("head_blow", "drug:warfarin", Acuity.EMERGENCY, Flag.HEAD_INJURY),
        ("head_blow", "condition:haemophilia", Acuity.EMERGENCY, Flag.HEAD_INJURY),
        ("head_blow", "drug:clopidogrel", Acuity.URGENT, Flag.HEAD_INJURY),
        ("fall", "drug:apixaban", Acuity.URGENT, Flag.HAEMORRHAGE),
        ("black_stool", "drug:rivaroxaban", Acuity.EMERGENCY, Flag.HAEMORRHAGE),
        ("nosebleed", "drug:warfarin", Acuity.URGENT, Flag.HAEMORRHAGE),
        ("headache sudden", "drug:warfarin", Acuity.EMERGENCY, Flag.HAEMORRHAGE),
        # what the body can not go without
        ("vomiting", "condition:adrenal_insufficiency", Acuity.EMERGENCY, Flag.ENDOCRINE_EMERGENCY),
        ("cant_keep_down", "drug:prednisone", Acuity.EMERGENCY, Flag.ENDOCRINE_EMERGENCY),
        ("cant_keep_down", "drug:insulin", Acuity.EMERGENCY, Flag.DIABETIC_EMERGENCY),
        ("fast_breathing", "condition:type1_diabetes", Acuity.EMERGENCY, Flag.DIABETIC_EMERGENCY),
        ("vomiting", "drug:empagliflozin", Acuity.EMERGENCY, Flag.DIABETIC_EMERGENCY),
        ("low_sugar", "drug:glipizide", Acuity.EMERGENCY, Flag.DIABETIC_EMERGENCY),
        ("confusion", "drug:insulin_analogue", Acuity.EMERGENCY_NOW, Flag.DIABETIC_EMERGENCY),
        # late pregnancy
        ("blurred_vision", "pregnant weeks:31", Acuity.EMERGENCY, Flag.PREGNANCY_EMERGENCY),
        ("headache severe", "pregnant weeks:24", Acuity.EMERGENCY, Flag.PREGNANCY_EMERGENCY),
        ("headache", "pregnant weeks:24", Acuity.URGENT, Flag.PREGNANCY_EMERGENCY),
        ("headache", "pregnant condition:hypertension_of_pregnancy", Acuity.EMERGENCY, Flag.PREGNANCY_EMERGENCY),
        ("seizure", "pregnant", Acuity.EMERGENCY_NOW, Flag.PREGNANCY_EMERGENCY),
        ("vaginal_bleeding", "pregnant weeks:28", Acuity.EMERGENCY, Flag.PREGNANCY_EMERGENCY),
        ("heavy_bleeding", "condition:postpartum", Acuity.EMERGENCY, Flag.PREGNANCY_EMERGENCY),
        ("pain dizziness", "pregnant", Acuity.EMERGENCY, Flag.PREGNANCY_EMERGENCY),
        # fluid loss and narrow margins
        ("diarrhoea", "drug:lithium", Acuity.URGENT, Flag.MEDICATION_TOXICITY),
        ("diarrhoea confusion", "drug:lithium", Acuity.EMERGENCY, Flag.MEDICATION_TOXICITY),
        ("vomiting", "drug:digoxin", Acuity.URGENT, Flag.MEDICATION_TOXICITY),
        ("palpitations", "drug:digoxin", Acuity.EMERGENCY, Flag.MEDICATION_TOXICITY),
        ("cant_keep_down", "drug:metformin", Acuity.URGENT, Flag.MEDICATION_TOXICITY),
        ("vomiting diarrhoea", "drug:lisinopril drug:furosemide", Acuity.URGENT, Flag.MEDICATION_TOXICITY),
        # a new sign and a drug known for it
        ("rash", "new_drug", Acuity.URGENT, Flag.MEDICATION_TOXICITY),
        ("skin_peeling", "drug:lamotrigine", Acuity.EMERGENCY, Flag.MEDICATION_TOXICITY),
        ("swelling tongue_lip_site", "drug:lisinopril", Acuity.EMERGENCY_NOW, Flag.ANAPHYLAXIS),
        ("blood_urine pain", "drug:simvastatin", Acuity.EMERGENCY, Flag.MEDICATION_TOXICITY),
        ("calf_site swelling", "drug:ethinylestradiol", Acuity.EMERGENCY, Flag.CLOT),
        ("short_breath", "drug:estradiol", Acuity.EMERGENCY, Flag.CLOT),
        ("pregnant_self", "drug:valproate", Acuity.URGENT, Flag.MEDICATION_TOXICITY),
        ("maybe_pregnant", "drug:isotretinoin", Acuity.URGENT, Flag.MEDICATION_TOXICITY),
        ("pregnant_self", "drug:ramipril", Acuity.URGENT, Flag.MEDICATION_TOXICITY),
        ("tremor sweating", "drug:tramadol", Acuity.EMERGENCY, Flag.MEDICATION_TOXICITY),
        ("muscle_rigidity fever", "drug:haloperidol", Acuity.EMERGENCY_NOW, Flag.MEDICATION_TOXICITY),
        ("fever confusion", "drug:olanzapine", Acuity.EMERGENCY, Flag.MEDICATION_TOXICITY),
        ("unresponsive", "drug:oxycodone", Acuity.EMERGENCY_NOW, Flag.POISONING_OVERDOSE),
        # an illness that makes a sign grave
        ("back_site pain", "condition:aneurysm", Acuity.EMERGENCY, Flag.HAEMORRHAGE),
        ("cant_lie_flat", "condition:heart_failure", Acuity.EMERGENCY, Flag.BREATHING),
        ("confusion", "condition:liver_failure", Acuity.EMERGENCY, Flag.ALTERED_CONSCIOUSNESS),
        ("back_site leg_weakness_rising", "condition:cancer", Acuity.EMERGENCY, Flag.SPINAL_CORD),
        ("suicidal_passive", "condition:suicide_attempt_history", Acuity.EMERGENCY, Flag.SELF_HARM),
        ("bee_sting", "allergy:insect_venom", Acuity.EMERGENCY, Flag.ANAPHYLAXIS),
        ("allergen_eaten", "allergy:peanut", Acuity.EMERGENCY, Flag.ANAPHYLAXIS),
    ],
)
def test_a_sign_weighs_more_with_the_record_than_without(sign: str, record: str, acuity: Acuity, flag: Flag) -> None:
    told = signs(*sign.split())
    found, flags = judged(told, facts(*record.split()))
    assert found is acuity
    assert flag in flags
    assert flag not in judged(told, CALM)[1]


@pytest.mark.parametrize(
    ("numbers", "record", "acuity"),
    [
        ({"temp_c": 38.4}, "drug:methotrexate", Acuity.EMERGENCY),
        ({"temp_c": 38.4}, "drug:prednisolone", Acuity.URGENT),
        ({"temp_c": 37.2}, "drug:methotrexate", Acuity.INFORMATIONAL),
        ({"systolic": 165}, "pregnant", Acuity.EMERGENCY),
        ({"diastolic": 92}, "pregnant", Acuity.URGENT),
        ({"glucose_mgdl": 45}, "drug:glipizide", Acuity.EMERGENCY),
        ({"pulse": 38}, "drug:metoprolol", Acuity.EMERGENCY),
    ],
)
def test_a_number_alone_is_enough_beside_the_record(numbers: dict[str, float], record: str, acuity: Acuity) -> None:
    assert judged(signs(numbers=numbers), facts(*record.split()))[0] is acuity


def test_what_the_text_denies_is_no_sign() -> None:
    denied = signs("fever", "head_blow", "black_stool", assertion=Assertion.NEGATED)
    assert judged(denied, facts("drug:warfarin", "drug:tacrolimus")) == (Acuity.INFORMATIONAL, set())


@pytest.mark.parametrize("sign", ["cold_symptoms", "minor_wound", "hay_fever", "refill_question", "skin_minor", "lump"])
def test_a_small_complaint_stays_small_whatever_is_taken(sign: str) -> None:
    everything = facts("drug:warfarin", "drug:insulin", "drug:lithium", "drug:metformin", "condition:diabetes")
    assert judged(signs(sign), everything) == (Acuity.INFORMATIONAL, set())


def test_a_record_alone_calls_for_nothing() -> None:
    heavy = facts("drug:warfarin", "drug:valproate", "condition:heart_failure", "pregnant", "weeks:33", "new_drug")
    assert judged(signs(), replace(heavy, deceased=True)) == (Acuity.INFORMATIONAL, set())


ITEMS = st.sampled_from(
    [f"drug:{name}" for name, entry in sorted(TABLES.drugs.entries.items()) if entry.substances]
    + [f"condition:{kind.name}" for kind in TABLES.kinds.conditions]
    + [f"allergy:{kind.name}" for kind in TABLES.kinds.allergens]
    + ["pregnant", "weeks:30", "new_drug"]
)


@given(
    st.lists(st.sampled_from(sorted(CONCEPTS)), min_size=1, max_size=6),
    st.lists(ITEMS, max_size=5),
    st.lists(ITEMS.filter(lambda item: not item.startswith("weeks")), min_size=1, max_size=3),
)
def test_a_record_item_always_only_raises(concepts: list[str], before: list[str], more: list[str]) -> None:
    told = signs(*concepts)
    fired = {each.rule.name for each in RULES.fired(told, facts(*before))[0]}
    assert fired <= {each.rule.name for each in RULES.fired(told, facts(*before, *more))[0]}
