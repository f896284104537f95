"""The vignettes of tests/vignettes: what somebody writes, who they are, and what an answer must say of it.

Called by `__main__` and by tests. A vignette that is wrong is an error with its file and line, never skipped: one that
nobody runs is a hole nobody sees.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from service_chat.records.ports import (
    Allergy,
    AllergyStatus,
    Condition,
    Medication,
    PatientRecord,
    Pregnancy,
    Sex,
)
from service_chat.safety.values import Acuity, Flag, Notice

FOLDER = Path(__file__).parents[2] / "tests" / "vignettes"
#: Drugs in `new_medications` were started this long ago, all others years ago.
NEW_FOR = timedelta(days=10)
OLD_FOR = timedelta(days=900)
_YEAR = 365.25


class BadVignette(Exception):
    """A vignette can not be read; the message says which and why."""


def acuity_of(code: object) -> object:
    """The level that callers know by this code.

    Raises:
        ValueError: There is none.
    """
    for level in Acuity:
        if level.code == code or level is code:
            return level
    raise ValueError(f"{code!r} is no acuity")


AcuityCode = Annotated[Acuity, BeforeValidator(acuity_of)]
#: As a record has it: female, male, unknown.
SexCode = Literal["F", "M", "U"]
Texts = tuple[Annotated[str, Field(min_length=1)], ...]


@dataclass(frozen=True, slots=True)
class Patient:
    """What the record says. What is absent is not recorded, which is not the same as no."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    age_years: Annotated[float, Field(ge=0, le=120)] | None = None
    sex: SexCode = "U"
    pregnant: bool | None = None
    gestation_weeks: Annotated[int, Field(ge=0, le=45)] | None = None
    conditions: Texts = ()  #: displays of active ones
    medications: Texts = ()  #: active, taken for years
    new_medications: Texts = ()  #: active, started lately
    allergies: Texts = ()

    def record(self, mrn: str, today: date) -> PatientRecord:
        """As a store would hand it out on `today`."""
        pregnancy = {True: Pregnancy.PREGNANT, False: Pregnancy.NOT_PREGNANT, None: Pregnancy.NOT_RECORDED}
        long_ago = today - OLD_FOR
        drugs = [
            *(Medication(name, started=today - NEW_FOR) for name in self.new_medications),
            *(Medication(name, started=long_ago) for name in self.medications),
        ]
        return PatientRecord(
            mrn=mrn,
            sex=Sex(self.sex),
            birth_date=None if self.age_years is None else today - timedelta(days=round(self.age_years * _YEAR)),
            pregnancy=pregnancy[self.pregnant],
            gestation_weeks=self.gestation_weeks,
            conditions=tuple(Condition(display, "", onset=long_ago) for display in self.conditions),
            medications=tuple(drugs),
            allergy_status=AllergyStatus.LISTED if self.allergies else AllergyStatus.NOT_RECORDED,
            allergies=tuple(Allergy(substance) for substance in self.allergies),
            vitals=(),
            labs=(),
            encounters=(),
            documents=(),
            as_of=today,
        )


@dataclass(frozen=True, slots=True)
class Vignette:
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    #: The name is a keyword in Python: the key in the file is `class`.
    kind: Annotated[str, Field(alias="class", pattern=r"^[a-z_]+$")]
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")]
    text: Annotated[str, Field(min_length=1, max_length=8000)]
    acuity_min: AcuityCode | None
    acuity_max: AcuityCode | None  #: a capped vignette: more would send somebody with a cold to hospital
    flags: tuple[Flag, ...]  #: must fire
    flags_not: tuple[Flag, ...]  #: must not
    notes: str
    patient: Patient | None = None
    notices: tuple[Notice, ...] = ()  #: must be given
    pair: str | None = None  #: the same words with and without a record that makes them grave
    order: int | None = None  #: of two in one class the higher one must never be answered below the lower one

    @property
    def emergency(self) -> bool:
        return self.acuity_min is not None and self.acuity_min >= Acuity.EMERGENCY

    def record(self, today: date) -> PatientRecord:
        return (self.patient or Patient()).record(self.id, today)


_VIGNETTE: TypeAdapter[Vignette] = TypeAdapter(Vignette)


def load(folder: Path = FOLDER) -> tuple[Vignette, ...]:
    """Every vignette of every `.jsonl` below `folder`, in the order of the names of the files.

    Raises:
        BadVignette: One can not be read, asks for nothing, contradicts itself, or has another one's id; or there is
            none at all.
    """
    found: dict[str, Vignette] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            where = f"{path.name}:{number}"
            vignette = read(line, where)
            if vignette.id in found:
                raise BadVignette(f"{where}: there is another {vignette.id}")
            found[vignette.id] = vignette
    if not found:
        raise BadVignette(f"no vignette in {folder.name}")
    return tuple(found.values())


def read(line: str, where: str) -> Vignette:
    """Raises BadVignette."""
    try:
        vignette = _VIGNETTE.validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "line"
        raise BadVignette(f"{where}: {place}: {first['msg']}") from error
    low, high = vignette.acuity_min, vignette.acuity_max
    if low is None and high is None:
        raise BadVignette(f"{where}: neither acuity_min nor acuity_max: any answer would do")
    if low is not None and high is not None and low > high:
        raise BadVignette(f"{where}: acuity_min is above acuity_max")
    if set(vignette.flags) & set(vignette.flags_not):
        raise BadVignette(f"{where}: a flag must fire and must not")
    return vignette


def pairs(vignettes: Iterable[Vignette]) -> dict[str, list[Vignette]]:
    """Vignettes that share a `pair`, in the order in which they come."""
    found: dict[str, list[Vignette]] = {}
    for vignette in vignettes:
        if vignette.pair is not None:
            found.setdefault(vignette.pair, []).append(vignette)
    return found
