import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from serving.errors import DependencyFailed
from serving.private_file import Tables, moment, open_private, writing

TABLES = Tables("note book", 1, ("CREATE TABLE notes (text TEXT)",), ("synchronous = FULL",), "keep it")


def test_a_missing_file_is_made_with_its_tables_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "not" / "there" / "notes.sqlite"
    for _ in range(2):
        with closing(open_private(path, TABLES)) as connection:
            connection.execute("INSERT INTO notes VALUES ('a')")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_of_another_version_is_refused_with_both_numbers_and_the_advice(tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite"
    open_private(path, replace(TABLES, version=7)).close()
    with pytest.raises(DependencyFailed, match="has schema 7, this release writes 1; keep it") as refused:
        open_private(path, TABLES)
    assert refused.value.details == {"found": 7, "expected": 1}


def test_what_is_no_database_is_named_and_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite"
    path.write_bytes(b"what somebody said" * 100)
    with pytest.raises(DependencyFailed, match=r"The note book notes\.sqlite can not be opened\.") as refused:
        open_private(path, TABLES)
    assert refused.value.details == {"reason": "DatabaseError"}


def test_a_block_that_fails_writes_nothing_and_leaves_the_file_free(tmp_path: Path) -> None:
    def half(connection: sqlite3.Connection) -> None:
        with writing(connection):
            connection.execute("INSERT INTO notes VALUES ('a')")
            connection.execute("INSERT INTO nowhere VALUES ('b')")

    path = tmp_path / "notes.sqlite"
    with closing(open_private(path, TABLES)) as one, closing(open_private(path, TABLES)) as other:
        with pytest.raises(sqlite3.OperationalError):
            half(one)
        with writing(other):
            other.execute("INSERT INTO notes VALUES ('c')")
        assert one.execute("SELECT text FROM notes").fetchall() == [("c",)]


def test_a_moment_is_told_in_utc_and_milliseconds() -> None:
    at = datetime(2026, 3, 1, 13, 5, 6, 7_000, timezone(timedelta(hours=2)))
    assert moment(at) == "2026-03-01T11:05:06.007Z"
