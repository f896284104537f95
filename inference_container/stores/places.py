"""Which buckets and keys may be asked for at all. Pure: `files` and `s3` check here before they touch anything.

One rule for both, so that what works on a laptop's folder works on a server: a key that a file system could read as a
way out (`..`, a leading slash, a backslash, NUL) is no key here, although S3 would take some of them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from inference_container.errors import ObjectRefused

#: What S3 allows in a bucket's name, less the dots: with TLS they break the certificate's wildcard.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_KEY_BYTES = 1024  # S3's own bound
_SEGMENT_BYTES = 255  # of the file systems that keep one segment as one name
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")

#: Last segment of the object by which `s3` finds out what its server can do; no caller can read or write it.
PROBE = ".sluice-condition"


@dataclass(frozen=True, slots=True)
class Places:
    """Buckets by name, each with the prefixes under which keys may lie; an empty prefix is the whole bucket."""

    buckets: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(cls, text: str) -> Self:
        """From what an operator writes: `processed-data,inference-logs/results/`; a bucket may come twice.

        Raises:
            ValueError: A part names no bucket or no prefix; the sentence says which.
        """
        found: dict[str, tuple[str, ...]] = {}
        for part in (piece.strip() for piece in text.split(",")):
            if not part:
                continue
            bucket, _, prefix = part.partition("/")
            if not _BUCKET.fullmatch(bucket):
                raise ValueError(f"{bucket!r} is no name of a bucket: 3 to 63 of a-z, 0-9 and -")
            if prefix and (wrong := _fault(prefix.removesuffix("/"))):
                raise ValueError(f"{part!r}: {wrong}")
            found[bucket] = (*found.get(bucket, ()), prefix)
        return cls(found)

    def check(self, bucket: str, key: str) -> None:
        """
        Raises:
            ObjectRefused: The pair lies outside, or can not be an object anywhere.
        """
        if wrong := _fault(key):
            raise ObjectRefused(f"This can not be the key of an object: {wrong}.")
        if not any(key.startswith(prefix) for prefix in self._prefixes(bucket)):
            raise ObjectRefused

    def check_prefix(self, bucket: str, prefix: str) -> None:
        """As `check`, for all keys that begin with `prefix`, which may be empty.

        Raises:
            ObjectRefused: Some of them lie outside.
        """
        if prefix and (wrong := _fault(prefix.removesuffix("/"))):
            raise ObjectRefused(f"This can not begin the key of an object: {wrong}.")
        if not any(prefix.startswith(allowed) for allowed in self._prefixes(bucket)):
            raise ObjectRefused

    def holds(self, bucket: str, key: str) -> bool:
        """Whether `check` would let it pass: for what a server lists."""
        try:
            self.check(bucket, key)
        except ObjectRefused:
            return False
        return True

    def probe(self, bucket: str) -> str:
        """The key of the probe in an allowed bucket, under a prefix that credentials allow too."""
        prefix = self.buckets[bucket][0]
        return f"{prefix}{PROBE}" if not prefix or prefix.endswith("/") else f"{prefix}/{PROBE}"

    def _prefixes(self, bucket: str) -> tuple[str, ...]:
        # Asked again here although `read` has checked: a mapping made by hand must not open the way either.
        return self.buckets.get(bucket, ()) if _BUCKET.fullmatch(bucket) else ()


def _fault(key: str) -> str:
    """What is wrong with a key, as a sentence ends; empty when nothing is."""
    try:
        raw = key.encode()
    except UnicodeEncodeError:
        return "it is no Unicode text"
    if not raw or len(raw) > _KEY_BYTES:
        return f"it has 1 to {_KEY_BYTES} bytes"
    if _FORBIDDEN.search(key):
        return "it holds a control character or a backslash"
    segments = key.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        return "a part of its path is empty, `.` or `..`"
    if any(len(segment.encode()) > _SEGMENT_BYTES for segment in segments):
        return f"a part of its path has more than {_SEGMENT_BYTES} bytes"
    if PROBE in segments:
        return "the name is kept for the store itself"
    return ""
