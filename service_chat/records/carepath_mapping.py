"""From the CarePath API's patient summary to a `PatientRecord`. Pure.

Its documentation and its data spell things differently (`recent_documents` and `documents`, `gender` and `sex`, `onset`
and `onset_date`, `dose` with `frequency` and `sig`), so both are read. Claims, addresses, provider numbers and the risk
score are read by nobody; names and payers only to take them out of the notes. What repeats and what is a placeholder is
settled in `assembly`, as for FHIR.
"""

from collections.abc import Iterator
from datetime import date

from service_chat.records.assembly import Parts, assemble
from service_chat.records.fhir_patient import written_dates, youngest_birth
from service_chat.records.json_values import JsonObject, as_object, day, moment, number, objects, text
from service_chat.records.kinds import kind_of, without_tag
from service_chat.records.observations import Reading
from service_chat.records.ports import (
    Allergy,
    Condition,
    DocumentExcerpt,
    Encounter,
    Medication,
    PatientRecord,
    Sex,
)
from service_chat.records.redaction import Private

_SEX = {"f": Sex.FEMALE, "female": Sex.FEMALE, "m": Sex.MALE, "male": Sex.MALE}
_PREGNANT = {True: True, False: False, "pregnant": True, "yes": True, "not_pregnant": False, "not pregnant": False,
             "no": False}  # fmt: skip
#: Field of an encounter's vitals → LOINC and unit; an empty unit is found out by what the value can be.
_VITALS = {
    "bp_systolic": ("8480-6", "mm[Hg]"), "systolic": ("8480-6", "mm[Hg]"), "systolic_bp": ("8480-6", "mm[Hg]"),
    "bp_diastolic": ("8462-4", "mm[Hg]"), "diastolic": ("8462-4", "mm[Hg]"), "diastolic_bp": ("8462-4", "mm[Hg]"),
    "heart_rate": ("8867-4", "/min"), "pulse": ("8867-4", "/min"), "respiratory_rate": ("9279-1", "/min"),
    "temperature": ("8310-5", ""), "temp": ("8310-5", ""), "temperature_c": ("8310-5", "Cel"),
    "temp_c": ("8310-5", "Cel"), "temperature_f": ("8310-5", "[degF]"), "temp_f": ("8310-5", "[degF]"),
    "spo2": ("59408-5", "%"), "oxygen_saturation": ("59408-5", "%"), "o2_sat": ("59408-5", "%"),
    "weight_kg": ("29463-7", "kg"), "weight": ("29463-7", "kg"), "weight_lb": ("29463-7", "lb"),
    "height_cm": ("8302-2", "cm"), "height": ("8302-2", "cm"), "height_in": ("8302-2", "in"),
    "bmi": ("39156-5", "kg/m2"),
}  # fmt: skip
_NEVER_WAS = frozenset({"entered-in-error", "entered_in_error", "refuted"})
_OVER = frozenset({"inactive", "resolved", "remission"})
_NOT_TAKEN = frozenset({"stopped", "completed", "cancelled", "discontinued", "inactive", "not-taken", *_NEVER_WAS})
_VISITS = (
    ("emerg", "emergency"), ("inpatient", "inpatient"), ("hospital", "inpatient"), ("tele", "telehealth"),
    ("virtual", "telehealth"), ("video", "telehealth"), ("phone", "telehealth"), ("home", "home"),
)  # fmt: skip


def number_in(summary: JsonObject) -> str | None:
    """The record number that a summary says it is of, if it says so."""
    return (
        text(_patient(summary).get("mrn"), as_object(summary.get("summary_metadata")).get("mrn"), summary.get("mrn"))
        or None
    )


def record_from_summary(mrn: str, summary: JsonObject, today: date) -> PatientRecord:
    """The record as of `today`. What is missing is not recorded."""
    patient = _patient(summary)
    died = day(patient.get("deceased_date"), patient.get("date_of_death"), patient.get("dod"))
    parts = Parts(
        sex=_SEX.get(text(patient.get("sex"), patient.get("gender")).lower(), Sex.UNKNOWN),
        birth_date=youngest_birth(text(*(patient.get(name) for name in _BIRTH)) or None, today),
        deceased=died is not None or patient.get("deceased") is True,
        died=died,
        private=_private(patient, summary),
    )
    parts.conditions += [c for each in objects(patient.get("conditions")) if (c := _condition(each)) is not None]
    parts.medications += [m for each in objects(patient.get("medications")) for m in _medication(each, today)]
    _read_allergies(patient.get("allergies"), parts)
    _read_pregnancy(patient, parts, today)
    for visit in objects(_either(summary, "recent_encounters", "encounters")):
        _read_encounter(visit, parts)
    for each in objects(patient.get("labs")):
        parts.readings += _lab(each, None)
    for each in objects(_either(summary, "recent_documents", "documents")):
        parts.documents += _document(each)
    return assemble(mrn, parts, today)


_BIRTH = ("dob", "birth_date", "birthDate", "date_of_birth")


def _patient(summary: JsonObject) -> JsonObject:
    return as_object(summary.get("patient")) or summary


def _either(summary: JsonObject, *names: str) -> object:
    return next((summary[name] for name in names if summary.get(name)), [])


def _condition(found: JsonObject) -> Condition | None:
    name, status = text(*(found.get(key) for key in ("display", "name", "description"))), _status(found)
    if not name or status in _NEVER_WAS:
        return None
    resolved = day(found.get("resolved_date"), found.get("end_date"), found.get("abatement_date"))
    # As in FHIR: a status, where there is one, is what somebody decided.
    over = status in _OVER or (not status and resolved is not None)
    code = text(found.get("code"))
    return Condition(
        without_tag(name),
        code,
        day(found.get("onset_date"), found.get("onset"), found.get("onsetDate")),
        resolved if over else None,
        over and resolved is None,
        kind_of(name, (code,)),
    )


def _medication(found: JsonObject, today: date) -> Iterator[Medication]:
    ended = day(found.get("end_date"), found.get("end"), found.get("endDate"))
    if _status(found) in _NOT_TAKEN or (ended is not None and ended <= today):
        return
    name = text(found.get("name"), found.get("display"), found.get("drug"), found.get("medication"))
    spelled = ", ".join(filter(None, (text(found.get("dose"), found.get("dosage")), text(found.get("frequency")))))
    if name:
        yield Medication(
            name,
            text(found.get("sig"), spelled, found.get("instructions")) or None,
            day(found.get("start_date"), found.get("start"), found.get("startDate")),
            text(found.get("drug_code"), found.get("code"), found.get("rxnorm")) or None,
            _status(found) in ("on-hold", "on_hold", "on hold"),
        )


def _read_allergies(listed: object, parts: Parts) -> None:
    for each in listed if isinstance(listed, list) else [listed]:
        found = each if isinstance(each, dict) else {"substance": each}
        if _status(found) in _NEVER_WAS | _OVER:
            continue
        substance = without_tag(text(*(found.get(key) for key in ("substance", "allergen", "name", "display"))))
        if not substance and not isinstance(each, dict):
            continue
        severity, criticality = text(found.get("severity")).lower(), text(found.get("criticality")).lower()
        reaction = found.get("reaction", found.get("reactions"))
        signs = [text(sign) for sign in (reaction if isinstance(reaction, list) else [reaction])]
        parts.note_allergy(
            Allergy(
                substance,
                ", ".join(filter(None, signs)) or None,
                severity if severity in ("mild", "moderate", "severe") else None,
                text(found.get("code")) or None,
                criticality if criticality in ("high", "low") else None,
            )
        )


def _read_pregnancy(patient: JsonObject, parts: Parts, today: date) -> None:
    said = patient.get("pregnant", patient.get("pregnancy_status"))
    key = said if isinstance(said, bool) else text(said).lower()
    if key in _PREGNANT:
        parts.evidence.statements.append((day(patient.get("pregnancy_recorded_at")) or today, _PREGNANT[key]))
    weeks = number(patient.get("gestation_weeks"), patient.get("gestational_age_weeks"))
    if weeks is not None:
        parts.evidence.gestation.append((day(patient.get("pregnancy_recorded_at")) or today, weeks))
    due = day(patient.get("due_date"), patient.get("estimated_due_date"))
    if due is not None:
        parts.evidence.due.append((day(patient.get("pregnancy_recorded_at")) or today, due))


def _read_encounter(found: JsonObject, parts: Parts) -> None:
    began = moment(*(found.get(key) for key in ("start", "date", "start_date", "started_at")))
    if began is None or _status(found) in ("cancelled", "planned", *_NEVER_WAS):
        return
    kind = text(found.get("type"), found.get("encounter_type")).lower()
    reasons = [text(found.get(key)) for key in ("reason", "chief_complaint")]
    reasons += [text(each.get("display"), each.get("name")) for each in objects(found.get("diagnoses"))]
    visit = next((ours for theirs, ours in _VISITS if theirs in kind), "office")
    reason = ", ".join(dict.fromkeys(without_tag(each) for each in reasons if each))
    parts.encounters.append(Encounter(visit, began, reason or kind or "visit", text(found.get("notes"))))
    for field, value in as_object(found.get("vitals")).items():
        measured = number(value)
        if field in _VITALS and measured is not None:
            loinc, unit = _VITALS[field]
            parts.readings.append(Reading(field, (loinc,), measured, unit, began, vital=True))
    for lab in objects(found.get("labs")):
        parts.readings += _lab(lab, found)


def _lab(found: JsonObject, visit: JsonObject | None) -> Iterator[Reading]:
    at = moment(found.get("collected_at"), found.get("date"), found.get("taken_at"), as_object(visit).get("start"))
    value, name = number(found.get("value")), text(found.get("name"), found.get("display"), found.get("test"))
    loinc = text(found.get("loinc"), found.get("code"))
    if at is not None and value is not None and name:
        yield Reading(name, (loinc,) if loinc else (), value, text(found.get("unit"), found.get("units")), at, False)


def _document(found: JsonObject) -> Iterator[DocumentExcerpt]:
    about = as_object(found.get("metadata"))
    written = moment(about.get("created_at"), found.get("created_at"), found.get("date"), about.get("date"))
    words = next((value for key in ("text", "content", "body") if isinstance(value := found.get(key), str)), "")
    if words.strip() and written is not None and _status(found) not in ("superseded", *_NEVER_WAS):
        kind = text(found.get("source_type"), found.get("type")) or "note"
        yield DocumentExcerpt(text(found.get("title"), found.get("name")) or "Document", words, written, kind)


def _status(found: JsonObject) -> str:
    return text(found.get("status"), found.get("clinical_status")).lower()


def _private(patient: JsonObject, summary: JsonObject) -> Private:
    name = patient.get("name")
    names = [text(each) for each in as_object(name).values()] if isinstance(name, dict) else [text(name)]
    names += [text(patient.get(key)) for key in ("first_name", "last_name", "full_name")]
    address = patient.get("address")
    others = [text(patient.get("mrn")), text(address)]
    others += [text(as_object(address).get(key)) for key in ("line1", "line2", "street", "city", "zip")]
    others += [text(patient.get(key)) for key in ("phone", "email", "ssn", "_id")]
    others += [text(claim.get("payer")) for claim in objects(_either(summary, "recent_claims", "claims"))]
    born = text(*(patient.get(key) for key in _BIRTH))
    return Private(tuple(filter(None, names)), (*filter(None, others), *written_dates(born)))
