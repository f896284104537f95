"""Rows of one hour on their way from parts to parquet: gathered on disk, one for each source, written in their order.

For the commands only; pyarrow is loaded when there is something to read or write. Memory holds a batch of rows at a
time, whatever the hour holds.
"""

import hashlib
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from inference_container.claims.recording.log_hours import Conflicts, Range
from inference_container.claims.results import RowStatus
from serving.errors import DependencyFailed

if TYPE_CHECKING:
    from types import TracebackType

#: Rows in one row group, or fewer that are large.
_BATCH = 1000
_BATCH_BYTES = 8 * 1024 * 1024
#: Bytes of one parquet file before the next one begins: it is put in one piece.
MOST_FILE_BYTES = 128 * 1024 * 1024
#: Sources that a manifest names.
_MOST_NAMED = 100

#: Columns that a row has in a table, in their order; what else it holds is in `more`, as JSON.
_TEXTS = ("identifier", "run_id", "model_type", "config_hash", "status", "claim_id", "source", "bucket", "object_key")
_NAMES = ("timestamp", *_TEXTS, "key", "reason", "rows", "forecast")
#: Best first: a replay may find expired what was answered before.
_RANKS: Mapping[str, int] = {RowStatus.OK: 0, RowStatus.EXPIRED: 1, RowStatus.DEAD_LETTER: 2}

Fields: TypeAlias = dict[str, object]


def fields_of(line: bytes) -> Fields:
    """
    Raises:
        DependencyFailed: It is no row of the log.
    """
    fields: Fields
    try:
        fields = orjson.loads(line)
        moment = datetime.fromisoformat(str(fields["timestamp"])).astimezone(UTC)
        right = (
            fields["status"] in _RANKS
            and place_of(str(fields["source"])) is not None
            and all(isinstance(fields.get(name), str | None) for name in (*_TEXTS, "key", "reason"))
            and isinstance(fields.get("rows"), int | None)
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        right = False
    if not right:
        raise DependencyFailed("A line is no row of the log.")
    known = {name: fields.get(name) for name in _NAMES}
    return {**known, **fields, "timestamp": moment.isoformat(timespec="milliseconds")}


def place_of(source: str) -> tuple[str, int, int] | None:
    """Topic, partition and offset of a source; None for what is none."""
    topic_and_partition, _, offset = source.rpartition("-")
    topic, _, partition = topic_and_partition.rpartition("-")
    if not (topic and _is_number(partition, 9) and _is_number(offset, 18)):
        return None
    return topic, int(partition), int(offset)


def better(one: Fields, other: Fields) -> Fields:
    """Which of two rows of one source counts."""
    return min(one, other, key=lambda fields: (_RANKS[str(fields["status"])], encoded(fields)))


def encoded(fields: Fields) -> bytes:
    """Equal rows, equal bytes."""
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)


class Rows:
    """The rows of one hour, in a file of `folder`; open it as a context."""

    def __init__(self, folder: Path) -> None:
        self._data = sqlite3.connect(folder / "rows.sqlite", isolation_level=None)

    def __enter__(self) -> "Rows":
        run = self._data.execute
        run("PRAGMA journal_mode=OFF")
        run("PRAGMA synchronous=OFF")
        run("CREATE TABLE rows (source TEXT PRIMARY KEY, topic TEXT, number INT, position INT, status TEXT, line BLOB)")
        run("CREATE TABLE conflicts (source TEXT PRIMARY KEY) WITHOUT ROWID")
        run("BEGIN")
        return self

    def __exit__(self, kind: "type[BaseException] | None", error: object, trace: "TracebackType | None") -> None:
        self._data.close()

    def add(self, fields: Fields) -> None:
        """A row; of two with one source the better one stays. Two answers that differ are a conflict."""
        source, line = str(fields["source"]), encoded(fields)
        found = self._data.execute("SELECT line FROM rows WHERE source = ?", (source,)).fetchone()
        if found is not None:
            there: Fields = orjson.loads(found[0])
            if found[0] != line and fields["status"] == there["status"] == RowStatus.OK:
                self._data.execute("INSERT OR IGNORE INTO conflicts VALUES (?)", (source,))
            fields = better(there, fields)
            line = encoded(fields)
        place = place_of(source) or ("", 0, 0)
        self._data.execute(
            "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?, ?)", (source, *place, fields["status"], line)
        )

    @property
    def conflicts(self) -> Conflicts:
        (number,) = self._data.execute("SELECT count(*) FROM conflicts").fetchone()
        named = self._data.execute("SELECT source FROM conflicts ORDER BY source LIMIT ?", (_MOST_NAMED,))
        return Conflicts(count=number, sources=tuple(source for (source,) in named))

    @property
    def status(self) -> dict[str, int]:
        return dict(self._data.execute("SELECT status, count(*) FROM rows GROUP BY status ORDER BY status"))

    @property
    def offsets(self) -> dict[str, Range]:
        ends = self._data.execute(
            "SELECT topic, number, min(position), max(position) FROM rows GROUP BY topic, number ORDER BY topic, number"
        )
        return {f"{topic}-{number}": Range(first=first, last=last) for topic, number, first, last in ends}

    def write(self, folder: Path, at_most: int = MOST_FILE_BYTES) -> Iterator[tuple[Path, int]]:
        """Parquet files of about `at_most` bytes, with how many rows each holds. Equal rows, equal bytes."""
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]  # ships no types; files leave this room

        batches = self._batches()
        batch = next(batches, None)
        number = 0
        while batch is not None:
            path, rows = folder / f"{number}.parquet", 0
            with path.open("wb") as file, parquet.ParquetWriter(file, _schema(), compression="zstd") as writer:
                while batch is not None and (not rows or file.tell() < at_most):
                    writer.write_table(_table(batch), row_group_size=_BATCH)
                    rows += len(batch)
                    batch = next(batches, None)
            yield path, rows
            number += 1

    def _batches(self) -> Iterator[list[Fields]]:
        batch: list[Fields] = []
        size = 0
        for (line,) in self._data.execute("SELECT line FROM rows ORDER BY topic, number, position"):
            batch.append(orjson.loads(line))
            size += len(line)
            if len(batch) == _BATCH or size >= _BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch


def read_table(path: Path) -> Generator[Fields, None, None]:
    """The rows of a parquet file, as they were in their parts."""
    import pyarrow.parquet as parquet

    with closing(parquet.ParquetFile(path)) as file:
        for batch in file.iter_batches(_BATCH):
            for row in batch.to_pylist():
                yield _fields_again(row)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            ("topic", pa.string()),
            ("partition", pa.int32()),
            ("offset", pa.int64()),
            ("timestamp", pa.timestamp("ms", tz="UTC")),
            *((name, pa.string()) for name in (*_TEXTS, "key", "reason")),
            ("rows", pa.int64()),
            ("forecast", pa.string()),
            ("more", pa.string()),
        ]
    )


def _table(batch: Iterable[Fields]) -> Any:
    import pyarrow as pa

    return pa.Table.from_pylist([_columns(fields) for fields in batch], schema=_schema())


def _columns(fields: Fields) -> Fields:
    more = {name: value for name, value in fields.items() if name not in _NAMES}
    topic, partition, offset = place_of(str(fields["source"])) or ("", 0, 0)
    return {
        **{name: fields.get(name) for name in _NAMES},
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "timestamp": datetime.fromisoformat(str(fields["timestamp"])),
        "forecast": _text(fields.get("forecast")),
        "more": _text(more or None),
    }


def _fields_again(row: Mapping[str, Any]) -> Fields:
    moment: datetime = row["timestamp"]
    forecast, more = row["forecast"], row["more"]
    fields: Fields = {
        **{name: row[name] for name in _NAMES},
        "timestamp": moment.astimezone(UTC).isoformat(timespec="milliseconds"),
        "forecast": orjson.loads(forecast) if forecast is not None else None,
    }
    return fields | (orjson.loads(more) if more is not None else {})


def _text(value: object) -> str | None:
    return orjson.dumps(value).decode() if value is not None else None


def _is_number(text: str, digits: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= digits
