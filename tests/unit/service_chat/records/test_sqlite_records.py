"""The embedded store: makes itself once, gives back what was put in, says clearly what it can not read."""

import asyncio
import multiprocessing
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from service_chat.records.ports import PatientRecord, Pregnancy, RecordStore, Sex
from service_chat.records.sqlite import SqliteRecords, read_patient
from service_chat.records.sqlite_file import SCHEMA_VERSION, connect, create, opened_for_import, put
from service_chat.records.synthetic import MRNS, synthetic_patients
from serving.errors import DependencyFailed, NotFound
from tests.fakes.clock import ManualClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "not" / "there" / "records.db"


async def test_the_store_gives_back_every_patient_as_it_was_put_in(path: Path) -> None:
    store = await SqliteRecords.open(path)
    try:
        for expected in synthetic_patients():
            assert await store.patient(expected.mrn) == expected
        assert await store.mrns() == tuple(sorted(MRNS))
    finally:
        await store.aclose()


def test_a_patient_is_read_whole_while_an_import_replaces_it(path: Path) -> None:
    before, after = (replace(synthetic_patients()[at], mrn="P1") for at in (0, 1))
    create(path, [before])
    statements = 0

    def import_in_between(_: str) -> None:
        nonlocal statements
        statements += 1
        if statements == 2:
            with opened_for_import(path) as other:
                put(other, after)

    with closing(connect(path)) as connection:
        connection.set_trace_callback(import_in_between)
        assert read_patient(connection, "P1", before.as_of) == before


def test_a_value_is_read_with_every_digit_that_was_measured(path: Path) -> None:
    patient = synthetic_patients()[0]
    exact = replace(patient, labs=tuple(replace(lab, value=0.1 + 0.2 + at) for at, lab in enumerate(patient.labs)))
    create(path, [exact])
    with closing(connect(path)) as connection:
        assert read_patient(connection, patient.mrn, patient.as_of) == exact


@pytest.mark.parametrize("mrn", ["P999999", "", "p000123", "P000123 ", "' OR 1=1 --", "../P000123"])
async def test_an_unknown_number_is_not_found(path: Path, mrn: str) -> None:
    store: RecordStore = await SqliteRecords.open(path)
    try:
        with pytest.raises(NotFound) as refused:
            await store.patient(mrn)
        assert mrn == "" or mrn not in str(refused.value)
    finally:
        await store.aclose()


async def test_an_existing_file_is_read_and_not_made_anew(path: Path) -> None:
    await asyncio.to_thread(create, path, synthetic_patients()[:1])
    store = await SqliteRecords.open(path)
    try:
        assert await store.mrns() == ("P000001",)
    finally:
        await store.aclose()


async def test_a_file_of_another_version_is_refused_by_both_numbers(path: Path) -> None:
    await asyncio.to_thread(create, path, [])
    await asyncio.to_thread(_execute, path, "PRAGMA user_version = 7")
    with pytest.raises(DependencyFailed, match=f"schema 7, this release reads {SCHEMA_VERSION}"):
        await SqliteRecords.open(path)


async def test_a_file_that_is_no_database_is_a_failed_dependency() -> None:
    not_a_database = Path(__file__)
    with pytest.raises(DependencyFailed):
        await SqliteRecords.open(not_a_database)


async def test_a_place_that_can_not_be_written_is_a_failed_dependency(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DependencyFailed):
        await SqliteRecords.open(tmp_path / "file" / "records.db")


async def test_a_damaged_row_is_a_failed_dependency_that_quotes_nothing(path: Path) -> None:
    await asyncio.to_thread(create, path, synthetic_patients())
    await asyncio.to_thread(_execute, path, "UPDATE patients SET birth_date = 'a secret' WHERE mrn = 'P000123'")
    store = await SqliteRecords.open(path)
    try:
        with pytest.raises(DependencyFailed) as failed:
            await store.patient("P000123")
        assert "secret" not in f"{failed.value.message} {failed.value.details}"
        assert (await store.patient("P000001")).mrn == "P000001"
    finally:
        await store.aclose()


def test_the_connection_can_not_write(path: Path) -> None:
    with closing(connect(path)) as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM patients")


def test_processes_that_start_together_all_find_a_whole_store(path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        counts = pool.map(_open_and_count, [path] * 6, chunksize=1)
    assert counts == [51] * 6
    assert [entry.name for entry in path.parent.iterdir()] == ["records.db"]


def _open_and_count(path: Path) -> int:
    with closing(connect(path)) as connection:
        count: int = connection.execute("SELECT count(*) FROM patients").fetchone()[0]
        return count


def test_a_build_that_fails_leaves_nothing_behind(path: Path) -> None:
    twice = synthetic_patients()[0]
    with pytest.raises(sqlite3.IntegrityError):
        create(path, [twice, twice])
    assert list(path.parent.iterdir()) == []


def _execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


async def test_a_file_of_the_first_version_is_made_anew_because_it_held_nobody_real(path: Path) -> None:
    await asyncio.to_thread(create, path, [])
    await asyncio.to_thread(_execute, path, "PRAGMA user_version = 1")
    store = await SqliteRecords.open(path)
    try:
        assert len(await store.mrns()) == len(MRNS)
    finally:
        await store.aclose()


async def test_a_patient_is_replaced_while_the_file_is_open_for_reading(path: Path) -> None:
    known = synthetic_patients()[0]
    store = await SqliteRecords.open(path)
    try:
        assert await asyncio.to_thread(_put, path, replace(known, sex=Sex.UNKNOWN)) is True
        assert await asyncio.to_thread(_put, path, replace(known, mrn="NEW-1")) is False
        assert (await store.patient(known.mrn)).sex is Sex.UNKNOWN
        assert len((await store.patient("NEW-1")).vitals) == len(known.vitals)
    finally:
        await store.aclose()


async def test_who_was_imported_is_read_as_of_today_and_the_dead_as_of_their_death(path: Path) -> None:
    known = replace(synthetic_patients()[0], birth_date=date(2025, 6, 1), as_of=date(2025, 12, 1))
    await asyncio.to_thread(_put, path, known)
    await asyncio.to_thread(_put, path, replace(known, mrn="DEAD-1", deceased=True))
    store = await SqliteRecords.open(path, ManualClock())
    try:
        living, dead = await store.patient(known.mrn), await store.patient("DEAD-1")
    finally:
        await store.aclose()
    assert (living.as_of, dead.as_of) == (date(2026, 1, 1), date(2025, 12, 1))
    assert dead.deceased


async def test_a_pregnancy_grows_with_the_day_and_ends(path: Path) -> None:
    pregnant = replace(
        synthetic_patients()[0],
        pregnancy=Pregnancy.PREGNANT,
        gestation_weeks=3,
        pregnancy_began=date(2025, 8, 1),
        pregnancy_holds_until=date(2026, 6, 1),
        as_of=date(2025, 8, 25),
    )
    assert pregnant.on(date(2026, 1, 2)).gestation_weeks == 22
    over = pregnant.on(date(2026, 6, 2))
    assert (over.pregnancy, over.gestation_weeks) == (Pregnancy.NOT_RECORDED, None)
    await asyncio.to_thread(_put, path, pregnant)
    store = await SqliteRecords.open(path, ManualClock())
    try:
        assert (await store.patient(pregnant.mrn)).gestation_weeks == 21
    finally:
        await store.aclose()


def _put(path: Path, patient: PatientRecord) -> bool:
    with opened_for_import(path) as connection:
        return put(connection, patient)
