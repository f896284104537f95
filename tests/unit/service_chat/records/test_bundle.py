"""Bundles in files: whose each resource is, and what is no bundle."""

from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest

from service_chat.records.bundle import records_in
from service_chat.records.ports import PatientRecord
from tests.fakes.written_patient import MRN, MRN_SYSTEM, bundle, condition, patient

TODAY = date(2026, 11, 21)


def read(path: Path, content: dict[str, Any], before: bytes = b"") -> list[PatientRecord]:
    path.write_bytes(before + orjson.dumps(content))
    return list(records_in(path, TODAY))


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "urn:uuid:p-1"},
        {"reference": "Patient/p-1"},
        {"reference": "https://ehr.example.org/fhir/Patient/p-1/_history/2"},
        {"reference": f"Patient?identifier={MRN_SYSTEM}|{MRN}"},
        {"identifier": {"system": MRN_SYSTEM, "value": MRN}},
    ],
)
def test_a_resource_belongs_to_the_patient_it_refers_to(tmp_path: Path, subject: dict[str, Any]) -> None:
    mine = {**condition({"text": "Asthma"}, "active"), "subject": subject}
    [record] = read(tmp_path / "a.json", bundle(found=[mine]))
    assert [each.display for each in record.conditions] == ["Asthma"]


@pytest.mark.parametrize("subject", [{"reference": "Patient/p-9"}, {"reference": ""}, {}, {"display": "me"}])
def test_a_resource_of_somebody_else_is_never_taken(tmp_path: Path, subject: dict[str, Any]) -> None:
    theirs = {**condition({"text": "Asthma"}, "active"), "subject": subject}
    [record] = read(tmp_path / "a.json", bundle(found=[theirs]))
    assert record.conditions == ()


def test_the_number_is_the_identifier_of_its_type_and_the_current_one(tmp_path: Path) -> None:
    of_type = {"type": {"coding": [{"code": "MR"}]}}
    numbers = [{"value": "SSN"}, {**of_type, "value": "OLD", "use": "old"}, {**of_type, "value": "NEW"}]
    [record] = read(tmp_path / "a.json", bundle(patient(identifier=numbers), []))
    assert record.mrn == "NEW"


def test_a_mark_of_byte_order_is_no_reason_to_refuse_a_file(tmp_path: Path) -> None:
    [record] = read(tmp_path / "a.json", bundle(), b"\xef\xbb\xbf")
    assert record.mrn == MRN


def test_a_status_may_be_words_only(tmp_path: Path) -> None:
    refuted = {**condition({"text": "Asthma"}, "active"), "verificationStatus": {"text": "Refuted"}}
    over = {**condition({"text": "Gout"}, "active"), "clinicalStatus": {"text": "Resolved"}}
    [record] = read(tmp_path / "a.json", bundle(found=[refuted, over]))
    assert [(each.display, each.active) for each in record.conditions] == [("Gout", False)]
