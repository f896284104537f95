"""What the claims, the log sink, promotion and the download door need of an object store.

Implemented by `files` and `s3`; one suite of tests holds both to the same words. All of it is blocking and thread-safe;
nothing here is called on the event loop. Every implementation refuses buckets and keys outside its allow-list before it
asks anybody.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    bucket: str
    key: str
    size: int  #: bytes
    etag: str  #: without quotes; changes with the content
    modified: datetime  #: UTC
    content_type: str


@dataclass(frozen=True, slots=True)
class Opened:
    """An object that is being read: what it is, and its bytes piece by piece."""

    info: ObjectInfo
    pieces: Iterator[bytes]


class ObjectStore(Protocol):
    """
    Raises, in every method: `ObjectRefused` (not allowed, or no key that can be one), `StoreUnavailable` (worth another
    try: no answer in time, 5xx, throttled), `DependencyFailed` for what no second try will mend (wrong credentials).
    """

    def stat(self, bucket: str, key: str) -> ObjectInfo:
        """Raises `ObjectMissing`."""

    def get(self, bucket: str, key: str, at_most: int) -> tuple[ObjectInfo, bytes]:
        """The whole object.

        Raises `ObjectMissing`, `ObjectTooLarge` (more than `at_most` bytes, told before it is read).
        """

    def open(
        self, bucket: str, key: str, start: int = 0, length: int | None = None, etag: str | None = None
    ) -> AbstractContextManager[Opened]:
        """`length` bytes from `start`, to the end without one; pieces of 32 KiB. With `etag`, of that version only.

        Raises `ObjectMissing`, `ObjectChanged`.
        """

    def put(self, bucket: str, key: str, content: bytes, content_type: str = "application/octet-stream") -> ObjectInfo:
        """Writes it whole or not at all; what was there is replaced."""

    def put_new(
        self, bucket: str, key: str, content: bytes, content_type: str = "application/octet-stream"
    ) -> ObjectInfo | None:
        """As `put`, unless there is one already: then None, and nothing changes. Of many at once exactly one wins.

        Raises `DependencyFailed` where the server ignores the condition (found out once, when first used).
        """

    def replace(self, bucket: str, key: str, content: bytes, etag: str) -> ObjectInfo:
        """As `put`, if the object is still the version `etag`. Raises `ObjectMissing`, `ObjectChanged`."""

    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        """In the order of their keys, those behind `after`. For commands and start-up; never on the way of a claim."""

    def fetch(self, bucket: str, key: str, into: Path) -> ObjectInfo:
        """Downloads to a file, whole or not at all. Raises `ObjectMissing`."""

    def ensure_buckets(self) -> None:
        """Makes the allowed buckets that are missing."""

    def close(self) -> None: ...


class RemovingStore(ObjectStore, Protocol):
    """For commands that clean up. What the service itself is given is an `ObjectStore`: it removes nothing."""

    def remove(self, bucket: str, key: str) -> None:
        """Also fine where there is none."""
