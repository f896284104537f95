"""The log by its hours: which objects of a bucket belong to which, and the manifest that says what an hour became.

For the commands that compact and show the log, never on a claim's way: it lists. An hour is a folder,
`results/<stream>/dt=YYYY-MM-DD/h=HH/`, where a stream is `topic=T` or `http`. Its parts are JSON lines; once compacted
it has `rows-<digest>.parquet` besides and a `manifest.json`, which alone says which of them counts.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from inference_container.stores.ports import ObjectInfo, ObjectStore
from serving.errors import DependencyFailed

ROOT = "results/"
MANIFEST = "manifest.json"
#: Bytes. What it lists are parts: 150 bytes each, of which an hour may have some ten thousand.
_MOST_MANIFEST = 512 * 1024 * 1024
_KEY = re.compile(r"results/(topic=[^/]+|http)/dt=(\d{4}-\d{2}-\d{2})/h=(\d{2})/(.+)", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Hour:
    stream: str  #: `topic=T` or `http`
    begins: datetime  #: UTC

    @property
    def prefix(self) -> str:
        return f"{ROOT}{self.stream}/dt={self.begins:%Y-%m-%d}/h={self.begins:%H}/"

    def closed(self, before: datetime) -> bool:
        """Whether it is over at that moment."""
        return self.begins + timedelta(hours=1) <= before

    def __str__(self) -> str:
        return f"{self.stream} {self.begins:%Y-%m-%dT%H}"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PartEntry(_Frozen):
    """A part whose rows are in the files."""

    key: str
    size: int
    etag: str


class FileEntry(_Frozen):
    key: str
    size: int
    sha256: str
    rows: int


class Range(_Frozen):
    """Offsets of one partition, both ends included."""

    first: int
    last: int


class Conflicts(_Frozen):
    """Sources that were answered twice, and not alike."""

    count: int
    sources: tuple[str, ...]  #: the first of them


class Manifest(_Frozen):
    v: int = 1
    stream: str
    hour: str  #: YYYY-MM-DDTHH
    rows: int
    status: Mapping[str, int]  #: rows by `results.RowStatus`
    offsets: Mapping[str, Range]  #: by `topic-partition`
    conflicts: Conflicts
    files: tuple[FileEntry, ...]
    parts: tuple[PartEntry, ...]
    superseded: tuple[str, ...]  #: files of manifests before this one

    def encode(self) -> bytes:
        return orjson.dumps(self.model_dump(mode="json"), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


@dataclass(frozen=True, slots=True)
class Listed:
    """What lies in an hour's folder now."""

    hour: Hour
    parts: tuple[ObjectInfo, ...]
    manifest: ObjectInfo | None


def hours(store: ObjectStore, bucket: str, stream: str | None = None) -> Iterator[Listed]:
    """Every hour that has something, in the order of their keys. `stream`: None for all."""
    prefix = ROOT if stream is None else f"{ROOT}{stream}/"
    for hour, found in groupby(store.list(bucket, prefix), lambda info: hour_of(info.key)):
        if hour is not None:
            yield _listed(hour, found)


def listed(store: ObjectStore, bucket: str, hour: Hour) -> Listed:
    """As it is now."""
    return _listed(hour, store.list(bucket, hour.prefix))


def hour_of(key: str) -> Hour | None:
    """None for what is not of the log."""
    found = _KEY.fullmatch(key)
    if found is None:
        return None
    try:
        return Hour(found[1], datetime.strptime(f"{found[2]}T{found[3]}", "%Y-%m-%dT%H").replace(tzinfo=UTC))
    except ValueError:
        return None


def read_manifest(store: ObjectStore, bucket: str, hour: Hour) -> tuple[Manifest, str]:
    """The manifest, and the version it is.

    Raises:
        ObjectMissing: The hour has none.
        DependencyFailed: It is none that this version can read.
    """
    info, content = store.get(bucket, hour.prefix + MANIFEST, _MOST_MANIFEST)
    try:
        return Manifest.model_validate_json(content), info.etag
    except ValidationError as error:
        raise DependencyFailed(f"{info.key} is no manifest that this version can read.") from error


def _listed(hour: Hour, found: Iterator[ObjectInfo]) -> Listed:
    parts, manifest = [], None
    for info in found:
        if info.key.endswith(".jsonl"):
            parts.append(info)
        elif info.key == hour.prefix + MANIFEST:
            manifest = info
    return Listed(hour, tuple(parts), manifest)
