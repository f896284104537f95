"""From what a foreign system wrote to a `PatientRecord`: what repeats, what is a placeholder, what comes first. Pure.

The last step of both mappings, FHIR and CarePath, so that one patient reads the same whichever way the record came.
Lists are sorted here by their own content: servers give no order that one could rely on.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date

from service_chat.records.observations import Reading, sorted_out
from service_chat.records.ports import (
    Allergy,
    AllergyStatus,
    Condition,
    DocumentExcerpt,
    Encounter,
    Medication,
    PatientRecord,
    Sex,
)
from service_chat.records.pregnancy import Evidence, pregnancy_of
from service_chat.records.redaction import Private, redacted

MAX_ENCOUNTERS = 2
MAX_DOCUMENTS = 5
#: Characters of one document: more than any prompt takes.
MAX_DOCUMENT_CHARS = 20_000
ON_HOLD = "on hold"

_NONE_KNOWN = re.compile(
    r"^(?:no|without|denies)(?: any)? (?:known |history of )?(?:(?P<what>drug|medication|medicine|food|environmental|"
    r"insect|latex|animal) )?(?:allerg(?:y|ies)|allergens?)(?: to (?P<to>drug|medication|food)s?)?(?: known)?\.?$"
    r"|^n\.?k\.?(?P<d>d?)\.?a\.?$|^none(?: known)?\.?$",
    re.IGNORECASE,
)
#: "There is an allergy, and nobody wrote to what."
_PLACEHOLDER = re.compile(
    r"^(?:allergy to substance|allergic disposition|allergy|propensity to adverse reactions?)$", re.I
)
UNNAMED_SUBSTANCE = "substance not named"


@dataclass(slots=True)
class Parts:
    """What a mapping has found, as it came."""

    sex: Sex = Sex.UNKNOWN
    birth_date: date | None = None
    deceased: bool = False
    died: date | None = None
    conditions: list[Condition] = field(default_factory=list)
    medications: list[Medication] = field(default_factory=list)
    allergies: list[Allergy] = field(default_factory=list)
    #: What was asked about and denied: `drug`, `food`, …, or `all`.
    denied: set[str] = field(default_factory=set)
    readings: list[Reading] = field(default_factory=list)
    evidence: Evidence = field(default_factory=Evidence)
    encounters: list[Encounter] = field(default_factory=list)
    documents: list[DocumentExcerpt] = field(default_factory=list)
    private: Private = field(default_factory=Private)

    def note_allergy(self, allergy: Allergy) -> None:
        """An entry of an allergy list: an allergy, or the words for having none."""
        what = denied_by(allergy.substance)
        if what is not None:
            self.denied.add(what)
        else:
            self.allergies.append(allergy)


def denied_by(words: str) -> str | None:
    """What "no known … allergies" is about, `all` when it names nothing; None when the words mean something else."""
    match = _NONE_KNOWN.match(words.strip())
    if match is None:
        return None
    what = (match["what"] or match["to"] or ("drug" if match["d"] else "all")).lower()
    return "drug" if what in ("medication", "medicine") else what


def assemble(mrn: str, parts: Parts, today: date) -> PatientRecord:
    """The record as of `today`; of the dead as of the day of their death, where it is known."""
    as_of = parts.died if parts.deceased and parts.died else today
    conditions = _conditions(parts.conditions)
    vitals, labs = sorted_out(parts.readings)
    allergies = _allergies(parts.allergies)
    denied = () if allergies or "all" in parts.denied else tuple(sorted(parts.denied))
    found = pregnancy_of(parts.sex, parts.birth_date, conditions, parts.evidence, as_of)
    record = PatientRecord(
        mrn=mrn,
        sex=parts.sex,
        birth_date=parts.birth_date,
        pregnancy=found.status,
        gestation_weeks=(as_of - found.began).days // 7 if found.began else None,
        conditions=conditions,
        medications=_medications(parts.medications),
        allergy_status=_status(allergies, parts.denied),
        allergies=allergies,
        vitals=vitals,
        labs=labs,
        encounters=_encounters(parts),
        documents=_documents(parts),
        as_of=as_of,
        deceased=parts.deceased,
        allergies_denied=denied,
        pregnancy_began=found.began,
        pregnancy_holds_until=found.holds_until,
    )
    return record.on(today)


def _status(allergies: Iterable[Allergy], denied: Iterable[str]) -> AllergyStatus:
    if tuple(allergies):
        return AllergyStatus.LISTED
    return AllergyStatus.NONE_KNOWN if tuple(denied) else AllergyStatus.NOT_RECORDED


def _conditions(found: Iterable[Condition]) -> tuple[Condition, ...]:
    """One for each name: active since its first onset, or else its last time. Names are written again at each visit."""
    kept: dict[str, Condition] = {}
    for condition in found:
        name = condition.display.casefold()
        kept[name] = _same_condition(kept[name], condition) if name in kept else condition
    by_name = sorted(kept.values(), key=lambda each: each.display.casefold())
    return tuple(sorted(by_name, key=lambda each: each.onset or date.min, reverse=True))


def _same_condition(one: Condition, other: Condition) -> Condition:
    if one.active != other.active:
        return one if one.active else other
    first, last = sorted((one, other), key=lambda each: (each.onset or date.max, each.code, each.resolved or date.max))
    return first if one.active or last.onset is None else last


def _medications(found: Iterable[Medication]) -> tuple[Medication, ...]:
    """One for each name and each code: renewed prescriptions are one drug, taken since the first of them."""
    merged: list[Medication] = []
    # The newest first, so that it is its dosage that stands.
    by_name = sorted(found, key=lambda each: (each.name.casefold(), each.sig or "", each.code or ""))
    for drug in sorted(by_name, key=lambda each: each.started or date.min, reverse=True):
        for number, known in enumerate(merged):
            if drug.name.casefold() == known.name.casefold() or (drug.code and drug.code == known.code):
                merged[number] = _same_drug(known, drug)
                break
        else:
            merged.append(drug)
    marked = [_marked(drug) for drug in merged]
    return tuple(sorted(marked, key=lambda each: each.started or date.min, reverse=True))


def _same_drug(newer: Medication, older: Medication) -> Medication:
    return replace(
        newer,
        sig=newer.sig or older.sig,
        started=older.started or newer.started,
        code=newer.code or older.code,
        on_hold=newer.on_hold and older.on_hold,
    )


def _marked(drug: Medication) -> Medication:
    if not drug.on_hold:
        return drug
    return replace(drug, sig=f"{ON_HOLD}; {drug.sig}" if drug.sig else ON_HOLD)


def _allergies(found: Iterable[Allergy]) -> tuple[Allergy, ...]:
    """One for each substance. The placeholder is left out beside named ones, and stands alone where it is alone."""
    kept: dict[str, Allergy] = {}
    unnamed: list[Allergy] = []
    for allergy in sorted(found, key=lambda each: (each.substance.casefold(), each.reaction or "", each.code or "")):
        name = allergy.substance.casefold()
        if not name or name == UNNAMED_SUBSTANCE or _PLACEHOLDER.match(name):
            unnamed.append(replace(allergy, substance=UNNAMED_SUBSTANCE, code=None))
        elif name in kept:
            kept[name] = _same_allergy(kept[name], allergy)
        else:
            kept[name] = allergy
    # A placeholder with a reaction of its own says something.
    told = [allergy for allergy in unnamed if allergy.reaction][:1]
    return (*kept.values(), *(told or ([] if kept else unnamed[:1])))


_SEVERITIES = (None, "mild", "moderate", "severe")


def worst(*severities: str | None) -> str | None:
    return max((each if each in _SEVERITIES else None for each in severities), key=_SEVERITIES.index, default=None)


def _same_allergy(one: Allergy, other: Allergy) -> Allergy:
    reactions = [part for each in (one, other) if each.reaction for part in each.reaction.split(", ")]
    return Allergy(
        one.substance,
        ", ".join(dict.fromkeys(reactions)) or None,
        worst(one.severity, other.severity),
        one.code or other.code,
        "high" if "high" in (one.criticality, other.criticality) else one.criticality or other.criticality,
    )


def _encounters(parts: Parts) -> tuple[Encounter, ...]:
    by_reason = sorted(parts.encounters, key=lambda each: (each.reason, each.kind))
    newest = sorted(by_reason, key=lambda each: each.started_at, reverse=True)[:MAX_ENCOUNTERS]
    return tuple(
        replace(each, reason=redacted(each.reason, parts.private), notes=redacted(each.notes, parts.private))
        for each in newest
    )


def _documents(parts: Parts) -> tuple[DocumentExcerpt, ...]:
    by_title = sorted(parts.documents, key=lambda each: (each.title, each.text))
    newest = sorted(by_title, key=lambda each: each.written_at, reverse=True)[:MAX_DOCUMENTS]
    return tuple(
        replace(
            each,
            title=redacted(each.title, parts.private),
            text=redacted(each.text[: 2 * MAX_DOCUMENT_CHARS], parts.private)[:MAX_DOCUMENT_CHARS],
        )
        for each in newest
    )
