"""The synthetic patients: the same for everybody, varied enough to be interesting, consistent in themselves."""

import hashlib
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from service_chat.records.ports import AllergyStatus, PatientRecord, Pregnancy, Sex
from service_chat.records.profiles import KINDS
from service_chat.records.synthetic import AS_OF, MRNS, synthetic_patients

PATIENTS = synthetic_patients()


def test_there_are_fifty_one_patients_with_the_advertised_numbers() -> None:
    assert [patient.mrn for patient in PATIENTS] == list(MRNS)
    assert len(set(MRNS)) == 51
    assert {"P000001", "P000050", "P000123"} <= set(MRNS)


def test_everybody_gets_the_same_patients() -> None:
    # Documentation and demo quote these records: a change of the generator must be a decision, not an accident.
    digest = hashlib.sha256(repr(PATIENTS).encode()).hexdigest()
    assert digest[:16] == "56b2d5244e211e40"


def test_the_records_cover_what_makes_triage_hard() -> None:
    drugs = {drug.name.split()[0] for patient in PATIENTS for drug in patient.medications}
    assert {"Insulin", "Tacrolimus", "Lithium", "Prednisone", "Epinephrine", "Spironolactone"} <= drugs
    assert drugs & {"Warfarin", "Apixaban"}
    ages = [patient.age_years for patient in PATIENTS if patient.age_years is not None]
    assert min(ages) == 0
    assert max(ages) >= 75
    assert sum(age < 18 for age in ages) >= 5
    assert {patient.allergy_status for patient in PATIENTS} == set(AllergyStatus)
    assert {patient.pregnancy for patient in PATIENTS} == set(Pregnancy)
    assert {patient.sex for patient in PATIENTS} == {Sex.FEMALE, Sex.MALE}
    assert any(not (p.conditions or p.medications or p.allergies or p.vitals or p.encounters) for p in PATIENTS)
    assert Counter(len(patient.encounters) for patient in PATIENTS).keys() == {0, 1, 2}


def test_the_patient_of_the_demo_takes_an_anticoagulant() -> None:
    shown = PATIENTS[-1]
    assert shown.mrn == "P000123"
    assert any(drug.name.startswith(("Warfarin", "Apixaban")) for drug in shown.medications)


@given(seed=st.integers(0, 2**31))
def test_a_record_never_contradicts_itself(seed: int) -> None:
    for patient in synthetic_patients(seed):
        assert patient.birth_date is not None
        _assert_consistent(patient)


def _assert_consistent(patient: PatientRecord) -> None:
    assert (patient.allergy_status is AllergyStatus.LISTED) == bool(patient.allergies)
    assert (patient.pregnancy is Pregnancy.PREGNANT) == (patient.gestation_weeks is not None)
    assert patient.sex is Sex.FEMALE or patient.pregnancy is Pregnancy.NOT_PREGNANT
    assert len(patient.encounters) <= 2
    born = patient.birth_date
    assert born is not None
    days = [drug.started for drug in patient.medications] + [condition.onset for condition in patient.conditions]
    assert all(day is not None and born <= day <= AS_OF for day in days)
    assert all(c.resolved is None or (c.onset or born) < c.resolved <= AS_OF for c in patient.conditions)
    visits = [visit.started_at for visit in patient.encounters]
    assert visits == sorted(visits, reverse=True)


def test_every_kind_of_patient_occurs() -> None:
    assert len(PATIENTS) >= 3 * len(KINDS)
