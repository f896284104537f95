import pytest

from service_chat.records.ports import AllergyStatus, PatientRecord, Pregnancy
from service_chat.records.synthetic import synthetic_patients
from service_chat.services.prompts import record_lines, triage_messages
from service_chat.services.record_answer import answer_from_record

PATIENTS = list(synthetic_patients())


@pytest.mark.parametrize("record", PATIENTS, ids=lambda record: record.mrn)
def test_no_prompt_names_the_patient_but_every_prompt_holds_what_must_not_be_missed(record: PatientRecord) -> None:
    system, user = triage_messages(record, "What now?")
    assert (system.role, user.role) == ("system", "user")
    assert record.mrn not in system.content + user.content
    assert record.birth_date is None or record.birth_date.isoformat() not in user.content
    for allergy in record.allergies:
        assert allergy.substance in user.content
    for medication in record.medications:
        assert medication.name in user.content
    if record.pregnancy is Pregnancy.PREGNANT:
        assert "Pregnant: yes" in user.content
    assert user.content.endswith("What now?")


def test_two_questions_about_one_patient_begin_with_the_same_words() -> None:
    first, second = (triage_messages(PATIENTS[0], query)[1].content for query in ("One?", "Another?"))
    assert first.split("Question:")[0] == second.split("Question:")[0]


def test_no_known_allergies_and_nobody_asked_are_told_apart() -> None:
    said = {
        record.allergy_status: next(line for line in record_lines(record) if line.startswith("Allergies"))
        for record in PATIENTS
    }
    assert said[AllergyStatus.NONE_KNOWN] == "Allergies: none known"
    assert said[AllergyStatus.NOT_RECORDED] == "Allergies: not recorded"


def test_the_answer_without_a_model_says_so_and_holds_the_record() -> None:
    record = next(r for r in PATIENTS if r.medications)
    answer = answer_from_record(record)
    assert "No model" in answer
    assert record.medications[0].name in answer
    assert record.mrn not in answer
