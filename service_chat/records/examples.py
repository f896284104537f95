"""A few of the made-up patients, each told in a line: for who tries the page and has no record number of his own.

Called by `wiring` once, when the embedded records have opened. A number is told only where the store holds the made-up
patient of that number, exactly as it was made: what somebody imported over it is a person, and is listed nowhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from service_chat.records.ports import PatientRecord, Pregnancy, RecordStore, Sex
from service_chat.records.synthetic import synthetic_patients
from serving.errors import SluiceError

#: Each makes triage harder in its own way; the first is the patient of the demo.
_TOLD = ("P000123", "P000003", "P000005", "P000007", "P000008", "P000009", "P000013", "P000018")
_MOST_CONDITIONS = 2
_ADULT = 18
_NOUNS = {Sex.FEMALE: ("Girl", "Woman"), Sex.MALE: ("Boy", "Man"), Sex.UNKNOWN: ("Child", "Person")}


@dataclass(frozen=True, slots=True)
class Example:
    mrn: str
    about: str  #: "Man, 64: atrial fibrillation"


async def examples_in(store: RecordStore) -> tuple[Example, ...]:
    """Those that the store holds as they were made; none where it can not be read."""
    made = {record.mrn: record for record in synthetic_patients()}
    found = []
    for mrn in _TOLD:
        try:
            if await store.patient(mrn) == made[mrn]:
                found.append(Example(mrn, _about(made[mrn])))
        except SluiceError:
            continue  # gone, or not to be read now: nothing that a start should fail for
    return tuple(found)


def _about(record: PatientRecord) -> str:
    years = record.age_years
    noun = _NOUNS[record.sex][years is not None and years >= _ADULT]
    age = f", {years or 'under 1'}" if years is not None else ""
    return f"{noun}{age}: {', '.join(_troubles(record)) or 'nothing on record'}"


def _troubles(record: PatientRecord) -> Iterator[str]:
    if record.pregnancy is Pregnancy.PREGNANT:
        yield f"pregnant, week {record.gestation_weeks}" if record.gestation_weeks else "pregnant"
    active = (condition.display for condition in record.conditions if condition.active)
    for _, display in zip(range(_MOST_CONDITIONS), active, strict=False):
        yield (display[0].lower() + display[1:]).split(",")[0]
