"""The embedded chat log's file: a row for each conversation, and beside it the sealed texts, if any are kept.

`sqlite` writes through it on a confined thread, the commands by themselves. Every call blocks and raises sqlite3.Error.
"""

import secrets
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

from service_chat.chatlog.ports import Conversation, Sealed, Sealer
from serving.errors import NotFound
from serving.private_file import Tables, moment, open_private, writing

SCHEMA_VERSION = 1
#: Conversations that leave in one transaction: others wait for it.
_AT_ONCE = 1_000
_TABLES = Tables(
    what="chat log",
    version=SCHEMA_VERSION,
    statements=(
        """CREATE TABLE conversations (
            id TEXT PRIMARY KEY, at TEXT NOT NULL, principal TEXT NOT NULL, patient_ref TEXT NOT NULL,
            acuity TEXT NOT NULL, llm_mode TEXT NOT NULL, model TEXT, latency_ms REAL NOT NULL, trace_id TEXT
        ) STRICT""",
        """CREATE TABLE texts (
            conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE, field TEXT NOT NULL,
            key_id TEXT NOT NULL, nonce BLOB NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (conversation_id, field)
        ) STRICT""",
        "CREATE INDEX conversations_at ON conversations (at)",
    ),
    # A crash of the machine may lose the last conversations; the audit, which is the account of them, is synced.
    pragmas=("synchronous = NORMAL", "foreign_keys = ON"),
)
_COLUMNS = ("id", "at", "principal", "patient_ref", "acuity", "llm_mode", "model", "latency_ms", "trace_id")


@dataclass(frozen=True, slots=True)
class Shown:
    """A conversation as it was kept."""

    about: dict[str, object]
    texts: dict[str, str] = field(repr=False)


class ChatFile:
    """One connection. Use and close it on the thread that opened it."""

    def __init__(self, connection: sqlite3.Connection, sealer: Sealer | None) -> None:
        self._connection, self._sealer = connection, sealer

    @classmethod
    def open(cls, path: Path, sealer: Sealer | None) -> Self:
        """`sealer`: None keeps no texts. Makes a missing file; nobody but its owner may read it.

        Raises:
            DependencyFailed: It can not be made or opened, or another version wrote it.
        """
        return cls(open_private(path, _TABLES), sealer)

    def store(self, told: Conversation) -> None:
        texts = {"patient_mrn": told.patient_mrn, "query": told.query, "response": told.response}
        with writing(self._connection):
            self._connection.execute(
                f"INSERT INTO conversations VALUES ({', '.join('?' * len(_COLUMNS))})",
                (
                    *(told.id, moment(told.at), told.principal, told.patient_ref, told.acuity, told.llm_mode),
                    *(told.model, told.latency_ms, told.trace_id),
                ),
            )
            for name, text in texts.items():
                self._keep(told.id, name, text)

    def comment(self, conversation_id: str, text: str) -> bool:
        """Whether it is kept: not where no texts are, nor where there is no such conversation."""
        if self._sealer is None:
            return False
        with writing(self._connection):
            if not self._connection.execute("SELECT 1 FROM conversations WHERE id = ?", (conversation_id,)).fetchone():
                return False
            self._keep(conversation_id, f"comment-{secrets.token_hex(4)}", text)
        return True

    def show(self, conversation_id: str) -> Shown:
        """
        Raises:
            NotFound: There is none with this number.
            WorkFailed: A text does not open.
        """
        query = f"SELECT {', '.join(_COLUMNS)} FROM conversations WHERE id = ?"
        found = self._connection.execute(query, (conversation_id,)).fetchone()
        if found is None:
            raise NotFound("There is no such conversation, or not any more.")
        kept = self._connection.execute(
            "SELECT field, key_id, nonce, sealed FROM texts WHERE conversation_id = ? ORDER BY rowid",
            (conversation_id,),
        ).fetchall()
        texts = {
            name: self._sealer.open(Sealed(*sealed), conversation_id, name) if self._sealer is not None else "(sealed)"
            for name, *sealed in kept
        }
        return Shown(dict(zip(_COLUMNS, found, strict=True)), texts)

    def purge(self, before: datetime) -> int:
        """Drops what is older; how many."""
        gone = 0
        while True:
            with writing(self._connection):
                dropped = self._connection.execute(
                    "DELETE FROM conversations WHERE id IN (SELECT id FROM conversations WHERE at < ? LIMIT ?)",
                    (moment(before), _AT_ONCE),
                ).rowcount
            gone += dropped
            if dropped < _AT_ONCE:
                break
        if gone:
            # What was deleted is in the write-ahead log still: written over here, and not whenever it is full.
            with closing(self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")) as done:
                done.fetchall()
        return gone

    def close(self) -> None:
        self._connection.close()

    def _keep(self, conversation_id: str, name: str, text: str) -> None:
        if self._sealer is None:
            return
        sealed = self._sealer.seal(text, conversation_id, name)
        row = (conversation_id, name, sealed.key_id, sealed.nonce, sealed.data)
        self._connection.execute("INSERT INTO texts VALUES (?, ?, ?, ?, ?)", row)
