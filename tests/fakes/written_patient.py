"""One patient, written by hand, as a FHIR bundle and as a CarePath summary: what no generator of test data writes.

Both say the same; `test_three_stores` holds the stores to it. The words that begin with `Canary` must never be read
again in a record's texts.
"""

import base64
from typing import Any

MRN = "HW-0042"
MRN_SYSTEM = "https://hospital.example.org/mrn"
_SCT, _RX, _LOINC = "http://snomed.info/sct", "http://www.nlm.nih.gov/research/umls/rxnorm", "http://loinc.org"
_ICD = "http://hl7.org/fhir/sid/icd-10-cm"
_ME = {"reference": "urn:uuid:p-1"}
NOTE = "Canaryfamily was seen with her Canaryinsurer insurance card. Swollen ankles since Monday.\n\nBorn 1990-03-15."


def coded(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def condition(name: dict[str, Any], clinical: str | None, verified: str = "confirmed", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"resourceType": "Condition", "code": name, "subject": _ME, **more}
    found["verificationStatus"] = coded("http://terminology.hl7.org/CodeSystem/condition-ver-status", verified, "")
    if clinical is not None:
        found["clinicalStatus"] = coded("http://terminology.hl7.org/CodeSystem/condition-clinical", clinical, "")
    return found


def request(status: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "MedicationRequest", "status": status, "intent": "order", "subject": _ME, **more}


def drug(code: str, display: str) -> dict[str, Any]:
    return {"medicationCodeableConcept": coded(_RX, code, display)}


def allergy(name: dict[str, Any], clinical: str = "active", verified: str = "confirmed", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "AllergyIntolerance",
        "code": name,
        "patient": _ME,
        "clinicalStatus": coded("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", clinical, ""),
        "verificationStatus": coded(
            "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", verified, ""
        ),
        **more,
    }


def observation(loinc: str, name: str, at: str, kind: str | None = None, **value: Any) -> dict[str, Any]:
    found = {"resourceType": "Observation", "status": "final", "code": coded(_LOINC, loinc, name), "subject": _ME}
    category = (
        {"category": [coded("http://terminology.hl7.org/CodeSystem/observation-category", kind, "")]} if kind else {}
    )
    return {**found, **category, "effectiveDateTime": at, **value}


def measured(value: float, code: str, **more: Any) -> dict[str, Any]:
    return {
        "valueQuantity": {"value": value, "unit": code, "code": code, "system": "http://unitsofmeasure.org", **more}
    }


def patient(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "identifier": [{"system": MRN_SYSTEM, "value": MRN, "type": coded("", "MR", "")}, {"value": "CanarySSN-1"}],
        "name": [{"family": "Canaryfamily", "given": ["Canarygiven"]}],
        "address": [{"line": ["7 Canarystreet"], "postalCode": "90210"}],
        "gender": "female",
        "birthDate": "1990-03-15",
        **more,
    }


def resources() -> list[dict[str, Any]]:
    """All but the patient; written in no useful order."""
    return [
        condition(coded(_ICD, "Z34.92", "Supervision of normal pregnancy, second trimester"), "active",
                  onsetDateTime="2026-08-01"),
        condition(coded(_SCT, "195967001", "Asthma (disorder)"), "active", onsetDateTime="2005"),
        condition(coded(_SCT, "195967001", "Asthma (disorder)"), "active", onsetDateTime="2019-04"),
        condition(coded(_SCT, "22298006", "Myocardial infarction (disorder)"), "active", "entered-in-error"),
        condition(coded(_SCT, "73211009", "Diabetes mellitus (disorder)"), "active", "refuted"),
        condition(coded(_SCT, "233604007", "Pneumonia (disorder)"), "resolved", onsetDateTime="2024-01-02",
                  abatementDateTime="2024-01-20"),
        condition(coded(_SCT, "371622005", "Peptic ulcer (disorder)"), "remission", onsetDateTime="2018-05-05"),
        condition(coded(_SCT, "160903007", "Full-time employment (finding)"), "active", onsetDateTime="2015-02-03"),
        request("active", medicationReference={"reference": "urn:uuid:m-1"}, authoredOn="2026-09-01",
                dosageInstruction=[{"text": "1 tablet daily"}]),
        request("active", **drug("197361", "Amlodipine 5 MG Oral Tablet"), authoredOn="2026-10-10"),
        request("active", **drug("197361", "amlodipine 5 mg oral tablet"), authoredOn="2021-10-10",
                dosageInstruction=[{"text": "1 tablet in the morning"}]),
        request("on-hold", **drug("855332", "Warfarin Sodium 5 MG Oral Tablet"), authoredOn="2026-07-07",
                dosageInstruction=[{"text": "as directed"}]),
        request("entered-in-error", **drug("6851", "Methotrexate")),
        request("stopped", **drug("723", "Amoxicillin")),
        request("active", doNotPerform=True, **drug("5640", "Ibuprofen")),
        {"resourceType": "MedicationStatement", "status": "active", "subject": _ME, "effectiveDateTime": "2026-11-01",
         "medicationCodeableConcept": {"text": "St John's wort"}, "dosage": [{"text": "when low"}]},
        {"resourceType": "MedicationStatement", "status": "not-taken", "subject": _ME,
         "medicationCodeableConcept": {"text": "Valerian"}},
        {"resourceType": "Medication", "status": "active", "code": coded(_RX, "10582", "Levothyroxine 50 MCG")},
        allergy(coded(_RX, "7980", "Penicillin G"), criticality="high", reaction=[
            {"manifestation": [{"text": "Hives"}], "severity": "mild"},
            {"manifestation": [{"text": "Anaphylaxis"}], "severity": "severe"}]),
        allergy(coded(_RX, "2670", "Codeine"), "inactive"),
        allergy(coded(_RX, "1191", "Aspirin"), verified="refuted"),
        allergy(coded(_SCT, "419199007", "Allergy to substance (finding)")),
        allergy(coded(_SCT, "429625007", "No known food allergy (situation)")),
        observation("82810-3", "Pregnancy status", "2026-08-01",
                    valueCodeableConcept=coded(_SCT, "77386006", "Pregnant")),
        observation("11778-8", "Delivery date Estimated", "2026-08-01", valueDateTime="2027-02-10"),
        observation("85354-9", "Blood pressure panel", "2026-11-02T09:00:00Z", "vital-signs", component=[
            {"code": coded(_LOINC, "8462-4", "Diastolic blood pressure"), **measured(88, "mm[Hg]")},
            {"code": coded(_LOINC, "8480-6", "Systolic blood pressure"), **measured(138, "mm[Hg]")}]),
        observation("8331-1", "Oral temperature", "2026-11-02T09:00:00Z", "vital-signs", **measured(100.4, "[degF]")),
        observation("29463-7", "Body weight", "2026-11-02T09:00:00Z", "vital-signs", **measured(165.35, "[lb_av]")),
        observation("2708-6", "Oxygen saturation in Arterial blood", "2026-11-02T09:00:00Z", **measured(97, "%")),
        observation("59408-5", "Oxygen saturation by Pulse oximetry", "2025-01-02T09:00:00Z", **measured(91, "%")),
        observation("8867-4", "Heart rate", "2026-11-02T09:00:00Z", "vital-signs", **measured(88, "/min")),
        {**observation("8867-4", "Heart rate", "2026-11-09T09:00:00Z", "vital-signs", **measured(188, "/min")),
         "status": "entered-in-error"},
        observation("38483-4", "Creatinine [Mass/volume] in Blood", "2026-10-01T08:00:00Z", "laboratory",
                    **measured(0.7, "mg/dL")),
        observation("44261-6", "PHQ-9 total score", "2026-10-01T08:00:00Z", "survey", **measured(7, "{score}")),
        {"resourceType": "Encounter", "status": "finished", "subject": _ME, "period": {"start": "2026-11-02T09:00:00Z"},
         "class": {"code": "EMER"}, "reasonCode": [coded(_SCT, "267036007", "Shortness of breath (finding)")]},
        {"resourceType": "Encounter", "status": "cancelled", "subject": _ME, "period": {"start": "2026-11-12"},
         "class": {"code": "AMB"}, "type": [{"text": "Never happened"}]},
        {"resourceType": "DocumentReference", "status": "current", "subject": _ME, "date": "2026-11-03T10:00:00Z",
         "type": {"text": "Progress note"},
         "content": [{"attachment": {"contentType": "text/plain", "data": base64.b64encode(NOTE.encode()).decode()}}]},
        {"resourceType": "DocumentReference", "status": "superseded", "subject": _ME, "date": "2026-11-04T10:00:00Z",
         "type": {"text": "Older"}, "content": [{"attachment": {"contentType": "text/plain", "data": "b2xkZXI="}}]},
    ]  # fmt: skip


def bundle(who: dict[str, Any] | None = None, found: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A collection as an export writes it: references are `urn:uuid:`, the patient `p-1`, the medication `m-1`."""
    entries = [{"fullUrl": "urn:uuid:p-1", "resource": {"id": "p-1", **(who or patient())}}]
    for number, resource in enumerate(resources() if found is None else found):
        own = "m-1" if resource["resourceType"] == "Medication" else f"r-{number}"
        entries.append({"fullUrl": f"urn:uuid:{own}", "resource": {"id": own, **resource}})
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def summary() -> dict[str, Any]:
    """The same patient as CarePath's summary, in the spelling of its data where the two differ least."""
    return {
        "patient": {
            "_id": "x1",
            "mrn": MRN,
            "name": {"first": "Canarygiven", "last": "Canaryfamily"},
            "dob": "1990-03-15",
            "sex": "F",
            "address": {"line1": "7 Canarystreet", "city": "Canarycity", "state": "CA", "zip": "90210"},
            "due_date": "2027-02-10",
            "pregnant": True,
            "pregnancy_recorded_at": "2026-08-01",
            "conditions": [
                {"code": "Z34.92", "display": "Supervision of normal pregnancy, second trimester",
                 "onset_date": "2026-08-01"},
                {"code": "195967001", "display": "Asthma", "onset": "2005"},
                {"code": "195967001", "name": "Asthma (disorder)", "onset_date": "2019-04"},
                {"code": "22298006", "display": "Myocardial infarction", "status": "entered-in-error"},
                {"code": "233604007", "display": "Pneumonia", "onset_date": "2024-01-02", "end_date": "2024-01-20"},
                {"code": "371622005", "display": "Peptic ulcer", "onset_date": "2018-05-05", "status": "remission"},
                {"code": "160903007", "display": "Full-time employment", "onset_date": "2015-02-03"},
            ],
            "medications": [
                {"drug_code": "10582", "name": "Levothyroxine 50 MCG", "start_date": "2026-09-01", "end_date": None,
                 "sig": "1 tablet daily"},
                {"drug_code": "197361", "name": "Amlodipine 5 MG Oral Tablet", "start_date": "2026-10-10"},
                {"drug_code": "197361", "name": "amlodipine 5 mg oral tablet", "start_date": "2021-10-10",
                 "dose": "1 tablet", "frequency": "in the morning", "sig": "1 tablet in the morning"},
                {"drug_code": "855332", "name": "Warfarin Sodium 5 MG Oral Tablet", "start_date": "2026-07-07",
                 "sig": "as directed", "status": "on-hold"},
                {"drug_code": "723", "name": "Amoxicillin", "start_date": "2026-01-01", "end_date": "2026-01-08"},
                {"name": "St John's wort", "start_date": "2026-11-01", "sig": "when low"},
            ],
            "allergies": [
                {"substance": "Penicillin G", "reaction": "Hives, Anaphylaxis", "severity": "severe", "code": "7980",
                 "criticality": "high"},
                {"substance": "Allergy to substance"},
            ],
            "primary_care_provider_id": "Canaryprovider",
            "risk_score": 0.3,
        },
        "recent_encounters": [
            {"_id": "e1", "encounter_id": "Canaryencounter", "patient_mrn": MRN, "type": "emergency",
             "start": "2026-11-02T09:00:00Z", "diagnoses": [{"code": "267036007", "display": "Shortness of breath"}],
             "vitals": {"bp_systolic": 138, "bp_diastolic": 88, "heart_rate": 88, "weight_lb": 165.35,
                        "temperature": 100.4, "spo2": 97},
             "labs": [{"name": "Creatinine", "loinc": "38483-4", "value": 0.7, "unit": "mg/dL",
                       "collected_at": "2026-10-01T08:00:00Z"}]},
        ],
        "recent_claims": [{"claim_id": "Canaryclaim", "payer": "Canaryinsurer", "billed_amount": 10.0}],
        "documents": [
            {"doc_id": "Canarydocument", "title": "Progress note", "source_type": "note", "text": NOTE,
             "metadata": {"created_at": "2026-11-03T10:00:00Z", "author_provider_id": "Canaryprovider"}},
        ],
        "summary_metadata": {"mrn": MRN, "encounter_count": 1},
    }  # fmt: skip
