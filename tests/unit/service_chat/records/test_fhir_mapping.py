"""From FHIR resources to a record: statuses, codes and units are read for what they say."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from service_chat.records.fhir_mapping import record_from
from service_chat.records.fhir_values import entries
from service_chat.records.ports import AllergyStatus, ConditionKind, PatientRecord, Pregnancy, Sex
from tests.fakes.written_patient import (
    MRN,
    allergy,
    bundle,
    coded,
    condition,
    drug,
    measured,
    observation,
    patient,
    request,
)

TODAY = date(2026, 11, 21)
SCT, LOINC = "http://snomed.info/sct", "http://loinc.org"
ASTHMA = coded(SCT, "195967001", "Asthma (disorder)")


def record(*resources: dict[str, Any], today: date = TODAY, **who: Any) -> PatientRecord:
    found = list(entries(bundle(patient(**who), list(resources))))
    return record_from(MRN, found[0].resource, found[1:], today)


@pytest.mark.parametrize("verified", ["entered-in-error", "refuted"])
def test_what_never_was_is_no_condition_and_no_allergy(verified: str) -> None:
    found = record(condition(ASTHMA, "active", verified), allergy(coded("", "1", "Latex"), verified=verified))
    assert found.conditions == ()
    assert found.allergies == ()
    assert found.allergy_status is AllergyStatus.NOT_RECORDED


def test_a_provisional_diagnosis_says_so() -> None:
    [found] = record(condition(ASTHMA, "active", "provisional")).conditions
    assert found.display == "Asthma (provisional)"


@pytest.mark.parametrize("status", ["inactive", "resolved", "remission"])
def test_a_condition_that_is_over_is_not_active_even_without_a_day(status: str) -> None:
    [found] = record(condition(ASTHMA, status)).conditions
    assert not found.active
    assert found.resolved is None


@pytest.mark.parametrize("status", ["active", "recurrence", "relapse"])
def test_an_active_status_outweighs_a_day_of_abatement(status: str) -> None:
    [found] = record(condition(ASTHMA, status, abatementDateTime="2020-01-01")).conditions
    assert found.active


def test_without_a_status_the_day_of_abatement_decides() -> None:
    [found] = record(condition(ASTHMA, None, onsetDateTime="2019-02", abatementDateTime="2020-03-04")).conditions
    assert (found.onset, found.resolved, found.active) == (date(2019, 2, 1), date(2020, 3, 4), False)


def test_the_onset_may_be_an_age() -> None:
    [found] = record(condition(ASTHMA, "active", onsetAge={"value": 10, "unit": "a", "code": "a"})).conditions
    assert found.onset is not None
    assert found.onset.year == 2000


def test_findings_of_a_life_are_told_from_diseases() -> None:
    names = {
        "Has a criminal record (finding)": ConditionKind.SOCIAL,
        "Victim of intimate partner abuse (finding)": ConditionKind.SOCIAL,
        "Medication review due (situation)": ConditionKind.SOCIAL,
        "Stress (finding)": ConditionKind.SOCIAL,
        "Stress fracture of foot (disorder)": ConditionKind.DISEASE,
        "Chronic pain (finding)": ConditionKind.DISEASE,
        "History of myocardial infarction (situation)": ConditionKind.HISTORY,
        "Past pregnancy history of miscarriage (situation)": ConditionKind.HISTORY,
    }
    found = record(*(condition({"text": name}, "active") for name in names))
    kinds = {each.display: each.kind for each in found.conditions}
    assert kinds == {name.rpartition(" (")[0]: kind for name, kind in names.items()}


def test_a_code_for_living_conditions_is_social_whatever_its_words() -> None:
    [found] = record(
        condition(coded("http://hl7.org/fhir/sid/icd-10-cm", "Z59.0", "Without a home"), "active")
    ).conditions
    assert found.kind is ConditionKind.SOCIAL


@pytest.mark.parametrize(
    ("code", "words", "denied"),
    [
        ("716186003", "No known allergy (situation)", ()),
        ("no-known-allergies", "", ()),
        ("409137002", "No known drug allergy", ("drug",)),
        ("429625007", "No known food allergy", ("food",)),
        ("", "NKDA", ("drug",)),
        ("", "No Known Allergies", ()),
        ("", "No known medication allergies", ("drug",)),
    ],
)
def test_no_known_allergy_is_an_answer_and_not_an_empty_list(code: str, words: str, denied: tuple[str, ...]) -> None:
    name = {"text": words, **({"coding": [{"system": SCT, "code": code}]} if code else {})}
    found = record(allergy(name))
    assert found.allergies == ()
    assert found.allergy_status is AllergyStatus.NONE_KNOWN
    assert found.allergies_denied == denied


def test_a_known_allergy_outweighs_none_known() -> None:
    found = record(allergy(coded(SCT, "716186003", "No known allergy")), allergy({"text": "Peanut"}))
    assert found.allergy_status is AllergyStatus.LISTED
    assert [each.substance for each in found.allergies] == ["Peanut"]


def test_an_allergy_that_is_over_or_was_never_asked_about_is_not_listed() -> None:
    found = record(
        allergy({"text": "Codeine"}, "inactive"),
        allergy({"text": "Latex"}, "resolved"),
        allergy(coded(SCT, "716220001", "Allergy status unknown")),
    )
    assert found.allergy_status is AllergyStatus.NOT_RECORDED


def test_the_placeholder_stands_alone_and_goes_beside_named_ones() -> None:
    placeholder = allergy(coded(SCT, "419199007", "Allergy to substance (finding)"))
    assert [each.substance for each in record(placeholder).allergies] == ["substance not named"]
    named = record(placeholder, allergy({"text": "Egg"}))
    assert [each.substance for each in named.allergies] == ["Egg"]


def test_reactions_are_joined_and_the_worst_severity_counts() -> None:
    reactions = [
        {"manifestation": [{"text": "Hives"}, {"text": "Cough"}], "severity": "mild"},
        {"manifestation": [{"text": "Anaphylaxis (disorder)"}], "severity": "severe"},
    ]
    [found] = record(allergy({"text": "Peanut (substance)"}, criticality="high", reaction=reactions)).allergies
    assert (found.substance, found.reaction) == ("Peanut", "Hives, Cough, Anaphylaxis")
    assert (found.severity, found.criticality) == ("severe", "high")


@pytest.mark.parametrize(
    "reference",
    ["urn:uuid:m-1", "Medication/m-1", "https://ehr.example.org/fhir/Medication/m-1", "Medication/m-1/_history/3"],
)
def test_a_drug_is_named_by_the_medication_it_points_to(reference: str) -> None:
    medication = {"resourceType": "Medication", "code": coded("", "10582", "Levothyroxine 50 MCG")}
    [found] = record(request("active", medicationReference={"reference": reference}), medication).medications
    assert found.name == "Levothyroxine 50 MCG"


def test_a_drug_may_be_contained_or_named_by_its_reference() -> None:
    held = [{"resourceType": "Medication", "id": "x", "code": {"text": "Digoxin"}}]
    found = record(
        request("active", contained=held, medicationReference={"reference": "#x"}),
        request("active", medicationReference={"reference": "Medication/77", "display": "Lithium"}),
    )
    assert {each.name for each in found.medications} == {"Digoxin", "Lithium"}


def test_a_drug_that_can_not_be_named_is_still_a_drug() -> None:
    [found] = record(request("active", medicationReference={"reference": "Medication/77"})).medications
    assert found.name == "medicine not named in the record"


@pytest.mark.parametrize("status", ["stopped", "completed", "cancelled", "entered-in-error", "draft"])
def test_only_what_is_taken_is_a_medication(status: str) -> None:
    assert record(request(status, **drug("1", "Amoxicillin"))).medications == ()


def test_a_ban_and_a_proposal_are_no_drugs() -> None:
    ban = request("active", doNotPerform=True, **drug("1", "Ibuprofen"))
    proposed = {**request("active", **drug("2", "Naproxen")), "intent": "proposal"}
    assert record(ban, proposed).medications == ()


def test_a_drug_on_hold_is_listed_and_says_so() -> None:
    order = request("on-hold", **drug("855332", "Warfarin"), dosageInstruction=[{"text": "as directed"}])
    [found] = record(order).medications
    assert (found.name, found.on_hold, found.sig) == ("Warfarin", True, "on hold; as directed")


def test_a_drug_without_dosage_has_none() -> None:
    [found] = record(request("active", **drug("1", "Aspirin 81 MG"))).medications
    assert found.sig is None


def test_a_coded_dosage_is_spelled_out() -> None:
    coded_dosage = {
        "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
        "doseAndRate": [{"doseQuantity": {"value": 1.5, "unit": "tablet"}}],
        "asNeededBoolean": True,
    }
    [found] = record(request("active", **drug("1", "X"), dosageInstruction=[coded_dosage])).medications
    assert found.sig == "1.5 tablet, twice a day, when needed"


def test_the_same_drug_twice_is_one_taken_since_the_first_time_as_told_the_last_time() -> None:
    old = request("active", **drug("197361", "Amlodipine 5 MG"), authoredOn="2010-01-01")
    new = request("active", **drug("197361", "amlodipine 5 mg"), authoredOn="2026-01-01")
    other_code = request("active", **drug("999", "Amlodipine 5 MG"), authoredOn="2015-01-01")
    new["dosageInstruction"] = [{"text": "daily"}]
    [found] = record(old, new, other_code).medications
    assert (found.started, found.sig) == (date(2010, 1, 1), "daily")


def test_a_statement_counts_like_a_prescription() -> None:
    statement = {
        "resourceType": "MedicationStatement", "status": "active", "subject": {"reference": "urn:uuid:p-1"},
        "medicationCodeableConcept": {"text": "St John's wort"}, "effectivePeriod": {"start": "2026-10-01"},
        "dosage": [{"text": "when low"}],
    }  # fmt: skip
    [found] = record(statement, {**statement, "status": "not-taken"}).medications
    assert (found.name, found.sig, found.started) == ("St John's wort", "when low", date(2026, 10, 1))


@pytest.mark.parametrize(
    ("born", "age"), [("1990", 35), ("1990-11", 35), ("1990-11-21", 36), ("2026", 0), ("nineteen", None), (None, None)]
)
def test_a_partial_birth_date_makes_nobody_older_than_is_certain(born: str | None, age: int | None) -> None:
    assert record(birthDate=born).age_years == age


@pytest.mark.parametrize(
    ("loinc", "value", "unit", "name", "expected"),
    [
        ("8310-5", 101.3, "[degF]", "Body temperature", 38.5),
        ("8331-1", 38.5, "Cel", "Body temperature", 38.5),
        ("29463-7", 22, "[lb_av]", "Body weight", 9.98),
        ("29463-7", 3400, "g", "Body weight", 3.4),
        ("8302-2", 70, "[in_i]", "Body height", 177.8),
        ("8480-6", 16, "kPa", "Systolic blood pressure", 120.01),
        ("2708-6", 97, "%", "Oxygen saturation", 97),
    ],
)
def test_a_vital_sign_has_one_name_and_one_unit(
    loinc: str, value: float, unit: str, name: str, expected: float
) -> None:
    [found] = record(observation(loinc, "whatever", "2026-01-01", "vital-signs", **measured(value, unit))).vitals
    assert (found.name, found.value) == (name, expected)


def test_an_impossible_or_unknown_value_gives_way_to_the_one_before() -> None:
    found = record(
        observation("8310-5", "T", "2026-03-01", "vital-signs", **measured(98.6, "Cel")),
        observation("8310-5", "T", "2026-02-01", "vital-signs", **measured(37, "furlong")),
        observation("8310-5", "T", "2026-01-01", "vital-signs", **measured(37.1, "Cel")),
    )
    assert [(each.value, each.taken_at) for each in found.vitals] == [(37.1, datetime(2026, 1, 1, tzinfo=UTC))]


def pressure(systolic: float, diastolic: float, at: str = "2026-01-01") -> dict[str, Any]:
    parts = (("8462-4", diastolic), ("8480-6", systolic))
    components = [{"code": coded(LOINC, loinc, ""), **measured(value, "mm[Hg]")} for loinc, value in parts]
    return observation("85354-9", "Blood pressure panel", at, "vital-signs", component=components)


def test_a_panel_of_blood_pressure_is_read_whichever_part_comes_first() -> None:
    found = record(pressure(138, 88))
    assert {each.name: each.value for each in found.vitals} == {
        "Systolic blood pressure": 138,
        "Diastolic blood pressure": 88,
    }


def test_a_panel_that_stands_upside_down_is_not_read() -> None:
    found = record(pressure(88, 92, "2026-02-01"), pressure(120, 80))
    assert sorted(each.value for each in found.vitals) == [80, 120]


def test_two_codes_for_one_vital_sign_are_one_and_the_newest_counts() -> None:
    found = record(
        observation("59408-5", "SpO2", "2025-01-01", **measured(91, "%")),
        observation("2708-6", "SaO2", "2026-01-01", **measured(97, "%")),
    )
    assert [each.value for each in found.vitals] == [97]


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "registered"])
def test_a_result_that_is_none_is_not_read(status: str) -> None:
    wrong = {**observation("8867-4", "Heart rate", "2026-01-01", **measured(80, "/min")), "status": status}
    assert record(wrong).vitals == ()


def test_blood_and_serum_codes_are_one_value_and_urine_another() -> None:
    found = record(
        observation("38483-4", "Creatinine [Mass/volume] in Blood", "2026-02-01", "laboratory",
                    **measured(1.4, "mg/dL")),
        observation("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "2026-01-01", "laboratory",
                    **measured(1.1, "mg/dL")),
        observation("2161-8", "Creatinine [Mass/volume] in Urine", "2026-03-01", "laboratory", **measured(90, "mg/dL")),
    )  # fmt: skip
    assert [(each.name, each.value) for each in found.labs] == [
        ("Creatinine in urine", 90),
        ("Creatinine", 1.4),
        ("Creatinine", 1.1),
    ]


def test_surveys_and_undated_values_are_not_read_and_a_comparator_is_kept() -> None:
    undated = observation("2160-0", "Creatinine", "", "laboratory", **measured(1, "mg/dL"))
    found = record(
        observation("44261-6", "PHQ-9", "2026-01-01", "survey", **measured(7, "{score}")),
        undated,
        observation("6598-7", "Troponin T", "2026-01-01", "laboratory", **measured(0.01, "ug/L", comparator="<")),
    )
    assert [(each.name, each.comparator) for each in found.labs] == [("Troponin T", "<")]
    assert found.vitals == ()


def test_a_pregnancy_may_be_an_observation_dated_by_the_expected_birth() -> None:
    found = record(
        observation("82810-3", "Pregnancy status", "2026-09-01", valueCodeableConcept=coded(LOINC, "LA15173-0", "")),
        observation("11778-8", "Delivery date", "2026-09-01", valueDateTime="2027-02-10"),
    )
    assert (found.pregnancy, found.gestation_weeks) == (Pregnancy.PREGNANT, 28)


def test_the_dead_are_as_old_as_they_became_and_known_to_be_dead() -> None:
    found = record(deceasedDateTime="2021-01-19T00:00:00Z")
    assert (found.deceased, found.as_of, found.age_years) == (True, date(2021, 1, 19), 30)
    assert record(deceasedBoolean=True).deceased
    assert not record(deceasedBoolean=False).deceased


def test_sex_falls_back_on_the_sex_at_birth() -> None:
    birth_sex = [{"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex", "valueCode": "M"}]
    assert record(gender="other", extension=birth_sex).sex is Sex.MALE
    assert record(gender="other").sex is Sex.UNKNOWN


def test_of_the_documents_only_current_text_is_read_without_names_and_payers() -> None:
    data = "Q2FuYXJ5Z2l2ZW4gaGFzIE1lZGljYXJlLiBDb3VnaHMgc2luY2UgTW9uZGF5Lg=="  # "Canarygiven has Medicare. Coughs …"
    me = {"reference": "urn:uuid:p-1"}
    base = {"resourceType": "DocumentReference", "subject": me, "date": "2026-01-01", "type": {"text": "Note"}}
    text = [{"attachment": {"contentType": "text/plain; charset=utf-8", "data": data}}]
    picture = [{"attachment": {"contentType": "application/pdf", "data": data}}]
    found = record(
        {**base, "status": "current", "content": text},
        {**base, "status": "superseded", "content": text},
        {**base, "status": "current", "content": picture},
    )
    assert [each.text for each in found.documents] == ["Coughs since Monday."]


def test_nothing_of_any_kind_is_an_empty_record_and_no_error() -> None:
    strange: list[dict[str, Any]] = [
        {"resourceType": kind, "subject": {"reference": "urn:uuid:p-1"}, "code": 7, "category": "x", "component": [1]}
        for kind in ("Condition", "AllergyIntolerance", "Observation", "Encounter", "DocumentReference")
    ]
    found = record(*strange, birthDate=7, name="x", gender=None)
    assert (found.conditions, found.vitals, found.encounters, found.documents) == ((), (), (), ())


def test_the_order_of_the_resources_never_matters() -> None:
    everything = bundle()
    forwards = list(entries(everything))
    one = record_from(MRN, forwards[0].resource, forwards[1:], TODAY)
    other = record_from(MRN, forwards[0].resource, list(reversed(forwards[1:])), TODAY)
    assert one == other


def test_the_written_patient_reads_as_a_clinician_would_sum_it_up() -> None:
    found = list(entries(bundle()))
    whole = record_from(MRN, found[0].resource, found[1:], TODAY)
    active = [each.display for each in whole.conditions if each.active]
    assert active == ["Supervision of normal pregnancy, second trimester", "Full-time employment", "Asthma"]
    assert [(each.name, each.on_hold) for each in whole.medications] == [
        ("St John's wort", False),
        ("Levothyroxine 50 MCG", False),
        ("Warfarin Sodium 5 MG Oral Tablet", True),
        ("Amlodipine 5 MG Oral Tablet", False),
    ]
    assert [each.substance for each in whole.allergies] == ["Penicillin G"]
    assert (whole.pregnancy, whole.gestation_weeks) == (Pregnancy.PREGNANT, 28)
    assert "Canary" not in repr(whole)
