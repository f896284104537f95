"""Fifty-one made-up patients, the same ones every time: P000001 to P000050 and P000123.

Called by `sqlite` when it creates its file, and by tests. Pure: a seed goes in, records come out. Only `random()` is
drawn from the generator, because that is the one method whose sequence Python promises to keep for a given seed.
"""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

from service_chat.records.ports import (
    Allergy,
    AllergyStatus,
    Condition,
    DocumentExcerpt,
    Encounter,
    Medication,
    Observation,
    PatientRecord,
    Pregnancy,
    Sex,
)
from service_chat.records.profiles import ALLERGENS, KINDS, RESOLVED, Kind, Lab

T = TypeVar("T")

SEED = 20260630
#: The day all records describe. Fixed, so that ages and "last month" stay true of each other.
AS_OF = date(2026, 6, 30)
MRNS: tuple[str, ...] = (*(f"P{number:06d}" for number in range(1, 51)), "P000123")
#: P000123 is the patient of the demo and of the old frontend's form: the one with the most to consider.
_SHOWN_FIRST = {"P000123": "anticoagulated"}


def synthetic_patients(seed: int = SEED) -> tuple[PatientRecord, ...]:
    """All of them, in the order of `MRNS`. Every kind of `profiles` occurs about three times."""
    by_name = {kind.name: kind for kind in KINDS}
    return tuple(
        _Draw(random.Random(f"{seed}:{mrn}"), mrn).patient(
            by_name[_SHOWN_FIRST[mrn]] if mrn in _SHOWN_FIRST else KINDS[number % len(KINDS)]
        )
        for number, mrn in enumerate(MRNS)
    )


class _Draw:
    def __init__(self, rng: random.Random, mrn: str) -> None:
        self._rng, self._mrn = rng, mrn

    def patient(self, kind: Kind) -> PatientRecord:
        born = AS_OF - timedelta(days=int(self._between(*kind.ages) * 365.25))
        sex = kind.sex or self._pick((Sex.FEMALE, Sex.MALE))
        age = (AS_OF - born).days / 365.25
        status, allergies = self._allergies(kind)
        encounters = self._encounters(kind)
        return PatientRecord(
            mrn=self._mrn,
            sex=sex,
            birth_date=born,
            pregnancy=self._pregnancy(kind, sex, age),
            gestation_weeks=int(self._between(*kind.gestation)) if kind.gestation else None,
            conditions=self._conditions(kind, born),
            medications=self._medications(kind, born),
            allergy_status=status,
            allergies=allergies,
            vitals=self._vitals(kind, age) if kind.has_history else (),
            labs=tuple(sorted(map(self._lab, kind.labs), key=lambda lab: lab.taken_at, reverse=True)),
            encounters=encounters,
            documents=self._documents(kind, encounters),
            as_of=AS_OF,
        )

    def _pregnancy(self, kind: Kind, sex: Sex, age: float) -> Pregnancy:
        if kind.gestation:
            return Pregnancy.PREGNANT
        if sex is Sex.MALE or not 12 <= age <= 55:
            return Pregnancy.NOT_PREGNANT
        return self._pick((Pregnancy.NOT_PREGNANT, Pregnancy.NOT_RECORDED))

    def _conditions(self, kind: Kind, born: date) -> tuple[Condition, ...]:
        newest = 270 if kind.gestation else 4000
        found = [Condition(display, code, self._day(30, newest, born)) for code, display in kind.conditions]
        if kind.has_history and self._chance(0.3) and (AS_OF - born).days > 3 * 365:
            code, display = self._pick(RESOLVED)
            onset = self._day(500, 1000, born)
            found.append(Condition(display, code, onset, onset + timedelta(days=int(self._between(10, 60)))))
        return tuple(sorted(found, key=lambda condition: condition.onset or born, reverse=True))

    def _medications(self, kind: Kind, born: date) -> tuple[Medication, ...]:
        taken = []
        for group in kind.drugs:
            drug = self._pick(group)
            taken.append(Medication(drug.name, drug.sig, self._day(20, 900, born), drug.rxnorm))
        return tuple(sorted(taken, key=lambda medication: medication.started or born, reverse=True))

    def _allergies(self, kind: Kind) -> tuple[AllergyStatus, tuple[Allergy, ...]]:
        status = kind.allergies or self._pick(
            (AllergyStatus.LISTED, AllergyStatus.LISTED, AllergyStatus.NONE_KNOWN, AllergyStatus.NOT_RECORDED)
        )
        if status is not AllergyStatus.LISTED:
            return status, ()
        wanted = 2 if self._chance(0.25) else 1
        pool = list(ALLERGENS)
        if kind.name == "anaphylaxis":
            first = next(entry for entry in pool if entry[0] == "Peanut")
            return status, (Allergy(*first),)
        return status, tuple(Allergy(*pool.pop(int(self._rng.random() * len(pool)))) for _ in range(wanted))

    def _vitals(self, kind: Kind, age: float) -> tuple[Observation, ...]:
        at = self._moment(1, 60)
        systolic = round(kind.systolic + self._between(-8, 8))
        pulse = self._between(110, 150) if age < 1 else self._between(75, 110) if age < 12 else self._between(58, 92)
        weight = 3.5 + 6 * age if age < 1 else 9 + 2.8 * age if age < 16 else self._between(52, 104)
        readings = (
            ("Systolic blood pressure", "8480-6", systolic, "mm[Hg]"),
            ("Diastolic blood pressure", "8462-4", round(systolic * self._between(0.58, 0.66)), "mm[Hg]"),
            ("Heart rate", "8867-4", round(pulse), "/min"),
            ("Body temperature", "8310-5", round(self._between(36.2, 37.2), 1), "Cel"),
            ("Oxygen saturation", "59408-5", round(self._between(95, 100)), "%"),
            ("Body weight", "29463-7", round(weight, 1), "kg"),
        )
        return tuple(Observation(name, value, unit, at, loinc) for name, loinc, value, unit in readings)

    def _lab(self, lab: Lab) -> Observation:
        return Observation(
            lab.name, round(self._between(lab.low, lab.high), lab.digits), lab.unit, self._moment(3, 200), lab.loinc
        )

    def _encounters(self, kind: Kind) -> tuple[Encounter, ...]:
        if not kind.has_history:
            return ()
        visits = [
            Encounter(
                self._pick(("office", "office", "telehealth", "emergency")),
                self._moment(5, 60),
                self._pick(kind.reasons),
                self._pick(kind.notes),
            )
        ]
        if self._chance(0.5):
            visits.append(Encounter("office", self._moment(90, 150), "Routine check-up", "No new complaints."))
        return tuple(visits)

    def _documents(self, kind: Kind, encounters: Sequence[Encounter]) -> tuple[DocumentExcerpt, ...]:
        if not encounters or self._chance(0.4):
            return ()
        seen = encounters[0]
        text = f"{seen.reason}. {seen.notes} Plan: {self._pick(('continue as before', 'bloods in six weeks'))}."
        return (DocumentExcerpt(f"Letter: {seen.reason.lower()}", text, seen.started_at + timedelta(days=1), "letter"),)

    # --- drawing --------------------------------------------------------------------------------------------------

    def _between(self, low: float, high: float) -> float:
        return low + (high - low) * self._rng.random()

    def _chance(self, probability: float) -> bool:
        return self._rng.random() < probability

    def _pick(self, choices: Sequence[T]) -> T:
        return choices[int(self._rng.random() * len(choices))]

    def _day(self, least_ago: int, most_ago: int, born: date) -> date:
        """A day in the past, but not before birth."""
        return max(born, AS_OF - timedelta(days=int(self._between(least_ago, most_ago))))

    def _moment(self, least_ago: int, most_ago: int) -> datetime:
        minutes = int(self._between(8 * 60, 17 * 60))
        day = AS_OF - timedelta(days=int(self._between(least_ago, most_ago)))
        return datetime.combine(day, time(minutes // 60, minutes % 60), UTC)
