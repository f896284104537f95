"""An SQLite file of one's own: made when it is missing, for its owner's eyes only, with tables of one version.

Called by rooms that keep what people said or did. What stands in the tables is theirs; every call blocks, so they call
from a confined thread or from a command.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from serving.errors import DependencyFailed

#: How long another process may hold the file, in seconds.
_BUSY_S = 5.0


@dataclass(frozen=True, slots=True)
class Tables:
    """What a file must hold."""

    what: str  #: "audit file": for the operator
    version: int  #: goes up with every change to the tables
    statements: Sequence[str]  #: that make them
    pragmas: Sequence[str]
    #: What to do with a file of another version, as a sentence ends.
    advice: str = "move the file away"


def open_private(path: Path, tables: Tables) -> sqlite3.Connection:
    """A connection in autocommit, for `writing`.

    Raises:
        DependencyFailed: It can not be made or opened, or another version wrote it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
        try:
            _prepare(connection, tables)
        except BaseException:  # whatever it was, nobody else holds this connection to close it
            connection.close()
            raise
    except (sqlite3.Error, OSError) as error:
        told = f"The {tables.what} {path.name} can not be opened."
        raise DependencyFailed(told, reason=type(error).__name__) from error
    return connection


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block or none of it."""
    # IMMEDIATE: two processes that both read first would write by what is no longer so.
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:  # a thread that is told to stop must not leave the file locked either
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def moment(at: datetime) -> str:
    """UTC, in milliseconds: as text it sorts by time."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _prepare(connection: sqlite3.Connection, tables: Tables) -> None:
    connection.execute("PRAGMA journal_mode = WAL")  # who reads for minutes must not keep who writes waiting
    connection.execute("PRAGMA secure_delete = ON")  # what is dropped is gone from the pages too
    for pragma in tables.pragmas:
        connection.execute(f"PRAGMA {pragma}")
    with writing(connection):
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            for statement in tables.statements:
                connection.execute(statement)
            version = tables.version
            connection.execute(f"PRAGMA user_version = {version}")
    if version != tables.version:
        raise DependencyFailed(
            f"The {tables.what} has schema {version}, this release writes {tables.version}; {tables.advice}.",
            found=version,
            expected=tables.version,
        )
