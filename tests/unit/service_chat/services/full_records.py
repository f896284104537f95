"""Records for tests: one with something of every kind, and one as long as the predecessor's could be."""

from datetime import UTC, date, datetime, timedelta

from service_chat.records.ports import (
    Allergy,
    AllergyStatus,
    Condition,
    ConditionKind,
    DocumentExcerpt,
    Encounter,
    Medication,
    Observation,
    PatientRecord,
    Pregnancy,
    Sex,
)

DAY = date(2026, 11, 21)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)

RECORD = PatientRecord(
    mrn="MRN-77413",
    sex=Sex.FEMALE,
    birth_date=date(1985, 3, 2),
    pregnancy=Pregnancy.PREGNANT,
    gestation_weeks=31,
    conditions=(
        Condition("Acute bronchitis (disorder)", "10509002", date(2019, 1, 2), date(2019, 1, 20)),
        Condition("Full-time employment (finding)", "160903007", date(2020, 1, 1), kind=ConditionKind.SOCIAL),
        Condition("Atrial fibrillation (disorder)", "49436004", date(2021, 5, 6)),
    ),
    medications=(
        Medication("Warfarin 5 MG Oral Tablet", "one tablet in the evening", date(2021, 5, 6), "855332"),
        Medication("Warfarin 5 MG Oral Tablet", "one tablet in the evening", date(2020, 5, 6), "855332"),
        Medication("Metoprolol 50 MG", "on hold", None, None, on_hold=True),
    ),
    allergy_status=AllergyStatus.LISTED,
    allergies=(Allergy("Penicillin (substance)", "hives", "severe", "7980", "high"),),
    vitals=(
        Observation("Systolic blood pressure", 148, "mm[Hg]", NOON, "8480-6"),
        Observation("Systolic blood pressure", 121, "mm[Hg]", NOON - timedelta(days=90), "8480-6"),
    ),
    labs=(
        Observation("INR", 3.4, "{ratio}", NOON, "6301-6"),
        Observation("INR", 2.1, "{ratio}", NOON - timedelta(days=30), "6301-6"),
        Observation("INR", 2.0, "{ratio}", NOON - timedelta(days=60), "6301-6"),
        Observation("Troponin", 5, "ng/L", NOON - timedelta(days=900), "10839-9", "<"),
    ),
    encounters=(
        Encounter("office", NOON, "Tingling in both hands", "She slept badly. No fever."),
        Encounter("emergency", NOON - timedelta(days=40), "Palpitations"),
        Encounter("office", NOON - timedelta(days=400), "Check-up"),
    ),
    documents=(DocumentExcerpt("Discharge letter", "Rate control was begun. Follow-up in a month.", NOON),),
    as_of=DAY,
)


def longest_record() -> PatientRecord:
    """Ten visits and twenty documents, some 25,000 characters: what the predecessor handed over at most."""
    visits = tuple(
        Encounter("office", NOON - timedelta(days=30 * n), f"Visit {n}", "Seen for the usual reasons. " * 20)
        for n in range(10)
    )
    documents = tuple(
        DocumentExcerpt(f"Letter {n}", "The course was as expected and nothing was changed. " * 18, NOON)
        for n in range(20)
    )
    conditions = tuple(Condition(f"Chronic condition number {n} of the list", f"Z{n}", DAY) for n in range(30))
    medications = tuple(
        Medication(f"Drug {n} 20 MG Oral Tablet", "one tablet by mouth every morning with food", DAY) for n in range(15)
    )
    labs = tuple(Observation(f"Value {n}", n, "mg/dL", NOON - timedelta(days=800 * (n % 2))) for n in range(60))
    return PatientRecord(
        mrn="P000123",
        sex=Sex.MALE,
        birth_date=date(1940, 1, 1),
        pregnancy=Pregnancy.NOT_PREGNANT,
        gestation_weeks=None,
        conditions=conditions,
        medications=medications,
        allergy_status=AllergyStatus.LISTED,
        allergies=tuple(Allergy(f"Substance {n}", "rash") for n in range(6)),
        vitals=(),
        labs=labs,
        encounters=visits,
        documents=documents,
        as_of=DAY,
    )
