"""The audit's file: an SQLite table that rows are appended to, and the note beside it of how far it goes.

`trail` writes through it on a confined thread, the command line by itself; several processes may have one file, because
each append reads the end of the chain inside its own transaction. Every call blocks. Rows leave in one way only: the
oldest together, when they are past their time, with a row that says so at the chain's other end.
"""

import os
import sqlite3
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from service_chat import events
from service_chat.audit.chain import BEGIN, COLUMNS, Keys, Link
from service_chat.audit.ports import Entry
from serving.private_file import Tables, moment, open_private, writing

SCHEMA_VERSION = 1
RETENTION = "audit_retention"
#: Rows that leave in one transaction: others wait for it.
_AT_ONCE = 10_000

# The triggers stop code that has lost its way. Who means harm can drop them; for that there is the chain.
_TABLES = Tables(
    what="audit file",
    version=SCHEMA_VERSION,
    statements=(
        """CREATE TABLE audit (
            seq INTEGER PRIMARY KEY, at TEXT NOT NULL, principal TEXT NOT NULL, patient_ref TEXT, action TEXT NOT NULL,
            outcome TEXT NOT NULL, acuity TEXT, rules TEXT NOT NULL, trace_id TEXT, job_id TEXT, conversation_id TEXT,
            detail TEXT NOT NULL, key_id TEXT NOT NULL, prev_hash TEXT NOT NULL, hash TEXT NOT NULL
        ) STRICT""",
        """CREATE TRIGGER audit_rows_stay_as_they_are BEFORE UPDATE ON audit
            BEGIN SELECT RAISE(ABORT, 'audit rows are not changed'); END""",
        f"""CREATE TRIGGER audit_rows_stay BEFORE DELETE ON audit WHEN OLD.seq > (
            SELECT coalesce(max(CAST(detail AS INTEGER)), 0) FROM (
                SELECT detail FROM audit WHERE action = '{RETENTION}' ORDER BY seq DESC LIMIT 1)
        ) BEGIN SELECT RAISE(ABORT, 'audit rows leave by retention only'); END""",
        f"CREATE INDEX audit_retentions ON audit (seq) WHERE action = '{RETENTION}'",
    ),
    pragmas=("synchronous = FULL",),
    advice="move it away, and keep it",
)
_INSERT = f"INSERT INTO audit VALUES ({', '.join('?' * (len(COLUMNS) + 1))})"


def head_path(path: Path) -> Path:
    """Where the end of the chain is noted: a file that was cut is shorter than its note."""
    return path.with_name(f"{path.name}.head")


class AuditFile:
    """One connection. Use and close it on the thread that opened it."""

    def __init__(self, connection: sqlite3.Connection, path: Path, keys: Keys) -> None:
        self._connection, self._path, self._keys = connection, path, keys
        self._note_failed = False  #: and told; not at each attempt

    @classmethod
    def open(cls, path: Path, keys: Keys) -> Self:
        """Makes a missing file; nobody but its owner may read it.

        Raises:
            DependencyFailed: It can not be made or opened, or another version wrote it.
        """
        return cls(open_private(path, _TABLES), path, keys)

    def append(self, entries: Sequence[Entry]) -> Link:
        """All of them or none; the end of the chain afterwards. Raises sqlite3.Error: none."""
        with writing(self._connection):
            end = self._end()
            for entry in entries:
                end = self._add(entry, end)
        self._note(end)
        return end

    def end(self) -> Link:
        """Raises sqlite3.Error."""
        return self._end()

    def drop_before(self, before: datetime, now: datetime) -> tuple[int, Link]:
        """Takes out rows that are older, the oldest first, at most some thousand; how many, and the end of the chain.

        A row at the end says up to which one they went and what its hash was: that is where the rest begins. The clock
        may have been set back once, so rows go in their order, up to the first that is young enough.

        Raises:
            sqlite3.Error: Nothing was taken out.
        """
        with writing(self._connection):
            end = self._end()
            first = self._one("SELECT seq FROM audit ORDER BY seq LIMIT 1")
            young = self._one("SELECT seq FROM audit WHERE at >= ? ORDER BY seq LIMIT 1", moment(before))
            if first is None or first == young:
                return 0, end
            last = min(end.seq if young is None else young[0] - 1, first[0] + _AT_ONCE - 1)
            through = Link(*(self._one("SELECT seq, hash FROM audit WHERE seq <= ? ORDER BY seq DESC LIMIT 1", last)))
            end = self._add(Entry(now, "service", RETENTION, "dropped", detail=str(through)), end)
            gone = self._connection.execute("DELETE FROM audit WHERE seq <= ?", (through.seq,)).rowcount
        self._note(end)
        return gone, end

    def close(self) -> None:
        self._connection.close()

    def _end(self) -> Link:
        found = self._one("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
        return Link(*found) if found is not None else BEGIN

    def _one(self, query: str, *values: object) -> Any:
        return self._connection.execute(query, values).fetchone()

    def _add(self, entry: Entry, end: Link) -> Link:
        told = (
            *(moment(entry.at), entry.principal, entry.patient_ref, entry.action, entry.outcome, entry.acuity),
            *(" ".join(entry.rules), entry.trace_id, entry.job_id, entry.conversation_id, entry.detail),
        )
        cells = (end.seq + 1, *map(_writable, told), self._keys.current, end.hash)
        made = self._keys.digest(cells, self._keys.current)
        assert made is not None  # the current key is always here
        self._connection.execute(_INSERT, (*cells, made))
        return Link(end.seq + 1, made)

    def _note(self, end: Link) -> None:
        """After the commit: a crash in between leaves a note that is behind, which is no lie.

        A disk that is full may have room in SQLite's log still and none for this. That must not look as if the rows
        had not been written: they would be written again, as often as it is tried.
        """
        target = head_path(self._path)
        try:
            # Not by the process's number: those of two containers with one folder are the same.
            handle, building = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            try:
                with os.fdopen(handle, "w") as file:
                    file.write(f"{end}\n")
                Path(building).replace(target)
            except BaseException:  # no half note is left beside the file, whatever stopped it
                Path(building).unlink(missing_ok=True)
                raise
        except OSError as error:
            if not self._note_failed:
                events.audit_note_failed(error_type=type(error).__name__)
            self._note_failed = True
        else:
            self._note_failed = False


def _writable(cell: str | None) -> str | None:
    """Half a surrogate pair is no text to SQLite: one odd name in a token must not stop the rows behind it."""
    return cell.encode("utf-8", "replace").decode() if cell is not None else None
