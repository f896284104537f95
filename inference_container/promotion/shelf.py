"""The pointer in the store: read, replaced only by who has seen what is replaced, and never forgotten.

The watcher reads with it, `promote` writes. Before a pointer is replaced its history object is there, and the new one
gets its own at once: whatever breaks in between, the history lacks at most the pointer that still stands.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from inference_container.errors import ObjectChanged, ObjectMissing, ObjectTooLarge
from inference_container.promotion.pointer import (
    MAX_POINTER_BYTES,
    NO_BUNDLE_ID,
    WRONG_SCHEMA,
    Pointer,
    history_key,
    history_prefix,
    pointer_key,
    read_pointer,
    replaced_key,
)
from inference_container.promotion.ports import Refused
from inference_container.stores.places import Places
from inference_container.stores.ports import ObjectStore

_JSON = "application/json"
#: Where the predecessor looked for its pointers beside the identifier's own.
_OLD_KEYS = ("current.json", "global/current.json")


@dataclass(frozen=True, slots=True)
class Found:
    """What lies in the pointer's place."""

    etag: str
    content: bytes
    pointer: Pointer | Refused


class PointerShelf:
    """Blocking, thread-safe."""

    def __init__(self, store: ObjectStore, bucket: str, bundles: Places) -> None:
        """
        Args:
            bucket: of the pointers.
            bundles: where bundles may lie.
        """
        self._store, self._bucket, self._bundles = store, bucket, bundles

    def etag(self, identifier: str) -> str | None:
        """None: there is no pointer. Raises StoreUnavailable, DependencyFailed."""
        try:
            return self._store.stat(self._bucket, pointer_key(identifier)).etag
        except ObjectMissing:
            return None

    def read(self, identifier: str) -> Found | None:
        """None: there is none. Raises StoreUnavailable, DependencyFailed."""
        try:
            info, content = self._store.get(self._bucket, pointer_key(identifier), MAX_POINTER_BYTES)
        except ObjectMissing:
            return None
        except ObjectTooLarge:
            etag = self.etag(identifier)
            too_large = Refused(WRONG_SCHEMA, f"The pointer has more than {MAX_POINTER_BYTES} bytes.")
            return Found(etag, b"", too_large) if etag is not None else None
        return Found(info.etag, content, read_pointer(content, identifier, self._bundles))

    def left_behind(self) -> Refused | None:
        """A pointer of the time before bundles, in one of the places where nobody looks any more."""
        for key in _OLD_KEYS:
            try:
                self._store.stat(self._bucket, key)
            except ObjectMissing:
                continue
            return Refused(
                NO_BUNDLE_ID,
                f"{key} of the pointers' bucket is of the time before bundles and is not followed: a model tracked "
                "elsewhere has to become a bundle first (docs/migration.md).",
            )
        return None

    def write(self, pointer: Pointer, before: Found | None) -> Found | None:
        """Replaces `before`, and nothing else.

        Returns:
            What stands there instead, when somebody was faster; None when it is written.
        """
        if before is not None:
            self._remember(pointer.identifier, before)
        key, content = pointer_key(pointer.identifier), pointer.encode()
        try:
            if before is None:
                written = self._store.put_new(self._bucket, key, content, _JSON) is not None
            else:
                self._store.replace(self._bucket, key, content, before.etag)
                written = True
        except (ObjectChanged, ObjectMissing):
            written = False
        if not written:
            there = self.read(pointer.identifier)
            # An answer that got lost on its way back is asked for again by the client, and then refused by our own.
            if there is None or there.content != content:
                return there or Found("", b"", Refused(WRONG_SCHEMA, "The pointer was taken away meanwhile."))
        self._store.put_new(self._bucket, history_key(pointer), content, _JSON)
        return None

    def latest(self, identifier: str, most: int | None = None) -> Iterator[Pointer]:
        """What was promoted, newest first; `most` of them. Lists the store: for commands and starts."""
        listed = self._store.list(self._bucket, history_prefix(identifier))
        keys = [info.key for info in listed if re.search(r"-[0-9a-f]{64}\.json$", info.key)]
        for key in keys[::-1][:most]:
            _, content = self._store.get(self._bucket, key, MAX_POINTER_BYTES)
            pointer = read_pointer(content, identifier, self._bundles)
            if isinstance(pointer, Pointer):
                yield pointer

    def _remember(self, identifier: str, before: Found) -> None:
        known = isinstance(before.pointer, Pointer)
        key = (
            history_key(before.pointer)
            if isinstance(before.pointer, Pointer)
            else replaced_key(identifier, before.content)
        )
        self._store.put_new(self._bucket, key, before.content, _JSON if known else "application/octet-stream")
