"""The file of embedded records: its tables, how it is made, and how records are put into it.

`sqlite` reads through it and makes a missing file; `commands.records` imports into it. A new file is built beside its
place and moved there in one step: a crash leaves no half file, and two processes that start together both find a whole
one, with the same contents. An import changes the file in place, one patient a transaction, so that a service that
has it open goes on reading and sees whole patients only.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple
from datetime import date
from pathlib import Path
from uuid import uuid4

from service_chat.records.ports import PatientRecord
from service_chat.records.synthetic import synthetic_patients
from serving.errors import DependencyFailed

#: Goes up with every change to the tables. A file of another version is refused, not guessed at.
SCHEMA_VERSION = 2
#: Its files hold the made-up patients and nothing else: nothing is lost when they are made anew.
_REMADE_VERSION = 1

# `as_of` is null where a record is read as of today: imported patients grow older.
_SCHEMA = """
CREATE TABLE patients (
    mrn TEXT PRIMARY KEY, sex TEXT NOT NULL, birth_date TEXT, pregnancy TEXT NOT NULL, gestation_weeks INTEGER,
    allergy_status TEXT NOT NULL, as_of TEXT, deceased INTEGER NOT NULL, allergies_denied TEXT NOT NULL,
    pregnancy_began TEXT, pregnancy_holds_until TEXT
) WITHOUT ROWID;
CREATE TABLE conditions (
    mrn TEXT NOT NULL, display TEXT NOT NULL, code TEXT NOT NULL, onset TEXT, resolved TEXT, inactive INTEGER NOT NULL,
    kind TEXT NOT NULL
);
CREATE TABLE medications (
    mrn TEXT NOT NULL, name TEXT NOT NULL, sig TEXT, started TEXT, code TEXT, on_hold INTEGER NOT NULL
);
CREATE TABLE allergies (
    mrn TEXT NOT NULL, substance TEXT NOT NULL, reaction TEXT, severity TEXT, code TEXT, criticality TEXT
);
CREATE TABLE observations (
    mrn TEXT NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('vital', 'lab')), name TEXT NOT NULL, value REAL NOT NULL,
    unit TEXT NOT NULL, taken_at TEXT NOT NULL, loinc TEXT, comparator TEXT NOT NULL
);
CREATE TABLE encounters (
    mrn TEXT NOT NULL, kind TEXT NOT NULL, started_at TEXT NOT NULL, reason TEXT NOT NULL, notes TEXT NOT NULL
);
CREATE TABLE documents (
    mrn TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL, written_at TEXT NOT NULL, kind TEXT NOT NULL
);
"""
_PER_PATIENT = ("conditions", "medications", "allergies", "observations", "encounters", "documents")


def connect(path: Path) -> sqlite3.Connection:
    """A connection that can only read; a missing file is made first. Blocks; called on the confined thread.

    Raises:
        DependencyFailed: The file can not be made or read, or another version wrote it.
    """
    with _told_as_failed(path):
        _make_sure_of(path)
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        _check_version(connection, path)
    return connection


def create(path: Path, patients: Iterable[PatientRecord]) -> None:
    """Writes a whole store, as of the days that the records have, and moves it to `path` in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with closing(sqlite3.connect(building)) as connection:
            connection.executescript(_SCHEMA)
            for patient in patients:
                _insert(connection, patient, patient.as_of)
            for table in _PER_PATIENT:
                connection.execute(f"CREATE INDEX {table}_mrn ON {table} (mrn)")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.commit()
        building.replace(path)
    finally:
        building.unlink(missing_ok=True)


@contextmanager
def opened_for_import(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can write, for `put`; a missing file is made first.

    Raises:
        DependencyFailed: As `connect`; also inside, when a write fails.
    """
    with _told_as_failed(path):
        _make_sure_of(path)
        with closing(sqlite3.connect(path)) as connection:
            _check_version(connection, path)
            yield connection


def put(connection: sqlite3.Connection, patient: PatientRecord) -> bool:
    """Adds one patient, or replaces the one with this number; true when there was one. All of it or nothing.

    The living are read as of the day of the reading: an infant of today is no infant next year.
    """
    with connection:
        replaced = connection.execute("DELETE FROM patients WHERE mrn = ?", (patient.mrn,)).rowcount > 0
        for table in _PER_PATIENT:
            connection.execute(f"DELETE FROM {table} WHERE mrn = ?", (patient.mrn,))
        _insert(connection, patient, patient.as_of if patient.deceased else None)
    return replaced


@contextmanager
def _told_as_failed(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise DependencyFailed(f"The record store {path.name} can not be opened.", reason=str(error)) from error


def _make_sure_of(path: Path) -> None:
    if path.exists():
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            if _version(connection) != _REMADE_VERSION:
                return
    create(path, synthetic_patients())


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    version = _version(connection)
    if version != SCHEMA_VERSION:
        connection.close()
        raise DependencyFailed(
            f"The record store {path.name} has schema {version}, this release reads {SCHEMA_VERSION}; "
            "move the file away and a new one is made.",
            found=version,
            expected=SCHEMA_VERSION,
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _insert(connection: sqlite3.Connection, patient: PatientRecord, as_of: date | None) -> None:
    def insert(table: str, rows: Iterable[tuple[object, ...]]) -> None:
        for row in rows:
            cells = (patient.mrn, *(_cell(value) for value in row))
            connection.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(cells))})", cells)

    who = (patient.sex, patient.birth_date, patient.pregnancy, patient.gestation_weeks, patient.allergy_status)
    denied = " ".join(patient.allergies_denied)
    dates = (patient.pregnancy_began, patient.pregnancy_holds_until)
    insert("patients", [(*who, as_of, patient.deceased, denied, *dates)])
    insert("conditions", map(astuple, patient.conditions))
    insert("medications", map(astuple, patient.medications))
    insert("allergies", map(astuple, patient.allergies))
    insert("observations", (("vital", *astuple(vital)) for vital in patient.vitals))
    insert("observations", (("lab", *astuple(lab)) for lab in patient.labs))
    insert("encounters", map(astuple, patient.encounters))
    insert("documents", map(astuple, patient.documents))


def _cell(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value
