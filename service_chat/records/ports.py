"""The port to patient records, and the values that cross it. One model for every store: SQLite, FHIR or another API.

Called by `service_chat.services`, which picks what a prompt needs (never name, MRN or birth date). Stores translate
their own schema into these values and leave all judgement to the callers: nothing here is filtered by importance.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol


class Sex(StrEnum):
    FEMALE = "F"
    MALE = "M"
    UNKNOWN = "U"


class Pregnancy(StrEnum):
    """Not recorded is not the same as no."""

    PREGNANT = "pregnant"
    NOT_PREGNANT = "not_pregnant"
    NOT_RECORDED = "not_recorded"


class AllergyStatus(StrEnum):
    """An empty list means one of two things, and they must not be mixed up."""

    LISTED = "listed"
    NONE_KNOWN = "none_known"  #: somebody asked and the answer was no
    NOT_RECORDED = "not_recorded"  #: nobody asked


class ConditionKind(StrEnum):
    """Problem lists hold more than diseases; more than half of a list can be something else."""

    DISEASE = "disease"  #: also symptoms and findings of the body
    HISTORY = "history"  #: "history of …": it is known that it was
    SOCIAL = "social"  #: work, schooling, housing, safety at home, paperwork: true, and no disease


@dataclass(frozen=True, slots=True)
class Condition:
    display: str
    code: str  #: ICD-10-CM in the embedded store; ICD-10 or SNOMED CT elsewhere; may be empty
    onset: date | None = None
    resolved: date | None = None  #: None: still active, or `inactive`
    inactive: bool = False  #: over, or in remission, since a day that nobody wrote down
    kind: ConditionKind = ConditionKind.DISEASE

    @property
    def active(self) -> bool:
        return self.resolved is None and not self.inactive


@dataclass(frozen=True, slots=True)
class Medication:
    """An active drug, as a human wrote it down: `sig` is the dosage instruction."""

    name: str
    sig: str | None = None
    started: date | None = None
    code: str | None = None  #: RxNorm, where the store knows it
    on_hold: bool = False  #: interrupted, and meant to go on; `sig` then begins with these words


@dataclass(frozen=True, slots=True)
class Allergy:
    substance: str
    reaction: str | None = None
    severity: str | None = None  #: mild, moderate or severe: the worst reaction so far
    code: str | None = None  #: RxNorm or SNOMED CT, where the store knows it
    criticality: str | None = None  #: high or low: what the next reaction may be


@dataclass(frozen=True, slots=True)
class Observation:
    """One vital sign or laboratory value."""

    name: str
    value: float
    unit: str
    taken_at: datetime  #: UTC
    loinc: str | None = None
    comparator: str = ""  #: `<`, `<=`, `>=` or `>`, where the true value lies beyond `value`


@dataclass(frozen=True, slots=True)
class Encounter:
    kind: str  #: office, telehealth, emergency or inpatient
    started_at: datetime  #: UTC
    reason: str
    notes: str = ""


@dataclass(frozen=True, slots=True)
class DocumentExcerpt:
    title: str
    text: str
    written_at: datetime  #: UTC
    kind: str = "note"


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """All that a store knows and a prompt may draw on. Lists are newest first."""

    mrn: str
    sex: Sex
    birth_date: date | None
    pregnancy: Pregnancy
    gestation_weeks: int | None  #: on `as_of`, when pregnant and known
    conditions: tuple[Condition, ...]
    medications: tuple[Medication, ...]  #: active ones only
    allergy_status: AllergyStatus
    allergies: tuple[Allergy, ...]
    vitals: tuple[Observation, ...]
    labs: tuple[Observation, ...]
    encounters: tuple[Encounter, ...]  #: the newest two at most
    documents: tuple[DocumentExcerpt, ...]
    #: The day the record describes: ages are counted to here. Today, but for made-up patients and the dead.
    as_of: date
    deceased: bool = False
    #: What was asked about where nothing was found: `drug`, `food`, …; empty: about all allergies.
    allergies_denied: tuple[str, ...] = ()
    #: Day 0 of the pregnancy: the first day of the last period, or what comes nearest to it.
    pregnancy_began: date | None = None
    #: After this day `pregnancy` says nothing any more.
    pregnancy_holds_until: date | None = None

    @property
    def age_years(self) -> int | None:
        """Completed years on `as_of`."""
        born = self.birth_date
        if born is None:
            return None
        return self.as_of.year - born.year - ((self.as_of.month, self.as_of.day) < (born.month, born.day))

    def on(self, day: date) -> "PatientRecord":
        """The same record as it reads on a later day; that of the dead stays as it was."""
        if self.deceased:
            return self
        if self.pregnancy_holds_until is not None and day > self.pregnancy_holds_until:
            return replace(
                self,
                as_of=day,
                pregnancy=Pregnancy.NOT_RECORDED,
                gestation_weeks=None,
                pregnancy_began=None,
                pregnancy_holds_until=None,
            )
        began = self.pregnancy_began
        weeks = self.gestation_weeks if began is None else max(0, (day - began).days // 7)
        return replace(self, as_of=day, gestation_weeks=weeks)


class RecordStore(Protocol):
    async def patient(self, mrn: str) -> PatientRecord:
        """One record.

        Raises:
            NotFound: There is no patient with this number.
            AmbiguousPatient: There are several, and nobody may guess which one is meant.
            DependencyFailed: The store did not answer as agreed.
        """
        ...

    async def aclose(self) -> None: ...
