"""What rules learn of a record: classes of what is active, never more, and nothing that was over long ago."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.records.ports import (
    Allergy,
    AllergyStatus,
    Condition,
    ConditionKind,
    Medication,
    Observation,
    PatientRecord,
    Pregnancy,
    Sex,
)
from service_chat.records.synthetic import synthetic_patients
from service_chat.safety.facts import FactTables, facts_of
from service_chat.safety.values import RecordFacts

TABLES = FactTables.load()
TODAY = date(2026, 11, 21)
NOBODY = PatientRecord(
    mrn="P1",
    sex=Sex.FEMALE,
    birth_date=date(1990, 5, 20),
    pregnancy=Pregnancy.NOT_RECORDED,
    gestation_weeks=None,
    conditions=(),
    medications=(),
    allergy_status=AllergyStatus.NOT_RECORDED,
    allergies=(),
    vitals=(),
    labs=(),
    encounters=(),
    documents=(),
    as_of=TODAY,
)


def conditions(*some: Condition) -> list[str]:
    return [name for name, _ in facts_of(replace(NOBODY, conditions=some), TABLES).conditions]


def lab(loinc: str, value: float, unit: str, days_ago: int = 1) -> Observation:
    taken = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC) - timedelta(days=days_ago)
    return Observation("a value", value, unit, taken, loinc)


@pytest.mark.parametrize(
    ("display", "code", "name"),
    [
        ("Type 1 diabetes mellitus", "E10.9", "type1_diabetes"),
        ("Diabetes mellitus type 2 (disorder)", "44054006", "diabetes"),
        ("Neuropathy due to type 2 diabetes mellitus (disorder)", "368581000119106", "diabetes"),
        ("Kidney transplant status", "Z94.0", "transplant"),
        ("Neutropenia due to chemotherapy", "D70.1", "neutropenia"),
        ("Breast cancer under treatment", "C50.919", "cancer_treatment"),
        ("History of myocardial infarction (situation)", "399211009", "coronary_disease"),
        ("Chronic kidney disease stage 3b", "N18.32", "kidney_disease"),
        ("Chronic kidney disease stage 4 (disorder)", "431857002", "kidney_failure"),
        ("Addison's disease", "", "adrenal_insufficiency"),
        ("Diabète sucré", "", "diabetes"),
        ("something else entirely", "I48.91", "atrial_fibrillation"),
        ("Asplenia following surgical procedure", "Z90.81", "asplenia"),
    ],
)
def test_a_diagnosis_has_its_class_by_code_or_by_words(display: str, code: str, name: str) -> None:
    assert name in conditions(Condition(display, code))


@pytest.mark.parametrize(
    ("display", "code"),
    [
        ("Unemployed (finding)", "73438004"),
        ("Prediabetes", "15777000"),
        ("Family history of diabetes mellitus", "Z83.3"),
        ("Chronic kidney disease stage 1 (disorder)", "431855005"),
        ("Past pregnancy history of miscarriage (situation)", "161744009"),
        ("Heat stroke", "T67.0"),
        ("Sepsis (disorder)", "91302008"),
    ],
)
def test_findings_of_a_life_and_what_only_sounds_alike_have_no_class(display: str, code: str) -> None:
    assert conditions(Condition(display, code)) == []


def test_only_what_is_active_and_no_social_finding_counts() -> None:
    over = Condition("Asthma", "J45.30", resolved=date(2020, 1, 1))
    assert conditions(over, Condition("Asthma", "J45.30", inactive=True)) == []
    assert conditions(Condition("Stroke awareness leaflet", "", kind=ConditionKind.SOCIAL)) == []


def test_a_pregnancy_that_nobody_closed_ends_by_itself() -> None:
    fresh = Condition("Normal pregnancy", "72892002", onset=date(2026, 4, 20))
    stale = Condition("Normal pregnancy", "72892002", onset=date(2019, 4, 20))
    expecting = facts_of(replace(NOBODY, conditions=(fresh,)), TABLES)
    assert (expecting.pregnant, expecting.gestation_weeks) == (True, 30)
    assert facts_of(replace(NOBODY, conditions=(stale,)), TABLES).pregnant is None
    assert conditions(stale) == []
    assert facts_of(replace(NOBODY, sex=Sex.MALE, conditions=(fresh,)), TABLES).pregnant is None


def test_the_weeks_after_a_birth_are_a_class_of_their_own() -> None:
    born = Condition("Normal pregnancy", "72892002", onset=date(2026, 1, 1), resolved=TODAY - timedelta(days=20))
    assert "postpartum" in conditions(born)
    assert conditions(replace(born, resolved=TODAY - timedelta(days=60))) == []


def test_a_recorded_no_is_kept_and_not_recorded_is_not_no() -> None:
    assert facts_of(replace(NOBODY, pregnancy=Pregnancy.NOT_PREGNANT), TABLES).pregnant is False
    assert facts_of(NOBODY, TABLES).pregnant is None


@pytest.mark.parametrize(
    ("born", "years"),
    [(date(2026, 5, 21), 0.504), (date(2026, 11, 21), 0.0), (date(2024, 2, 29), 2.726), (date(1934, 11, 22), 91.997)],
)
def test_age_is_a_fraction_so_that_months_can_be_told(born: date, years: float) -> None:
    assert facts_of(replace(NOBODY, birth_date=born), TABLES).age_years == pytest.approx(years, abs=0.002)


@given(st.dates(min_value=date(1915, 1, 1), max_value=TODAY))
def test_the_whole_part_of_an_age_is_always_the_completed_years(born: date) -> None:
    record = replace(NOBODY, birth_date=born)
    age = facts_of(record, TABLES).age_years
    assert age is not None
    assert int(age) == record.age_years


def test_nobody_s_age_is_known_without_a_birth_date() -> None:
    assert facts_of(replace(NOBODY, birth_date=None), TABLES).age_years is None


def test_a_drug_is_new_for_a_month() -> None:
    drugs = (
        Medication("Lamotrigine 25 mg", started=TODAY - timedelta(days=12)),
        Medication("Warfarin 5 mg", started=TODAY - timedelta(days=400)),
        Medication("Ibuprofen 400 mg", started=TODAY + timedelta(days=3)),
        Medication("Aspirin 81 mg"),
    )
    assert facts_of(replace(NOBODY, medications=drugs), TABLES).new_drugs == ("Lamotrigine 25 mg",)


def test_the_same_drug_prescribed_twice_is_one_row_for_each_display() -> None:
    drugs = (Medication("Warfarin 5 mg"), Medication("Warfarin 5 mg"), Medication("Warfarin 1 mg"))
    rows = facts_of(replace(NOBODY, medications=drugs), TABLES).drugs
    assert [display for name, display in rows if name == "anticoagulant"] == ["Warfarin 5 mg", "Warfarin 1 mg"]


def test_allergies_have_their_families_and_a_placeholder_has_none() -> None:
    listed = (
        Allergy("Penicillin", "anaphylaxis", "severe"),
        Allergy("Allergy to substance (finding)"),
        Allergy("Shellfish (substance)", code="735029006"),
        Allergy("Bee venom", "hives", "mild"),
        Allergy("Grass pollen", "rhinitis", "severe"),
    )
    facts = facts_of(replace(NOBODY, allergy_status=AllergyStatus.LISTED, allergies=listed), TABLES)
    names = {name for name, _ in facts.allergies}
    assert {"penicillin", "shellfish", "insect_venom", "bee_venom", "severe"} <= names
    assert {display for name, display in facts.allergies if name == "severe"} == {"Penicillin"}
    assert "Allergy to substance (finding)" not in {display for _, display in facts.allergies}


def test_an_allergy_among_the_problems_is_an_allergy() -> None:
    facts = facts_of(replace(NOBODY, conditions=(Condition("Peanut allergy status", "Z91.010"),)), TABLES)
    assert ("peanut", "Peanut allergy status") in facts.allergies


def test_nobody_is_allergic_to_what_was_denied() -> None:
    none = replace(NOBODY, allergy_status=AllergyStatus.NONE_KNOWN, allergies=(Allergy("No known drug allergies"),))
    assert facts_of(none, TABLES).allergies == ()


def test_an_organ_that_fails_in_numbers_counts_before_it_is_coded() -> None:
    kidneys = replace(NOBODY, labs=(lab("33914-3", 24, "mL/min"), lab("33914-3", 80, "mL/min", days_ago=300)))
    assert {name for name, _ in facts_of(kidneys, TABLES).conditions} == {"kidney_disease", "kidney_failure"}
    cells = replace(NOBODY, labs=(lab("751-8", 0.4, "10*3/uL"),))
    assert {name for name, _ in facts_of(cells, TABLES).conditions} == {"neutropenia"}
    old = replace(NOBODY, labs=(lab("33914-3", 24, "mL/min", days_ago=900), lab("751-8", 0.4, "10*3/uL", 90)))
    assert facts_of(old, TABLES).conditions == ()


def test_the_dead_are_known_to_be_dead() -> None:
    assert facts_of(replace(NOBODY, deceased=True), TABLES).deceased


def test_every_synthetic_patient_has_facts_without_a_name_or_a_number() -> None:
    kinds = set()
    for patient in synthetic_patients():
        facts = facts_of(patient, TABLES)
        kinds |= {name for name, _ in (*facts.drugs, *facts.conditions, *facts.allergies)}
        assert patient.mrn not in repr(facts)
    assert {"anticoagulant", "insulin", "lithium", "transplant", "heart_failure", "neutropenia", "epilepsy"} <= kinds


def as_sets(facts: RecordFacts) -> tuple[set[tuple[str, str]], set[tuple[str, str]], set[tuple[str, str]]]:
    return set(facts.drugs), set(facts.conditions), set(facts.allergies)


PATIENTS = synthetic_patients()
ITEMS = st.sampled_from([item for patient in PATIENTS for item in (*patient.conditions, *patient.medications)])


@given(st.sampled_from(PATIENTS), ITEMS)
def test_one_more_item_in_a_record_never_takes_a_class_away(
    patient: PatientRecord, item: Condition | Medication
) -> None:
    if isinstance(item, Condition):
        more = replace(patient, conditions=(item, *patient.conditions))
    else:
        more = replace(patient, medications=(item, *patient.medications))
    for before, after in zip(as_sets(facts_of(patient, TABLES)), as_sets(facts_of(more, TABLES)), strict=True):
        assert before <= after
