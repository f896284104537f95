"""Patient records in one SQLite file that makes itself: the default store, so that nothing has to be set up first.

Opened by `service_chat.wiring`. The connection lives on a thread of its own (`serving.confinement`) and only reads.
A missing file is built beside its place and moved there in one step: a crash leaves no half file, and two processes
that start together both find a whole one, with the same contents.
"""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import astuple
from datetime import date, datetime
from pathlib import Path
from typing import Self, TypeVar
from uuid import uuid4

from typing_extensions import override

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
    RecordStore,
    Sex,
)
from service_chat.records.synthetic import AS_OF, synthetic_patients
from serving.confinement import Confined
from serving.errors import DependencyFailed, NotFound

R = TypeVar("R")

#: Goes up with every change to the tables. A file of another version is refused, not guessed at.
SCHEMA_VERSION = 1
MAX_ENCOUNTERS = 2

_SCHEMA = """
CREATE TABLE store (as_of TEXT NOT NULL);
CREATE TABLE patients (
    mrn TEXT PRIMARY KEY, sex TEXT NOT NULL, birth_date TEXT, pregnancy TEXT NOT NULL, gestation_weeks INTEGER,
    allergy_status TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE conditions (mrn TEXT NOT NULL, display TEXT NOT NULL, code TEXT NOT NULL, onset TEXT, resolved TEXT);
CREATE TABLE medications (mrn TEXT NOT NULL, name TEXT NOT NULL, sig TEXT, started TEXT, code TEXT);
CREATE TABLE allergies (mrn TEXT NOT NULL, substance TEXT NOT NULL, reaction TEXT, severity TEXT);
CREATE TABLE observations (
    mrn TEXT NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('vital', 'lab')), name TEXT NOT NULL, value REAL NOT NULL,
    unit TEXT NOT NULL, taken_at TEXT NOT NULL, loinc TEXT
);
CREATE TABLE encounters (
    mrn TEXT NOT NULL, kind TEXT NOT NULL, started_at TEXT NOT NULL, reason TEXT NOT NULL, notes TEXT NOT NULL
);
CREATE TABLE documents (
    mrn TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL, written_at TEXT NOT NULL, kind TEXT NOT NULL
);
"""
_PER_PATIENT = ("conditions", "medications", "allergies", "observations", "encounters", "documents")


class SqliteRecords(RecordStore):
    def __init__(self, connection: Confined[sqlite3.Connection]) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Opens the file, or makes it first.

        Raises:
            DependencyFailed: It can not be made or read, or another version wrote it.
        """
        return cls(await Confined.open(lambda: connect(path), "records", sqlite3.Connection.close))

    @override
    async def patient(self, mrn: str) -> PatientRecord:
        return await self._call(lambda connection: read_patient(connection, mrn))

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


def connect(path: Path) -> sqlite3.Connection:
    """A connection that can only read. Blocks; called on the confined thread.

    Raises:
        DependencyFailed: See `SqliteRecords.open`.
    """
    try:
        if not path.exists():
            create(path, synthetic_patients())
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    except (sqlite3.Error, OSError) as error:
        raise DependencyFailed(f"The record store {path.name} can not be opened.", reason=str(error)) from error
    if version != SCHEMA_VERSION:
        connection.close()
        raise DependencyFailed(
            f"The record store {path.name} has schema {version}, this release reads {SCHEMA_VERSION}; "
            "move the file away and a new one is made.",
            found=version,
            expected=SCHEMA_VERSION,
        )
    return connection


def create(path: Path, patients: Iterable[PatientRecord]) -> None:
    """Writes a whole store and moves it to `path` in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with closing(sqlite3.connect(building)) as connection:
            connection.executescript(_SCHEMA)
            connection.execute("INSERT INTO store VALUES (?)", (AS_OF.isoformat(),))
            for patient in patients:
                _insert(connection, patient)
            for table in _PER_PATIENT:
                connection.execute(f"CREATE INDEX {table}_mrn ON {table} (mrn)")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.commit()
        building.replace(path)
    finally:
        building.unlink(missing_ok=True)


def _insert(connection: sqlite3.Connection, patient: PatientRecord) -> None:
    def insert(table: str, rows: Iterable[tuple[object, ...]]) -> None:
        for row in rows:
            cells = (patient.mrn, *(_cell(value) for value in row))
            connection.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(cells))})", cells)

    who = (patient.sex, patient.birth_date, patient.pregnancy, patient.gestation_weeks, patient.allergy_status)
    insert("patients", [who])
    insert("conditions", map(astuple, patient.conditions))
    insert("medications", map(astuple, patient.medications))
    insert("allergies", map(astuple, patient.allergies))
    insert("observations", (("vital", *astuple(vital)) for vital in patient.vitals))
    insert("observations", (("lab", *astuple(lab)) for lab in patient.labs))
    insert("encounters", map(astuple, patient.encounters))
    insert("documents", map(astuple, patient.documents))


def _cell(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def read_patient(connection: sqlite3.Connection, mrn: str) -> PatientRecord:
    """Raises NotFound; `sqlite3.Error` and ValueError for a broken file."""
    found = connection.execute(
        "SELECT sex, birth_date, pregnancy, gestation_weeks, allergy_status FROM patients WHERE mrn = ?", (mrn,)
    ).fetchone()
    if found is None:
        raise NotFound("Patient not found")
    sex, born, pregnancy, weeks, allergy_status = found

    def rows(columns: str, table: str, order: str, more: str = "") -> list[tuple[str, ...]]:
        query = f"SELECT {columns} FROM {table} WHERE mrn = ? {more} ORDER BY {order}"
        return connection.execute(query, (mrn,)).fetchall()

    def observations(kind: str) -> tuple[Observation, ...]:
        found = rows("name, value, unit, taken_at, loinc", "observations", "taken_at DESC, rowid", f"AND kind='{kind}'")
        return tuple(Observation(name, float(v), unit, _moment(at), loinc) for name, v, unit, at, loinc in found)

    return PatientRecord(
        mrn=mrn,
        sex=Sex(sex),
        birth_date=_day(born),
        pregnancy=Pregnancy(pregnancy),
        gestation_weeks=weeks,
        conditions=tuple(
            Condition(display, code, _day(onset), _day(resolved))
            for display, code, onset, resolved in rows(
                "display, code, onset, resolved", "conditions", "onset DESC, rowid"
            )
        ),
        medications=tuple(
            Medication(name, sig, _day(started), code)
            for name, sig, started, code in rows("name, sig, started, code", "medications", "started DESC, rowid")
        ),
        allergy_status=AllergyStatus(allergy_status),
        allergies=tuple(Allergy(*row) for row in rows("substance, reaction, severity", "allergies", "rowid")),
        vitals=observations("vital"),
        labs=observations("lab"),
        encounters=tuple(
            Encounter(kind, _moment(at), reason, notes)
            for kind, at, reason, notes in rows("kind, started_at, reason, notes", "encounters", "started_at DESC")
        )[:MAX_ENCOUNTERS],
        documents=tuple(
            DocumentExcerpt(title, text, _moment(at), kind)
            for title, text, at, kind in rows("title, text, written_at, kind", "documents", "written_at DESC, rowid")
        ),
        as_of=date.fromisoformat(connection.execute("SELECT as_of FROM store").fetchone()[0]),
    )


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
