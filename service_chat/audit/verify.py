"""Reads an audit file from its first row to its last and says where it is not what was written.

Called by the command line. It needs the keys that the rows were made with, and no running service: the file is opened
for reading only.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from service_chat.audit.chain import BEGIN, COLUMNS, Keys, Link
from service_chat.audit.file import RETENTION, SCHEMA_VERSION, head_path
from serving.errors import DependencyFailed, InvalidInput

#: A file that was rewritten is wrong in every row: these many are told.
MOST_FAULTS = 20
Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Fault:
    seq: int
    what: str


@dataclass
class Verdict:
    rows: int = 0
    first: int | None = None
    end: Link = BEGIN
    keyed: bool = False  #: whether the last row, and with it every one before, is under a key
    noted: bool = False  #: whether there is a note of how far it went; without one a cut end does not show
    faults: list[Fault] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.faults

    def blame(self, seq: int, what: str) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(seq, what))


def read_rows(path: Path) -> Iterator[Row]:
    """In order. Cells are as they stand, also where they are no UTF-8.

    Raises:
        InvalidInput: There is no such file.
        DependencyFailed: It is no audit file, or it is broken below the rows.
    """
    if not path.is_file():
        raise InvalidInput(f"There is no audit file {path.name}.")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version != SCHEMA_VERSION:
                raise InvalidInput(f"{path.name} is no audit file of this release (schema {version}).")
            names = (*COLUMNS, "hash")
            for cells in connection.execute(f"SELECT {', '.join(names)} FROM audit ORDER BY seq"):
                yield dict(zip(names, cells, strict=True))
    except sqlite3.Error as error:
        raise DependencyFailed(f"The audit file {path.name} can not be read: {error}.") from error


def verify(path: Path, keys: Keys, witness: Link | None = None) -> Verdict:
    """`witness`: a place of the chain that was noted elsewhere, in a log or by an earlier verification.

    Raises:
        InvalidInput, DependencyFailed: See `read_rows`; a file that SQLite can not read, or whose table is another one,
            was damaged too.
    """
    places = [link for link in (_noted(path), witness) if link is not None]
    verdict = Verdict(noted=bool(places))
    dropped, begins_after = BEGIN, BEGIN
    seen = BEGIN
    wanted = {link.seq: link.hash for link in reversed(places)}
    for row in read_rows(path):
        link, made_with = Link(_int(row["seq"]), str(row["hash"])), str(row["key_id"])
        if verdict.first is None:
            verdict.first = link.seq
            begins_after = Link(link.seq - 1, str(row["prev_hash"]))
        else:
            _check_order(verdict, row, link, seen)
        _check_row(verdict, row, keys)
        if verdict.keyed and not made_with:
            verdict.blame(link.seq, "has no key, and rows before it have one")
        if wanted.get(link.seq, link.hash) != link.hash:
            verdict.blame(link.seq, "is another row than the one that was noted")
        if row["action"] == RETENTION:
            dropped = _parsed(str(row["detail"])) or dropped
        verdict.rows, verdict.keyed, seen = verdict.rows + 1, bool(made_with), link
    verdict.end = seen
    if verdict.first is not None and begins_after not in (BEGIN, dropped):
        missing = begins_after.seq > dropped.seq
        verdict.blame(
            *(
                (
                    dropped.seq + 1,
                    f"is missing: the first row is {verdict.first}, and no retention took those before it",
                )
                if missing
                else (verdict.first, "does not follow from what retention took away")
            )
        )
    for link in places:
        if link.seq > seen.seq:
            verdict.blame(seen.seq + 1, f"is missing: the chain once went to row {link.seq}")
    if keys.current and verdict.rows and not verdict.keyed:
        verdict.blame(seen.seq, "has no key, and there is one")
    return verdict


def _check_order(verdict: Verdict, row: Row, link: Link, seen: Link) -> None:
    if link.seq != seen.seq + 1:
        gap = f"{seen.seq + 1}" if link.seq == seen.seq + 2 else f"{seen.seq + 1} to {link.seq - 1}"
        verdict.blame(seen.seq + 1, f"is missing ({gap})")
    elif row["prev_hash"] != seen.hash:
        verdict.blame(link.seq, "does not follow from the row before it")


def _check_row(verdict: Verdict, row: Row, keys: Keys) -> None:
    made = keys.digest([row[name] for name in COLUMNS], str(row["key_id"]))
    if made is None:
        verdict.blame(_int(row["seq"]), f"was made with a key that is not here ({row['key_id']})")
    elif made != row["hash"]:
        verdict.blame(_int(row["seq"]), "was changed")


def _noted(path: Path) -> Link | None:
    """Raises DependencyFailed for a note that holds no place."""
    try:
        return Link.parse(head_path(path).read_text())
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise DependencyFailed(f"{head_path(path).name} can not be read: {error}.") from error


def _parsed(text: str) -> Link | None:
    try:
        return Link.parse(text)
    except ValueError:
        return None


def _int(cell: object) -> int:
    if not isinstance(cell, int):  # a STRICT table's primary key: somebody put another table in its place
        raise DependencyFailed("The audit's table is not the one that was made: a row's number is none.")
    return cell
