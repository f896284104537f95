"""Where the bundle that is to serve comes from: the pointer in the store, and what stands in for it.

The watcher asks here, in a thread: all of it blocks. What stands in was promoted once and has served: on this disk, or
by the history in the store. A bundle that nobody promoted is never among them.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from inference_container.errors import BundleRefused
from inference_container.promotion.cache import BundleCache
from inference_container.promotion.pointer import NO_BUNDLE_ID, Pointer
from inference_container.promotion.ports import Refused
from inference_container.promotion.shelf import Found, PointerShelf
from inference_container.stores.ports import ObjectStore
from serving.errors import SluiceError

#: Promotions before the present one that are tried in its stead.
_MOST_TRIED = 3


class Source(StrEnum):
    """Values of `source` in `promotion_active`."""

    POINTER = "pointer"
    DISK = "disk"
    HISTORY = "history"


@dataclass(frozen=True, slots=True)
class Candidate:
    pointer: Pointer
    folder: Path
    source: Source


class Sources:
    """Blocking; one call at a time."""

    def __init__(self, store: ObjectStore, shelf: PointerShelf, cache: BundleCache, identifier: str) -> None:
        self._store, self._shelf, self._cache, self._identifier = store, shelf, cache, identifier
        self._seen: Found | None = None

    def pointer(self) -> Found | None:
        """As it stands now; read only where its ETag is another one. Raises StoreUnavailable, DependencyFailed."""
        if self._seen is None or self._shelf.etag(self._identifier) != self._seen.etag:
            self._seen = self._shelf.read(self._identifier)
        return self._seen

    def bring(self, pointer: Pointer) -> Candidate:
        """Raises what `BundleCache.bring` does."""
        return Candidate(pointer, self._cache.bring(self._store, pointer), Source.POINTER)

    def stand_in(self, without: frozenset[tuple[str, str]], reachable: bool) -> Candidate | None:
        """What was promoted before and can be served now.

        Args:
            without: bundles that were refused.
            reachable: whether the store answers, so that the history may be asked. For starts only: it lists.
        """
        good = self._cache.last_good()
        if good is not None and good[0].version not in without:
            return Candidate(*good, Source.DISK)
        # What breaks here answered a moment ago: the next look tries again.
        with suppress(SluiceError, OSError):
            for pointer in self._earlier() if reachable else ():
                if pointer.version not in without:
                    with suppress(BundleRefused):
                        return Candidate(pointer, self._cache.bring(self._store, pointer), Source.HISTORY)
        return None

    def never_promoted(self) -> bool:
        """Whether the pointer is of the time before bundles, and none ever was: all is as without a pointer."""
        seen = self._seen
        if seen is None or not isinstance(seen.pointer, Refused) or seen.pointer.reason != NO_BUNDLE_ID:
            return False
        try:
            return not any(True for _ in self._earlier())
        except SluiceError:
            return False

    def left_behind(self) -> Refused | None:
        """A pointer of that time where nobody looks any more."""
        try:
            return self._shelf.left_behind()
        except SluiceError:
            return None

    def served(self, pointer: Pointer) -> None:
        """Raises OSError."""
        self._cache.served(pointer)

    def vanished(self, candidate: Candidate) -> bool:
        """Whether another process that shares the disk has thrown it away meanwhile."""
        return self._cache.find(candidate.pointer) is None

    def drop(self, pointer: Pointer) -> None:
        self._cache.drop(pointer)

    def _earlier(self) -> Iterator[Pointer]:
        """Newest first."""
        return self._shelf.latest(self._identifier, _MOST_TRIED)
