"""Patient records in one SQLite file that makes itself: the default store, so that nothing has to be set up first.

Opened by `service_chat.wiring`. The connection lives on a thread of its own (`serving.confinement`) and only reads;
`sqlite_file` knows the tables and makes the file.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Self, TypeVar

from typing_extensions import override

from service_chat.records.ports import (
    Allergy,
    AllergyStatus,
    Condition,
    ConditionKind,
    DocumentExcerpt,
    Encounter,
    Medication,
    Observation,
    PatientRecord,
    Pregnancy,
    RecordStore,
    Sex,
)
from service_chat.records.sqlite_file import connect
from serving.clock import Clock, SystemClock
from serving.confinement import Confined
from serving.errors import DependencyFailed, NotFound

R = TypeVar("R")

MAX_ENCOUNTERS = 2


class SqliteRecords(RecordStore):
    def __init__(self, connection: Confined[sqlite3.Connection], clock: Clock) -> None:
        self._connection, self._clock = connection, clock

    @classmethod
    async def open(cls, path: Path, clock: Clock | None = None) -> Self:
        """Opens the file, or makes it first.

        Raises:
            DependencyFailed: It can not be made or read, or another version wrote it.
        """
        confined = await Confined.open(lambda: connect(path), "records", sqlite3.Connection.close)
        return cls(confined, clock or SystemClock())

    @override
    async def patient(self, mrn: str) -> PatientRecord:
        today = self._clock.now().date()
        return await self._call(lambda connection: read_patient(connection, mrn, today))

    async def mrns(self) -> tuple[str, ...]:
        """Every number in the file, sorted: for the picker of the demo page.

        Raises:
            DependencyFailed: The file did not answer.
        """
        return await self._call(
            lambda connection: tuple(row[0] for row in connection.execute("SELECT mrn FROM patients ORDER BY mrn"))
        )

    @override
    async def aclose(self) -> None:
        await self._connection.aclose()

    async def _call(self, work: Callable[[sqlite3.Connection], R]) -> R:
        try:
            return await self._connection.call(work)
        except (sqlite3.Error, ValueError) as error:  # ValueError: a cell that is no date, sex or status
            # The reason is a type only: SQLite's words may quote the row.
            raise DependencyFailed("The record store could not be read.", reason=type(error).__name__) from error


#: What a record consists of, beside the row of `patients`: the columns of each table.
_PARTS: Mapping[str, str] = {
    "conditions": "display, code, onset, resolved, inactive, kind",
    "medications": "name, sig, started, code, on_hold",
    "allergies": "substance, reaction, severity, code, criticality",
    # As text: JSON's numbers have fifteen digits here, and a value is read as it was measured.
    "observations": "kind, name, printf('%!.17g', value), unit, taken_at, loinc, comparator",
    "encounters": "kind, started_at, reason, notes",
    "documents": "title, text, written_at, kind",
}


def _part(table: str) -> str:
    columns = f"json_group_array(json_array(rowid, {_PARTS[table]}))"
    return f"(SELECT {columns} FROM {table} WHERE mrn = patients.mrn)"


# One statement, one row: it sees a patient whole while an import replaces them. And every step of SQLite gives up the
# interpreter, which a thread gets back from a busy loop after five milliseconds only: row by row, sixty times, a record
# once took longer than the caller could wait.
_RECORD = f"""
SELECT json_array(sex, birth_date, pregnancy, gestation_weeks, allergy_status, as_of, deceased, allergies_denied,
    pregnancy_began, pregnancy_holds_until), {", ".join(_part(table) for table in _PARTS)}
FROM patients WHERE mrn = ?
"""


def read_patient(connection: sqlite3.Connection, mrn: str, today: date) -> PatientRecord:
    """Raises NotFound; `sqlite3.Error` and ValueError for a broken file."""
    found = connection.execute(_RECORD, (mrn,)).fetchone()
    if found is None:
        raise NotFound("Patient not found")
    patient, *parts = (json.loads(part) for part in found)
    sex, born, pregnancy, weeks, allergy_status, as_of, deceased, denied, began, until = patient
    # In the order in which they were written; the first cell is the row's number.
    rows = {name: [row[1:] for row in sorted(part)] for name, part in zip(_PARTS, parts, strict=True)}

    def observations(wanted: str) -> tuple[Observation, ...]:
        return tuple(
            Observation(name, float(value), unit, _moment(at), loinc, comparator)
            for kind, name, value, unit, at, loinc, comparator in rows["observations"]
            if kind == wanted
        )

    record = PatientRecord(
        mrn=mrn,
        sex=Sex(sex),
        birth_date=_day(born),
        pregnancy=Pregnancy(pregnancy),
        gestation_weeks=weeks,
        conditions=tuple(
            Condition(display, code, _day(onset), _day(resolved), bool(inactive), ConditionKind(kind))
            for display, code, onset, resolved, inactive, kind in rows["conditions"]
        ),
        medications=tuple(
            Medication(name, sig, _day(started), code, bool(on_hold))
            for name, sig, started, code, on_hold in rows["medications"]
        ),
        allergy_status=AllergyStatus(allergy_status),
        allergies=tuple(Allergy(*row) for row in rows["allergies"]),
        vitals=observations("vital"),
        labs=observations("lab"),
        encounters=tuple(
            Encounter(kind, _moment(at), reason, notes)
            for kind, at, reason, notes in rows["encounters"][:MAX_ENCOUNTERS]
        ),
        documents=tuple(DocumentExcerpt(title, text, _moment(at), kind) for title, text, at, kind in rows["documents"]),
        as_of=today if as_of is None else date.fromisoformat(as_of),
        deceased=bool(deceased),
        allergies_denied=tuple(denied.split()),
        pregnancy_began=_day(began),
        pregnancy_holds_until=_day(until),
    )
    return record.on(today) if as_of is None else record


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
