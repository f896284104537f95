"""The last promoted bundles on this machine's disk: what a restart serves from while the store is away.

One folder for each identifier, with a folder for each bundle and `good.json`, which says which of them have served and
since when. A bundle gets its name in one step, after its last byte was checked. Several processes may share the folder.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import orjson

from inference_container.errors import BundleRefused
from inference_container.promotion.download import check, download
from inference_container.promotion.pointer import Pointer, read_pointer
from inference_container.stores.places import Places
from inference_container.stores.ports import ObjectStore
from inference_container.stores.whole_file import whole_file
from serving.durable import sync_folder

#: Bundles that have served and are kept.
_KEPT = 2
_GOOD = "good.json"
#: In seconds. One that was brought just now may be about to serve, in another process; a download of yesterday that
#: has no name yet was never finished.
_FRESH_S, _LEFT_OVER_S = 600.0, 24 * 3600.0


class BundleCache:
    """Blocking, thread-safe."""

    def __init__(self, folder: Path, identifier: str, bundles: Places) -> None:
        """`folder` is made when something is kept. `bundles`: where they may come from."""
        self._folder, self._identifier, self._bundles = folder / f"for-{identifier}", identifier, bundles

    def find(self, pointer: Pointer) -> Path | None:
        """The bundle that the pointer names, checked anew; None: it is not there, or not whole any more."""
        place = self._place(pointer)
        try:
            check(place, pointer)
        except BundleRefused:
            return None
        return place

    def bring(self, store: ObjectStore, pointer: Pointer) -> Path:
        """The same, from the store where the disk does not have it.

        Raises:
            BundleRefused: What lies in the store is not what the pointer names. Nothing of it is kept.
            StoreUnavailable, DependencyFailed: The store did not answer.
            OSError: The disk is full, or not ours to write.
        """
        there = self.find(pointer)
        if there is not None:
            return there
        self._folder.mkdir(parents=True, exist_ok=True)
        place = self._place(pointer)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".bringing-", ignore_cleanup_errors=True) as scratch:
            fresh = Path(scratch) / place.name
            fresh.mkdir()
            download(store, pointer, fresh)
            sync_folder(fresh)
            if place.exists() and self.find(pointer) is None:
                with suppress(OSError):  # somebody else was faster to throw the broken one away
                    place.rename(Path(scratch) / "broken")
            try:
                fresh.rename(place)
            except OSError:
                if self.find(pointer) is None:  # nobody else has brought it meanwhile
                    raise
        sync_folder(self._folder)
        return place

    def served(self, pointer: Pointer) -> None:
        """This one has come to serve: it is kept, with the one before, and older ones go. Raises OSError."""
        with self._locked():
            known = {each.version: each for each in self._good()} | {pointer.version: pointer}
            newest = sorted(known.values(), key=lambda each: each.promoted_at, reverse=True)[:_KEPT]
            with whole_file(self._folder / _GOOD) as file:
                file.write(orjson.dumps([orjson.loads(each.encode()) for each in newest]))
            self._prune({self._place(each).name for each in (*newest, pointer)})

    def last_good(self) -> tuple[Pointer, Path] | None:
        """The one that was promoted last of those that have served here and are still whole."""
        for pointer in self._good():
            place = self.find(pointer)
            if place is not None:
                return pointer, place
        return None

    def drop(self, pointer: Pointer) -> None:
        """Was refused when it was to serve; whoever wants it again asks the store."""
        shutil.rmtree(self._place(pointer), ignore_errors=True)

    def _place(self, pointer: Pointer) -> Path:
        return self._folder / f"{pointer.bundle_id}-{pointer.manifest_sha256[:16]}"

    def _good(self) -> Sequence[Pointer]:
        """Newest first. A list that can not be read is as good as none: what it names can be had again."""
        try:
            listed: object = orjson.loads((self._folder / _GOOD).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return ()
        entries = listed if isinstance(listed, list) else []
        read = (read_pointer(orjson.dumps(entry), self._identifier, self._bundles) for entry in entries)
        return sorted((each for each in read if isinstance(each, Pointer)), key=lambda each: each.promoted_at)[::-1]

    def _prune(self, kept: set[str]) -> None:
        for there in self._folder.iterdir():
            old = _LEFT_OVER_S if there.name.startswith(".") else _FRESH_S
            if there.is_dir() and there.name not in kept and _age_s(there) > old:
                shutil.rmtree(there, ignore_errors=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time writes the list."""
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _age_s(folder: Path) -> float:
    try:
        return time.time() - folder.stat().st_mtime
    except OSError:  # gone
        return 0.0
