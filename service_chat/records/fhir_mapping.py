"""From FHIR R4 resources to a `PatientRecord`. Pure; the one mapping of the import and of the `fhir` store.

Both hand in the patient and whatever resources they hold about them; what is not read here is passed over. Resources
are read for what they say (status, negation, units), and `assembly` puts it in order. Identifiers of resources go no
further than this room: the same patient has others on every server.
"""

import base64
import binascii
import html
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta

from service_chat.records.assembly import Parts, assemble, worst
from service_chat.records.fhir_drugs import DRUG_TYPES, Drugs
from service_chat.records.fhir_patient import patient_parts
from service_chat.records.fhir_values import (
    LOINC,
    RXNORM,
    SNOMED,
    Entry,
    codes,
    concept_text,
    has_code,
    plain_text,
    preferred_code,
    quantity,
    since,
    statuses,
    when,
)
from service_chat.records.json_values import JsonObject, as_object, day, number, objects, text
from service_chat.records.kinds import kind_of, without_tag
from service_chat.records.observations import Reading, known_vital
from service_chat.records.ports import Allergy, Condition, DocumentExcerpt, Encounter, PatientRecord

#: Of these resources a record is made; `Medication` is what prescriptions point to.
READ_TYPES = frozenset(
    {"Condition", "AllergyIntolerance", "Observation", "Encounter", "DocumentReference", "Medication", *DRUG_TYPES}
)

_NEVER_WAS = frozenset({"entered-in-error", "refuted"})
_DOUBTFUL = ("provisional", "differential", "unconfirmed")
_OVER = frozenset({"inactive", "resolved", "remission"})
_NONE_KNOWN = {
    "716186003": "all", "no-known-allergies": "all", "160244002": "all",
    "409137002": "drug", "no-known-medication-allergies": "drug", "no-known-drug-allergies": "drug",
    "429625007": "food", "no-known-food-allergies": "food",
    "428607008": "environmental", "no-known-environmental-allergies": "environmental",
    "428197003": "insect", "716184000": "latex", "1003774007": "latex",
}  # fmt: skip
#: "Nobody asked", written down as an allergy.
_NOT_ASKED = frozenset({"no-allergy-info", "716220001", "1631000175102"})
_PLACEHOLDER_CODES = frozenset({"419199007", "420134006", "418038007"})
_VISITS = {"AMB": "office", "VR": "telehealth", "EMER": "emergency", "HH": "home", "FLD": "home", "IMP": "inpatient",
           "ACUTE": "inpatient", "NONAC": "inpatient", "SS": "inpatient", "OBSENC": "inpatient"}  # fmt: skip
_NO_VISIT = frozenset({"planned", "cancelled", "entered-in-error", "discontinued"})
#: When it was measured.
EFFECTIVE = ("effectiveDateTime", "effectiveInstant", "effectivePeriod")
_NO_RESULT = frozenset({"entered-in-error", "cancelled", "registered"})

_PREGNANCY_STATUS = "82810-3"
_PREGNANT = frozenset({"77386006", "la15173-0", "pregnant", "yes"})
_NOT_PREGNANT = frozenset({"60001007", "la26683-5", "not pregnant", "no"})
_DUE = frozenset({"11778-8", "11779-6", "11780-4", "57063-0"})
_LAST_PERIOD = frozenset({"8665-2", "11955-2"})
_GESTATION = frozenset({"18185-9", "11884-4", "11885-1", "49051-6", "11887-7", "57714-8", "53693-8"})
_OF_PREGNANCY = frozenset({_PREGNANCY_STATUS}) | _DUE | _LAST_PERIOD | _GESTATION
_MARKUP = re.compile(r"<(?:script|style).*?</(?:script|style)>|<[^>]+>", re.IGNORECASE | re.DOTALL)


def record_from(mrn: str, patient: JsonObject, entries: Iterable[Entry], today: date) -> PatientRecord:
    """The record of the one `patient` to whom all `entries` belong; the caller has checked that they do."""
    parts = patient_parts(patient, today)
    found = list(entries)
    drugs = Drugs(found)
    readers: Mapping[str, Callable[[JsonObject, Parts], None]] = {
        "Condition": _condition,
        "AllergyIntolerance": _allergy,
        "Observation": _observation,
        "Encounter": _encounter,
        "DocumentReference": _document,
    }
    for entry in found:
        if entry.kind in DRUG_TYPES:
            parts.medications.extend(drugs.taken(entry.resource))
        elif entry.kind in readers:
            readers[entry.kind](entry.resource, parts)
    return assemble(mrn, parts, today)


def _condition(resource: JsonObject, parts: Parts) -> None:
    concept = resource.get("code")
    name, verified = concept_text(concept), statuses(resource.get("verificationStatus"))
    if not name or _NEVER_WAS.intersection(verified):
        return
    clinical = statuses(resource.get("clinicalStatus"))
    abated = [key for key in resource if key.startswith("abatement") and resource[key] is not False]
    # The status is what somebody decided; a date of abatement beside "active" is taken for a slip.
    over = bool(_OVER.intersection(clinical)) if clinical else bool(abated)
    doubt = next((f" ({each})" for each in _DOUBTFUL if each in verified), "")
    categories = tuple(code for each in objects(resource.get("category")) for code in codes(each))
    resolved = since(resource, "abatementDateTime", "abatementPeriod") if over else None
    onset = since(resource, "onsetDateTime", "onsetPeriod") or _at_age(resource.get("onsetAge"), parts.birth_date)
    parts.conditions.append(
        Condition(
            without_tag(name) + doubt,
            preferred_code(concept),
            onset or since(resource, "recordedDate", "assertedDate", "dateRecorded"),
            resolved,
            over and resolved is None,
            kind_of(name, codes(concept), categories),
        )
    )


def _at_age(age: object, born: date | None) -> date | None:
    found = quantity(age)
    if found is None or born is None:
        return None
    value, unit, _ = found
    one = {"a": 365.25, "mo": 30.44, "wk": 7, "d": 1}.get(unit, 365.25)
    return born + timedelta(days=round(value * one)) if 0 <= value * one < 130 * 366 else None


def _allergy(resource: JsonObject, parts: Parts) -> None:
    concept = resource.get("code")
    verified, clinical = statuses(resource.get("verificationStatus")), statuses(resource.get("clinicalStatus"))
    if (
        _NEVER_WAS.intersection(verified)
        or {"inactive", "resolved"}.intersection(clinical)
        or text(
            resource.get("status")  # STU3 had one status for both
        )
        in (*_NEVER_WAS, "inactive", "resolved")
    ):
        return
    found = codes(concept)
    if _NOT_ASKED.intersection(found):
        return
    denied = [_NONE_KNOWN[code] for code in found if code in _NONE_KNOWN]
    if denied:
        parts.denied.add(denied[0])
        return
    reactions = list(objects(resource.get("reaction")))
    substance = plain_text(concept, *(each.get("substance") for each in reactions))
    named = "" if _PLACEHOLDER_CODES.intersection(found) else substance
    signs = [plain_text(sign) for each in reactions for sign in objects(each.get("manifestation"))]
    told = signs or [text(each.get("description")) for each in reactions]
    drug_codes = codes(concept, RXNORM) or codes(concept, SNOMED) or found
    parts.note_allergy(
        Allergy(
            named,
            ", ".join(dict.fromkeys(sign for sign in told if sign)) or None,
            worst(*(text(each.get("severity")) or None for each in reactions)),
            drug_codes[0] if drug_codes else None,
            next((each for each in ("high", "low") if text(resource.get("criticality")).casefold() == each), None),
        )
    )


def _observation(resource: JsonObject, parts: Parts) -> None:
    if text(resource.get("status")) in _NO_RESULT:
        return
    at = when(resource, *EFFECTIVE, "issued")
    if at is None:
        return
    loincs = codes(resource.get("code"), LOINC)
    if _OF_PREGNANCY.intersection(loincs):
        _of_pregnancy(resource, loincs, at.date(), parts)
        return
    categories = {code for each in objects(resource.get("category")) for code in codes(each)}
    found: list[Reading] = []
    for piece in (resource, *objects(resource.get("component"))):
        concept = piece.get("code")
        loincs = codes(concept, LOINC)
        measured = quantity(piece.get("valueQuantity")) or _plain_number(piece.get("valueInteger"))
        vital = "vital-signs" in categories or known_vital(loincs) is not None
        # Without a category a coded number is a laboratory value; surveys and habits have one and are not read.
        if measured is None or not (vital or "laboratory" in categories or (not categories and loincs)):
            continue
        value, unit, comparator = measured
        found.append(Reading(plain_text(concept), loincs, value, unit, at, vital, comparator))
    if not _upside_down(found):
        parts.readings += found


def _upside_down(found: Iterable[Reading]) -> bool:
    """A panel of blood pressure whose diastolic value is not the lower one: nobody can say which of them is right."""
    pressure = {vital.name: reading.value for reading in found if (vital := known_vital(reading.loincs)) is not None}
    systolic, diastolic = pressure.get("Systolic blood pressure"), pressure.get("Diastolic blood pressure")
    return systolic is not None and diastolic is not None and diastolic >= systolic


def _plain_number(value: object) -> tuple[float, str, str] | None:
    found = number(value)
    return None if found is None else (found, "", "")


def _of_pregnancy(resource: JsonObject, loincs: tuple[str, ...], at: date, parts: Parts) -> None:
    evidence = parts.evidence
    told_day = day(resource.get("valueDateTime"), resource.get("valueDate"))
    if _PREGNANCY_STATUS in loincs:
        value = resource.get("valueCodeableConcept", {"text": resource.get("valueString")})
        if isinstance(resource.get("valueBoolean"), bool):
            evidence.statements.append((at, resource["valueBoolean"] is True))
        elif has_code(value, _PREGNANT):
            evidence.statements.append((at, True))
        elif has_code(value, _NOT_PREGNANT):
            evidence.statements.append((at, False))
    elif told_day is not None and _DUE.intersection(loincs):
        evidence.due.append((at, told_day))
    elif told_day is not None and _LAST_PERIOD.intersection(loincs):
        evidence.last_period.append((at, told_day))
    elif _GESTATION.intersection(loincs) and (measured := quantity(resource.get("valueQuantity"))) is not None:
        value, unit, _ = measured
        evidence.gestation.append((at, value / 7 if unit.lower() in ("d", "day", "days") else value))


def _encounter(resource: JsonObject, parts: Parts) -> None:
    began = when({"start": as_object(resource.get("period") or resource.get("actualPeriod")).get("start")}, "start")
    if began is None or text(resource.get("status")) in _NO_VISIT:
        return
    kinds = [text(each.get("code"), *codes(each)) for each in objects(resource.get("class"))]
    types = list(objects(resource.get("type")))
    reason = plain_text(*objects(resource.get("reasonCode")), *types)
    visit = next((_VISITS[code] for code in kinds if code in _VISITS), "office")
    parts.encounters.append(Encounter(visit, began, reason))


def _document(resource: JsonObject, parts: Parts) -> None:
    if text(resource.get("status")) not in ("", "current") or text(resource.get("docStatus")) == "entered-in-error":
        return
    for content in objects(resource.get("content")):
        attachment = as_object(content.get("attachment"))
        written = when({**attachment, **resource}, "date", "indexed", "created", "creation")
        words = _words_of(attachment)
        if words and written is not None:
            title = plain_text(resource.get("type")) or text(resource.get("description"), attachment.get("title"))
            parts.documents.append(DocumentExcerpt(title or "Document", words, written))


def _words_of(attachment: JsonObject) -> str:
    """The text that is in the resource itself; other media, and what lies elsewhere, are not read."""
    media, data = text(attachment.get("contentType")).lower(), attachment.get("data")
    if not isinstance(data, str) or not media.startswith("text/"):
        return ""
    try:
        found = base64.b64decode(data).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
    return html.unescape(_MARKUP.sub(" ", found)) if media.startswith("text/html") else found
