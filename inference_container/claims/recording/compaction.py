"""Closed hours of the log, each made one sorted table of a row per source; and the row of a source, found again.

For the commands only. Nothing is lost on the way, whatever stops it: the table is put, then the manifest that names it,
under the condition that nobody has put another meanwhile; and only then, if somebody asks for that, the parts that the
manifest lists are removed, one by one, after the table was read back. A part that comes late, by a replay, is merged
into the table next time. The same parts make the same bytes under the same keys.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from inference_container.claims.recording.log_hours import (
    MANIFEST,
    FileEntry,
    Hour,
    Listed,
    Manifest,
    PartEntry,
    hours,
    listed,
    read_manifest,
)
from inference_container.claims.recording.log_table import (
    MOST_FILE_BYTES,
    Fields,
    Rows,
    better,
    fields_of,
    place_of,
    read_table,
    sha256_of,
)
from inference_container.errors import ObjectChanged, ObjectMissing
from inference_container.stores.ports import ObjectInfo, ObjectStore, RemovingStore
from serving.errors import DependencyFailed

#: Bytes of one part: the recorder's have 4 MiB and a row at most.
_MOST_PART = 256 * 1024 * 1024


class Made(Enum):
    NEW = "compacted"
    ANEW = "compacted again"  #: parts had come late
    ALREADY = "compacted before"


@dataclass(frozen=True, slots=True)
class Compacted:
    hour: Hour
    manifest: Manifest
    made: Made


def compact(store: ObjectStore, bucket: str, found: Listed, most_file_bytes: int = MOST_FILE_BYTES) -> Compacted | None:
    """Makes the hour's table and manifest, unless they have all its parts. None: it has neither parts nor a manifest.

    Raises:
        ObjectChanged: Somebody else compacts the same hour at this moment.
        DependencyFailed: A part or a table can not be read as what it is; nothing was put then.
    """
    hour = found.hour
    before, version = read_manifest(store, bucket, hour) if found.manifest is not None else (None, "")
    entries = {PartEntry(key=info.key, size=info.size, etag=info.etag) for info in found.parts}
    known = set(before.parts) if before is not None else set()
    if before is not None and entries <= known:
        return Compacted(hour, before, Made.ALREADY)
    if not entries:
        return None
    with TemporaryDirectory(prefix="sluice-compact-") as folder, Rows(Path(folder)) as rows:
        for fields in _tables(store, bucket, before, Path(folder)) if before is not None else ():
            rows.add(fields)
        for part in found.parts:
            for fields in _lines(store, part):
                rows.add(fields)
        files = tuple(_put_files(store, bucket, hour, rows, Path(folder), most_file_bytes))
        gone = (*before.superseded, *(each.key for each in before.files)) if before is not None else ()
        manifest = Manifest(
            stream=hour.stream,
            hour=f"{hour.begins:%Y-%m-%dT%H}",
            rows=sum(each.rows for each in files),
            status=rows.status,
            offsets=rows.offsets,
            conflicts=rows.conflicts,
            files=files,
            parts=tuple(sorted(known | entries, key=lambda each: each.key)),
            superseded=tuple(sorted({*gone} - {each.key for each in files})),
        )
    key, content = hour.prefix + MANIFEST, manifest.encode()
    if before is not None:
        store.replace(bucket, key, content, version)
    elif store.put_new(bucket, key, content) is None:
        raise ObjectChanged(bucket=bucket, key=key)
    return Compacted(hour, manifest, Made.NEW if before is None else Made.ANEW)


def clear(store: RemovingStore, bucket: str, hour: Hour) -> int:
    """Removes what the manifest made superfluous: parts that are the very ones it lists, and older tables. How many.

    Raises:
        DependencyFailed: The tables are not what the manifest says, or sources conflict; nothing was removed.
    """
    manifest, _ = read_manifest(store, bucket, hour)
    if manifest.conflicts.count:
        raise DependencyFailed(f"{hour}: sources conflict, so nothing is removed.")
    with TemporaryDirectory(prefix="sluice-verify-") as folder:
        for _ in _tables(store, bucket, manifest, Path(folder)):
            pass
    known = set(manifest.parts)
    superfluous = [
        info.key
        for info in listed(store, bucket, hour).parts
        if PartEntry(key=info.key, size=info.size, etag=info.etag) in known
    ]
    for key in (*superfluous, *manifest.superseded):
        store.remove(bucket, key)
    return len(superfluous)


def find(store: ObjectStore, bucket: str, source: str) -> Fields | None:
    """The row of a source that counts; None where the log has none.

    Raises:
        DependencyFailed: A part or a table can not be read as what it is.
    """
    place = place_of(source)
    if place is None:
        return None
    topic, partition, offset = place
    best: Fields | None = None
    streams = (f"topic={topic}", *(("http",) if topic.startswith("http-") else ()))
    for found in chain.from_iterable(hours(store, bucket, stream) for stream in streams):
        for fields in _of_source(store, bucket, found, source, (topic, partition, offset)):
            best = fields if best is None else better(best, fields)
    return best


def _of_source(
    store: ObjectStore, bucket: str, found: Listed, source: str, place: tuple[str, int, int]
) -> Iterator[Fields]:
    topic, partition, offset = place
    for part in found.parts:
        if _may_hold(part.key, found.hour, topic, partition, offset):
            yield from (fields for fields in _lines(store, part) if fields["source"] == source)
    if found.manifest is not None:
        manifest, _ = read_manifest(store, bucket, found.hour)
        ends = manifest.offsets.get(f"{topic}-{partition}")
        if ends is not None and ends.first <= offset <= ends.last:
            with TemporaryDirectory(prefix="sluice-show-") as folder:
                rows = _tables(store, bucket, manifest, Path(folder))
                yield from (fields for fields in rows if fields["source"] == source)


def _may_hold(key: str, hour: Hour, topic: str, partition: int, offset: int) -> bool:
    """By the ends that stand in a part's name."""
    name = key.removeprefix(hour.prefix).removesuffix(".jsonl")
    folder, _, name = name.rpartition("/")
    match name.split("-"):
        case [process, first, last] if hour.stream == "http":
            mine = topic == f"http-{process}"
        case [first, last, _]:
            mine = folder == f"p={partition:02d}"
        case _:
            return False
    return mine and first.isdigit() and last.isdigit() and int(first) <= offset <= int(last)


def _lines(store: ObjectStore, part: ObjectInfo) -> Iterator[Fields]:
    info, content = store.get(part.bucket, part.key, _MOST_PART)
    if info.etag != part.etag:
        raise ObjectChanged(bucket=part.bucket, key=part.key)
    for line in content.splitlines():
        try:
            yield fields_of(line)
        except DependencyFailed as error:
            raise DependencyFailed(f"{part.key}: {error.message}") from error


def _tables(store: ObjectStore, bucket: str, manifest: Manifest, folder: Path) -> Iterator[Fields]:
    """The rows of a manifest's files, each file looked at as a whole first."""
    for file in manifest.files:
        path = folder / "there.parquet"
        try:
            store.fetch(bucket, file.key, path)
        except ObjectMissing as error:
            raise DependencyFailed(f"{file.key} is missing, which a manifest names.") from error
        if sha256_of(path) != file.sha256:
            raise DependencyFailed(f"{file.key} is not what its manifest says.")
        rows = 0
        with closing(read_table(path)) as found:
            for fields in found:
                rows += 1
                yield fields
        if rows != file.rows:
            raise DependencyFailed(f"{file.key} has {rows} rows; its manifest says {file.rows}.")


def _put_files(
    store: ObjectStore, bucket: str, hour: Hour, rows: Rows, folder: Path, at_most: int
) -> Iterator[FileEntry]:
    for path, number in rows.write(folder, at_most):
        sha256, content = sha256_of(path), path.read_bytes()
        path.unlink()
        key = f"{hour.prefix}rows-{sha256[:16]}.parquet"
        store.put(bucket, key, content, "application/vnd.apache.parquet")
        yield FileEntry(key=key, size=len(content), sha256=sha256, rows=number)
