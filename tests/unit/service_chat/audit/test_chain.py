"""An audit file that somebody had their hands in: whatever they did, the verification names the row."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.audit.chain import COLUMNS, Keys, Link
from service_chat.audit.file import AuditFile, head_path
from service_chat.audit.ports import Entry
from service_chat.audit.verify import Verdict, verify
from serving.errors import DependencyFailed, InvalidInput

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEYED = Keys([b"k" * 32])
ROWS = 6
TEXTS = [name for name in (*COLUMNS, "hash") if name != "seq"]


def entries(count: int = ROWS) -> list[Entry]:
    return [
        Entry(
            NOON + timedelta(minutes=number),
            f"key-{number}",
            "triage",
            "answered",
            patient_ref="0123456789abcdef",
            acuity="urgent",
            rules=("cardiac.chest_pressure@1", "clot.calf@2"),
            trace_id=f"{number:032x}",
            job_id="job",
            conversation_id="conversation",
            detail="-",
        )
        for number in range(count)
    ]


def write(path: Path, keys: Keys, told: list[Entry]) -> Link:
    file = AuditFile.open(path, keys)
    try:
        return file.append(told)
    finally:
        file.close()


@pytest.fixture(scope="module", params=[Keys(), KEYED], ids=["plain", "keyed"])
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Keys]:
    """A sound file's bytes, and the keys it was made with."""
    path = tmp_path_factory.mktemp("sound") / "audit.sqlite"
    write(path, request.param, entries())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")  # one file, no log beside it
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")  # they stop nobody who means it
    return path.read_bytes(), request.param


def after(sound: tuple[bytes, Keys], harm: Callable[[sqlite3.Connection], object], noted: bool = True) -> Verdict:
    """What is said of the file when `harm` was done to it by somebody who knows SQLite."""
    content, keys = sound
    with TemporaryDirectory() as folder:
        path = Path(folder) / "audit.sqlite"
        path.write_bytes(content)
        if noted:
            head_path(path).write_text(str(_end(path)))
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            harm(connection)
            connection.commit()
        return verify(path, keys)


def _end(path: Path) -> Link:
    with closing(sqlite3.connect(path)) as connection:
        return Link(*connection.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone())


def blamed(verdict: Verdict) -> list[int]:
    return [fault.seq for fault in verdict.faults]


def test_a_file_that_nobody_touched_is_sound(sound: tuple[bytes, Keys]) -> None:
    verdict = after(sound, lambda _: None)
    assert (verdict.sound, verdict.rows, verdict.first, verdict.end.seq) == (True, ROWS, 1, ROWS)
    assert verdict.keyed == bool(sound[1].current)


@given(seq=st.integers(1, ROWS), column=st.sampled_from(TEXTS), at=st.integers(0, 1000), to=st.integers(0, 255))
def test_any_byte_that_was_changed_is_found_in_its_row(
    sound: tuple[bytes, Keys], seq: int, column: str, at: int, to: int
) -> None:
    changed = False

    def harm(connection: sqlite3.Connection) -> None:
        nonlocal changed
        query = f"SELECT CAST({column} AS BLOB) FROM audit WHERE seq = ?"
        (before,) = connection.execute(query, (seq,)).fetchone()
        if not before:
            before = b"-"
        place = at % len(before)
        now = before[:place] + bytes([to]) + before[place + 1 :]
        changed = now != (connection.execute(query, (seq,)).fetchone()[0] or b"")
        connection.execute(f"UPDATE audit SET {column} = CAST(? AS TEXT) WHERE seq = ?", (now, seq))

    verdict = after(sound, harm)
    assert verdict.sound == (not changed)
    if changed:
        # Its own row; where the hash itself was changed, the next one does not follow from it either.
        assert verdict.faults[0].seq == seq
        assert set(blamed(verdict)) <= {seq, seq + 1}


def test_another_table_in_the_place_of_the_audits_is_told_as_that(sound: tuple[bytes, Keys]) -> None:
    def replaced(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE audit RENAME TO old")
        connection.execute("CREATE TABLE audit AS SELECT * FROM old")
        connection.execute("UPDATE audit SET seq = 'two' WHERE seq = 2")

    with pytest.raises(DependencyFailed, match="not the one that was made"):
        after(sound, replaced)


@given(seq=st.integers(1, ROWS))
def test_any_row_that_was_taken_out_is_missed_by_its_number(sound: tuple[bytes, Keys], seq: int) -> None:
    verdict = after(sound, lambda connection: connection.execute("DELETE FROM audit WHERE seq = ?", (seq,)))
    assert verdict.faults[0].seq == seq


@given(first=st.integers(1, ROWS), second=st.integers(1, ROWS))
def test_rows_that_changed_places_are_found(sound: tuple[bytes, Keys], first: int, second: int) -> None:
    def harm(connection: sqlite3.Connection) -> None:
        for before, now in ((first, -1), (second, first), (-1, second)):
            connection.execute("UPDATE audit SET seq = ? WHERE seq = ?", (now, before))

    verdict = after(sound, harm if first != second else lambda _: None)
    assert verdict.sound == (first == second)
    if first != second:
        assert verdict.faults[0].seq == min(first, second)


@given(seq=st.integers(1, ROWS))
def test_a_row_that_was_put_in_is_found_whoever_was_renumbered_for_it(sound: tuple[bytes, Keys], seq: int) -> None:
    names = ", ".join((*COLUMNS[1:], "hash"))

    def harm(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE audit SET seq = -seq WHERE seq >= ?", (seq,))
        connection.execute("UPDATE audit SET seq = 1 - seq WHERE seq < 0")
        connection.execute(
            f"INSERT INTO audit (seq, {names}) SELECT ?, {names} FROM audit WHERE seq = ?",
            (seq, 1 if seq > 1 else ROWS + 1),
        )

    assert after(sound, harm).faults[0].seq == seq


@given(left=st.integers(0, ROWS - 1))
def test_an_end_that_was_cut_off_is_missed_because_of_the_note(sound: tuple[bytes, Keys], left: int) -> None:
    def harm(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM audit WHERE seq > ?", (left,))

    assert blamed(after(sound, harm)) == [left + 1]
    assert after(sound, harm, noted=False).sound == (left >= 0)  # what the chain alone can not know


def test_a_witness_from_elsewhere_finds_an_end_that_was_cut_off_with_its_note(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite"
    witness = write(path, KEYED, entries())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER audit_rows_stay")
        connection.execute("DELETE FROM audit WHERE seq > 3")
        connection.commit()
    head_path(path).write_text(str(_end(path)))
    assert verify(path, KEYED).sound
    assert blamed(verify(path, KEYED, witness)) == [4]
    assert Link.parse(str(witness)) == witness


def test_who_has_no_key_can_not_write_the_chain_anew(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite"
    write(path, Keys(), entries())  # a forger's: without the key, or with another
    assert blamed(verify(path, KEYED)) == [ROWS]
    forged = tmp_path / "forged.sqlite"
    write(forged, Keys([b"x" * 32]), entries())
    assert blamed(verify(forged, KEYED)) == list(range(1, ROWS + 1))


def test_rows_from_before_there_was_a_key_are_covered_by_the_first_one_with_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite"
    write(path, Keys(), entries(3))
    write(path, KEYED, entries(2))
    assert verify(path, KEYED).sound
    write(path, Keys(), entries(1))
    assert blamed(verify(path, KEYED)) == [6, 6]  # the key is gone again: a row after it, and the last one


def test_an_older_key_verifies_beside_the_one_that_writes(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite"
    write(path, KEYED, entries(2))
    both = Keys([b"n" * 32, b"k" * 32])
    write(path, both, entries(2))
    assert verify(path, both).sound
    assert blamed(verify(path, KEYED)) == [3, 4]


def test_retention_leaves_a_chain_that_verifies_and_misses_what_others_take(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite"
    write(path, KEYED, entries())
    file = AuditFile.open(path, KEYED)
    dropped, end = file.drop_before(NOON + timedelta(minutes=3), NOON)
    assert (dropped, end.seq) == (3, ROWS + 1)
    assert file.drop_before(NOON + timedelta(minutes=3), NOON) == (0, end)
    verdict = verify(path, KEYED)
    assert (verdict.sound, verdict.first, verdict.rows) == (True, 4, ROWS - 3 + 1)
    with pytest.raises(sqlite3.IntegrityError, match="by retention only"):
        file._connection.execute("DELETE FROM audit WHERE seq = 4")
    with pytest.raises(sqlite3.IntegrityError, match="not changed"):
        file._connection.execute("UPDATE audit SET outcome = 'x' WHERE seq = 4")
    file._connection.execute("DROP TRIGGER audit_rows_stay")
    file._connection.execute("DELETE FROM audit WHERE seq = 4")
    file.close()
    assert blamed(verify(path, KEYED)) == [4]


def test_retention_of_everything_leaves_the_row_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite"
    write(path, KEYED, entries())
    file = AuditFile.open(path, KEYED)
    later = NOON + timedelta(days=1)
    assert file.drop_before(later, later)[0] == ROWS
    file.append(entries(1))
    file.close()
    verdict = verify(path, KEYED)
    assert (verdict.sound, verdict.first, verdict.rows) == (True, ROWS + 1, 2)


def test_two_writers_of_one_file_make_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite"
    one, other = AuditFile.open(path, KEYED), AuditFile.open(path, KEYED)
    for number in range(4):
        (one if number % 2 else other).append(entries(2))
    one.close()
    other.close()
    verdict = verify(path, KEYED)
    assert (verdict.sound, verdict.rows) == (True, 8)


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "not" / "there" / "audit.sqlite"
    write(path, Keys(), entries(1))
    assert path.stat().st_mode & 0o777 == 0o600


def test_half_a_surrogate_pair_in_a_name_stops_nobody(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite"
    write(path, KEYED, [Entry(NOON, "odd \ud800", "triage", "answered")])
    assert verify(path, KEYED).sound


def test_what_is_no_audit_file_is_told_as_that(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to look like one might")
    with pytest.raises(DependencyFailed):
        AuditFile.open(text, Keys())
    with pytest.raises(DependencyFailed):
        verify(text, Keys())
    with pytest.raises(InvalidInput):
        verify(tmp_path / "none", Keys())
    with pytest.raises(ValueError, match="NUMBER:HASH"):
        Link.parse("12:short")
