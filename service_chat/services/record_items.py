"""The items of a record: what a prompt may hold and an answer may cite, each with a short id. Pure.

Called by `context`. One function for each list of a record, and one value for all: which item matters most is said
here, by its tier; what fits is `fitting`'s to say.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum, StrEnum

from service_chat.records.ports import Allergy, Condition, ConditionKind, Medication, Observation, PatientRecord
from service_chat.services.redaction import Redaction
from service_chat.services.sentences import sentence_spans

#: Characters of a note or a document: an excerpt shows what it is about and can be cited in full.
_EXCERPT = 600
#: Characters of it that are read for that. A letter may have pages, and all of this runs on the event loop.
_READ = 4 * _EXCERPT
#: Encounters. Stores may hand over more.
_MOST_VISITS = 2
#: Of one laboratory value: the newest, and the one before it, which says where it is going.
_MOST_OF_A_LAB = 2
_OLD = timedelta(days=365)
#: In names of vital signs and laboratory values, the one looked for first in front.
_LOOKED_FOR = (
    *("systolic", "diastolic", "heart rate", "pulse", "oxygen saturation", "temperature", "respiratory rate"),
    *("troponin", "inr", "creatinine", "egfr", "glomerular", "potassium", "sodium", "glucose", "a1c", "hemoglobin"),
    *("haemoglobin", "platelets", "leukocytes", "neutrophils", "c reactive", "lactate", "lithium", "digoxin"),
    *("natriuretic", "bilirubin", "alanine aminotransferase", "thyrotropin", "weight"),
)
#: SNOMED CT ends a display with the kind of thing it is.
_TAG = re.compile(
    r"\s*\((?:disorder|finding|situation|person|procedure|event|substance|product|observable entity|"
    r"morphologic abnormality)\)\s*$",
    re.IGNORECASE,
)


class Kind(StrEnum):
    """Its first letter, in capitals, begins the ids."""

    ALLERGY = "allergy"
    MEDICATION = "medication"
    CONDITION = "condition"
    VITAL = "vital"
    LAB = "lab"
    ENCOUNTER = "encounter"
    DOCUMENT = "document"

    @property
    def letter(self) -> str:
        return self.value[0].upper()


class Tier(IntEnum):
    """How dear an item is. The highest leaves the prompt first, and `ALWAYS` never."""

    ALWAYS = 0  #: allergies and active drugs
    CURRENT = 1  #: active conditions, the newest vital signs, laboratory values of the last year
    SOCIAL = 2  #: what a list of problems holds that is no disease
    RESOLVED = 3
    OLD_LAB = 4
    ENCOUNTER = 5
    DOCUMENT = 6


@dataclass(frozen=True, slots=True)
class Item:
    id: str  #: `C1`: the letter of its kind and its place among them, the newest first
    kind: Kind
    text: str
    date: date | None
    source: str  #: where the record has it from: the list, and the code where there is one
    tier: Tier
    brief: str  #: `text` at its shortest, for a prompt that is too full


@dataclass(frozen=True, slots=True)
class _Entry:
    """An item before it has its number."""

    kind: Kind
    text: str
    date: date | None
    source: str
    tier: Tier
    brief: str = ""


def items_of(record: PatientRecord, redaction: Redaction) -> Iterator[Item]:
    """By kind in the order of `Kind`, ids are unique; nothing that `redaction` takes out is in them."""
    entries = [
        *_distinct(_allergy(allergy, redaction) for allergy in record.allergies),
        *_distinct(_medication(medication, redaction) for medication in record.medications),
        *_distinct(_condition(condition, redaction) for condition in _active_first(record.conditions)),
        *_newest(record.vitals, Kind.VITAL, record.as_of, most=1),
        *_newest(record.labs, Kind.LAB, record.as_of, most=_MOST_OF_A_LAB),
        *_visits(record, redaction),
        *_documents(record, redaction),
    ]
    counts: dict[Kind, int] = {}
    for entry in entries:
        number = counts[entry.kind] = counts.get(entry.kind, 0) + 1
        # What was measured on the day of birth would tell the day.
        at_birth = entry.date is not None and entry.date == record.birth_date
        yield Item(
            id=f"{entry.kind.letter}{number}",
            kind=entry.kind,
            text=f"{entry.text} (at birth)" if at_birth else entry.text,
            date=None if at_birth else entry.date,
            source=entry.source,
            tier=entry.tier,
            brief=entry.brief or entry.text,
        )


def _allergy(allergy: Allergy, redaction: Redaction) -> _Entry:
    substance = _plain(allergy.substance)
    severity = f"{allergy.severity} reaction so far" if allergy.severity else ""
    danger = "high risk" if allergy.criticality == "high" else ""
    told = [part for part in (redaction.typed(allergy.reaction or ""), severity, danger) if part]
    text = f"{substance} ({', '.join(told)})" if told else substance
    return _Entry(Kind.ALLERGY, text, None, _source("allergies", allergy.code), Tier.ALWAYS, substance)


def _medication(medication: Medication, redaction: Redaction) -> _Entry:
    name, sig = _plain(medication.name), redaction.typed(medication.sig or "")
    held = "on hold"
    if medication.on_hold and not sig.casefold().startswith(held):
        sig = f"{held}; {sig}" if sig else held
    brief = f"{name}: {held}" if medication.on_hold else name
    text = f"{name}: {sig}" if sig else name
    return _Entry(Kind.MEDICATION, text, medication.started, _source("medicines", medication.code), Tier.ALWAYS, brief)


def _active_first(conditions: Iterable[Condition]) -> list[Condition]:
    """Diseases before what is no disease, active before resolved; within these as they came, the newest first."""
    return sorted(conditions, key=lambda each: (not each.active, each.kind is ConditionKind.SOCIAL))


def _condition(condition: Condition, redaction: Redaction) -> _Entry:
    text = redaction.coded(_plain(condition.display))
    if not condition.active:
        over = f"resolved {condition.resolved:%Y-%m}" if condition.resolved is not None else "resolved"
        tier, text = Tier.RESOLVED, f"{text} ({over})"
    else:
        tier = Tier.SOCIAL if condition.kind is ConditionKind.SOCIAL else Tier.CURRENT
    return _Entry(Kind.CONDITION, text, condition.onset, _source("conditions", condition.code), tier)


def _newest(observations: Iterable[Observation], kind: Kind, as_of: date, most: int) -> Iterator[_Entry]:
    """Of each kind of value. Two codes for one of them, as for oxygen, are told apart by name only.

    Those that a clinician looks for first stand first: a prompt that is too full loses the others.
    """
    return iter(sorted(_counted(observations, kind, as_of, most), key=lambda entry: (entry.tier, _rank(entry.text))))


def _counted(observations: Iterable[Observation], kind: Kind, as_of: date, most: int) -> Iterator[_Entry]:
    seen: dict[str, int] = {}
    for observation in sorted(observations, key=lambda each: each.taken_at, reverse=True):
        name = observation.name.casefold()
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > most:
            continue
        day = _day(observation.taken_at)
        old = kind is Kind.LAB and (seen[name] > 1 or as_of - day > _OLD)
        value = f"{observation.comparator}{_figure(observation.value)}"
        text = f"{observation.name} {value} {observation.unit}".rstrip()
        tier = Tier.OLD_LAB if old else Tier.CURRENT
        yield _Entry(kind, text, day, _source(f"{kind}s", observation.loinc), tier)


def _rank(text: str) -> int:
    name = text.casefold()
    return next((rank for rank, word in enumerate(_LOOKED_FOR) if word in name), len(_LOOKED_FOR))


def _figure(value: float) -> str:
    """Four digits are more than anybody measures, and in most vocabularies each is a token."""
    return f"{value:.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"


def _visits(record: PatientRecord, redaction: Redaction) -> Iterator[_Entry]:
    for encounter in record.encounters[:_MOST_VISITS]:
        reason = redaction.typed(_plain(encounter.reason))
        said = _excerpt(redaction.typed(encounter.notes[:_READ]))
        head = f"{encounter.kind} visit: {reason}" if reason else f"{encounter.kind} visit"
        text = f"{head}. {said}" if said else head
        yield _Entry(Kind.ENCOUNTER, text, _day(encounter.started_at), "encounters", Tier.ENCOUNTER, head)


def _documents(record: PatientRecord, redaction: Redaction) -> Iterator[_Entry]:
    for document in record.documents:
        title, said = redaction.typed(document.title), _excerpt(redaction.typed(document.text[:_READ]))
        text = f"{title}: {said}" if said else title
        day = _day(document.written_at)
        yield _Entry(Kind.DOCUMENT, text, day, f"documents, {document.kind}", Tier.DOCUMENT, title)


def _excerpt(text: str) -> str:
    """The beginning, whole sentences of it."""
    if len(text) <= _EXCERPT:
        return text
    end = 0
    for _, stop in sentence_spans(text, longest=_EXCERPT):
        if stop > _EXCERPT:
            break
        end = stop
    return f"{text[:end]} …"


def _distinct(entries: Iterable[_Entry]) -> Iterator[_Entry]:
    """Records repeat themselves: of equal texts the first stands, which is the newest."""
    seen: set[tuple[str, Tier]] = set()
    for entry in entries:
        key = (entry.text.casefold(), entry.tier)
        if entry.text and key not in seen:
            seen.add(key)
            yield entry


def _plain(display: str) -> str:
    return " ".join(_TAG.sub("", display).split())


def _source(where: str, code: str | None) -> str:
    return f"{where}, code {code}" if code else where


def _day(moment: datetime) -> date:
    return moment.date()
