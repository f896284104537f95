"""What rules may know of a patient: classes, made from the record. Pure.

`services.triage` calls `facts_of` once a request, before it asks `assess`; `record_checks` uses the same classes for
what a text says of itself. Rules see `anticoagulant`, never a name, a number or a note. Only what is active counts:
resolved conditions and findings of a life ("unemployed", "housing unsatisfactory") are left out, and a pregnancy that
no one closed ends by itself after ten months. A drug on hold counts: its effect outlasts the last tablet.

Which codes and words mean which class stands in `data/conditions.toml` (`kinds`) and `data/drugs.toml` (`drugs`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from service_chat.records.ports import AllergyStatus, ConditionKind, Observation, PatientRecord, Pregnancy, Sex
from service_chat.safety.drugs import DrugTable
from service_chat.safety.kinds import Kinds, words_of
from service_chat.safety.packaged import Packaged, refuse
from service_chat.safety.text import split_words
from service_chat.safety.values import RecordFacts

#: A drug is new for so long.
NEW_FOR = timedelta(days=30)
#: After birth the dangers of pregnancy last for six weeks.
_AFTER_BIRTH = timedelta(days=42)
_LONGEST_PREGNANCY_WEEKS = 44
#: Laboratory values older than this say nothing of today.
_KIDNEY_LABS, _BLOOD_LABS = timedelta(days=730), timedelta(days=30)
_EGFR = frozenset({"33914-3", "48642-3", "48643-1", "50044-7", "62238-1", "69405-9", "77147-7", "88293-6", "98979-8"})
_NEUTROPHILS = frozenset({"751-8", "26499-4", "753-4"})
_LEUKOCYTES = frozenset({"6690-2", "26464-8"})
#: What is breathed in makes grave hay fever, not a grave reaction to the next sting or bite of food.
_INHALED = frozenset({"pollen", "mould", "dander"})
_SEVERE = ("severe", "high", "anaphyla", "life threat")


@dataclass(frozen=True, slots=True)
class FactTables:
    """What `facts_of` looks things up in. Made once at start."""

    drugs: DrugTable
    kinds: Kinds

    @classmethod
    def load(cls) -> "FactTables":
        """
        Raises:
            RulesError: A packaged table contradicts itself.
        """
        packaged, problems = Packaged(), list[str]()
        tables = cls(DrugTable.read(packaged, problems), Kinds.read(packaged, problems))
        refuse(problems)
        return tables


def facts_of(record: PatientRecord, tables: FactTables) -> RecordFacts:
    """The classes of a record on the day that it describes."""
    kinds, drugs = tables.kinds, tables.drugs
    drug_rows = [
        (name, medication.name)
        for medication in record.medications
        for name in sorted(drugs.classes_of(medication.name, medication.code))
    ]
    condition_rows = [*_conditions(record, kinds), *_from_labs(record)]
    pregnant, weeks = _pregnancy(record, kinds)
    return RecordFacts(
        age_years=_age(record.birth_date, record.as_of),
        sex=record.sex.value,
        pregnant=pregnant,
        gestation_weeks=weeks,
        drugs=_once(drug_rows),
        conditions=_once(condition_rows),
        allergies=_once(_allergies(record, tables)),
        new_drugs=tuple(
            dict.fromkeys(
                medication.name
                for medication in record.medications
                if medication.started is not None and record.as_of - NEW_FOR <= medication.started <= record.as_of
            )
        ),
        deceased=record.deceased,
    )


def allergy_classes(display: str, tables: FactTables, code: str = "") -> tuple[str, ...]:
    """The families and allergens that an allergy names; nothing for a placeholder such as "Allergy to substance"."""
    allergens = tables.kinds.allergens_of(display, code)
    named = tables.drugs.find(split_words(display))
    if any(f" {word}" in f" {words_of(display)} " for word in tables.kinds.not_words):
        return ()
    # A local form says where it touched, not what the body refuses: "hydrocortisone cream" is hydrocortisone here.
    found = frozenset().union(*(mention.entry.classes for mention in named))
    return (*allergens, *sorted(found.difference(allergens)))


def _conditions(record: PatientRecord, kinds: Kinds) -> Iterable[tuple[str, str]]:
    lasting = {kind.name: kind.longest for kind in kinds.conditions}
    for condition in record.conditions:
        if condition.kind is ConditionKind.SOCIAL:
            continue
        for name in kinds.conditions_of(condition.display, condition.code):
            longest = lasting[name]
            old = longest is not None and condition.onset is not None and record.as_of - condition.onset > longest
            if condition.active and not old and not (name == "pregnancy" and record.sex is Sex.MALE):
                yield name, condition.display
            born = name == "pregnancy" and condition.resolved is not None
            if born and condition.resolved and timedelta(0) <= record.as_of - condition.resolved <= _AFTER_BIRTH:
                yield "postpartum", condition.display


def _pregnancy(record: PatientRecord, kinds: Kinds) -> tuple[bool | None, int | None]:
    """Whether she is pregnant, and the completed weeks where they are known.

    An active diagnosis speaks where the field is silent; a recorded "no" is overruled by it, because a pregnancy is
    coded when it is found and a field is forgotten.
    """
    weeks = record.gestation_weeks
    if record.pregnancy is Pregnancy.PREGNANT:
        return True, weeks
    begun = [
        condition.onset
        for condition in record.conditions
        if condition.active and "pregnancy" in kinds.conditions_of(condition.display, condition.code)
    ]
    lasting = [onset for onset in begun if onset is None or _weeks(onset, record.as_of) <= _LONGEST_PREGNANCY_WEEKS]
    if lasting and record.sex is not Sex.MALE:
        known = [_weeks(onset, record.as_of) for onset in lasting if onset is not None]
        return True, weeks if weeks is not None else max(known, default=None)
    return (False if record.pregnancy is Pregnancy.NOT_PREGNANT else None), None


def _allergies(record: PatientRecord, tables: FactTables) -> Iterable[tuple[str, str]]:
    if record.allergy_status is AllergyStatus.LISTED:
        for allergy in record.allergies:
            grave = words_of(f"{allergy.reaction or ''} {allergy.severity or ''} {allergy.criticality or ''}")
            names = allergy_classes(allergy.substance, tables, allergy.code or "")
            for name in names:
                yield name, allergy.substance
            if not _INHALED.issuperset(names) and any(word in grave for word in _SEVERE):
                yield "severe", allergy.substance
    for condition in record.conditions:
        # Some records keep allergies among the problems: "Allergy to penicillin", Z88.0, Z91.010.
        bare = condition.code.replace(".", "").upper()
        if condition.active and ("allerg" in words_of(condition.display) or bare.startswith(("Z88", "Z910"))):
            for name in allergy_classes(condition.display, tables, condition.code):
                yield name, condition.display


def _from_labs(record: PatientRecord) -> Iterable[tuple[str, str]]:
    """Organs that fail in numbers before anybody has coded it."""
    if (egfr := _latest(record, _EGFR, _KIDNEY_LABS)) is not None and 0 < egfr.value < 60:
        yield "kidney_disease", egfr.name
        if egfr.value < 30:
            yield "kidney_failure", egfr.name
    for codes, bound in ((_NEUTROPHILS, 1.0), (_LEUKOCYTES, 1.5)):
        cells = _latest(record, codes, _BLOOD_LABS)
        # The unit tells thousands from single cells: 10*3/uL and 10*9/L count alike, /uL a thousand times as much.
        if cells is not None and "10" in cells.unit and 0 <= cells.value < bound:
            yield "neutropenia", cells.name


def _latest(record: PatientRecord, codes: frozenset[str], within: timedelta) -> Observation | None:
    fresh = [lab for lab in record.labs if lab.loinc in codes and record.as_of - lab.taken_at.date() <= within]
    return max(fresh, key=lambda lab: lab.taken_at, default=None)


def _age(born: date | None, today: date) -> float | None:
    """Years with their fraction: completed years are its whole part, also on a birthday and in a leap year."""
    if born is None or born > today:
        return None
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    last = _birthday(born, born.year + years)
    following = _birthday(born, born.year + years + 1)
    return years + (today - last).days / (following - last).days


def _birthday(born: date, year: int) -> date:
    try:
        return born.replace(year=year)
    except ValueError:  # the 29th of February, in a year without one
        return date(year, 3, 1)


def _weeks(onset: date, today: date) -> int:
    return max(0, (today - onset).days // 7)


def _once(rows: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(dict.fromkeys(rows))
