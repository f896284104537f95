"""`bundle promote` and `bundle rollback`: from now on every replica serves this bundle.

The order is the promise: verified, then the files, then the pointer, then the event. Whoever sees the pointer finds the
files, and whoever misses the event finds the pointer. Files lie under the bundle's own hash and are never written
twice; the pointer is replaced only by who has seen what is replaced.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from inference_container.bundles.files import MANIFEST, read_file
from inference_container.bundles.loader import load_bundle, open_inferencer
from inference_container.bundles.manifest import Manifest
from inference_container.bundles.snapshot import drop_snapshot, seal_snapshot
from inference_container.errors import ObjectMissing, PromotionRefused
from inference_container.promotion.download import download
from inference_container.promotion.pointer import Pointer
from inference_container.promotion.ports import Refused
from inference_container.promotion.shelf import Found, PointerShelf
from inference_container.stores.content_types import content_type_of
from inference_container.stores.ports import ObjectStore
from serving.clock import Clock

#: What the scores of a back-test may be compared with.
Baseline = Literal["persistence", "seasonal-naive"]


@dataclass(frozen=True, slots=True)
class Change:
    """What a command did."""

    pointer: Pointer
    before: Pointer | None  #: what was promoted last
    uploaded: tuple[str, ...]  #: keys that were not there


class Promoter:
    """Blocking. One call is one change of the pointer, or none."""

    def __init__(
        self,
        store: ObjectStore,
        shelf: PointerShelf,
        model_bucket: str,
        clock: Clock,
        announce: Callable[[Pointer], None] | None = None,
    ) -> None:
        """
        Args:
            announce: sends the event; None: replicas find the pointer by themselves. What it raises comes out of the
                change, which is made by then.
        """
        self._store, self._shelf, self._bucket, self._clock = store, shelf, model_bucket, clock
        self._announce = announce

    def promote(self, bundle: Path, identifier: str, by: str, beats: Baseline | None = None) -> Change:
        """
        Raises:
            BundleRefused: It is not in order, or does not forecast what its trainer recorded; nothing was written.
            PromotionRefused: It does not beat `beats`; other bytes lie where its own belong; or somebody else has
                promoted meanwhile: the pointer is theirs, and what was uploaded harms nobody.
            StoreUnavailable, DependencyFailed: from the store; the pointer is as it was.
        """
        before = self._shelf.read(identifier)
        last = self._last(identifier, before)
        sealed = seal_snapshot(bundle)
        try:
            copy = Path(sealed.folder)
            manifest = _proved(copy)
            if beats is not None:
                _require(manifest, beats)
            prefix = f"{manifest.name}/{manifest.bundle_id}/"
            uploaded = tuple(self._uploaded(copy, prefix, manifest))
        finally:
            drop_snapshot(sealed)
        metrics = manifest.metrics.model_dump(mode="json") if manifest.metrics is not None else None
        return self._point(
            Pointer(
                identifier,
                manifest.bundle_id,
                self._bucket,
                prefix,
                sealed.manifest_sha256,
                _after(last, self._clock.now()),
                by,
                _previous(last, manifest.bundle_id),
                metrics,
            ),
            before,
            last,
            uploaded,
        )

    def rollback(self, identifier: str, by: str) -> Change:
        """Promotes what was served before, from the store.

        Raises:
            BundleRefused: What lies there is not the bundle any more.
            PromotionRefused: Nothing was served before, it is not in the history, or somebody promoted meanwhile.
            StoreUnavailable, DependencyFailed: from the store; the pointer is as it was.
        """
        before = self._shelf.read(identifier)
        last = self._last(identifier, before)
        # Something that is no pointer has taken the place of one: that one is what to go back to.
        target = last if _pointer_of(before) is None else self._before(last)
        if target is None:
            raise PromotionRefused(f"There is nothing to go back to for {identifier}.", identifier=identifier)
        with tempfile.TemporaryDirectory(prefix="sluice-rollback-") as folder:
            _proved(download(self._store, target, Path(folder)))
        return self._point(
            Pointer(
                identifier,
                target.bundle_id,
                target.bucket,
                target.prefix,
                target.manifest_sha256,
                _after(last, self._clock.now()),
                by,
                _previous(last, target.bundle_id),
                target.metrics,
            ),
            before,
            last,
            (),
        )

    def _last(self, identifier: str, before: Found | None) -> Pointer | None:
        """What was promoted last, also where something else lies in the pointer's place now."""
        return _pointer_of(before) or next(self._shelf.latest(identifier, 1), None)

    def _before(self, last: Pointer | None) -> Pointer | None:
        wanted = last.previous_bundle_id if last is not None else None
        if last is None or wanted is None:
            return None
        return next((each for each in self._shelf.latest(last.identifier) if each.bundle_id == wanted), None)

    def _uploaded(self, copy: Path, prefix: str, manifest: Manifest) -> Iterator[str]:
        # The manifest last: it vouches for the others.
        for name in (*sorted(manifest.files), MANIFEST):
            content, key = read_file(copy / name), f"{prefix}{name}"
            if self._store.put_new(self._bucket, key, content, content_type_of(key)) is not None:
                yield key
            elif self._sha256(key) != hashlib.sha256(content).digest():
                raise PromotionRefused(
                    f"{key} is there already with other bytes, and files of a bundle never change. A bundle with the "
                    "same files and another manifest needs another name.",
                    key=key,
                )

    def _sha256(self, key: str) -> bytes:
        digest = hashlib.sha256()
        try:
            with self._store.open(self._bucket, key) as opened:
                for piece in opened.pieces:
                    digest.update(piece)
        except ObjectMissing:
            return b""
        return digest.digest()

    def _point(self, pointer: Pointer, before: Found | None, last: Pointer | None, uploaded: tuple[str, ...]) -> Change:
        instead = self._shelf.write(pointer, before)
        if instead is not None:
            raise PromotionRefused(_lost(instead), identifier=pointer.identifier)
        if self._announce is not None:
            self._announce(pointer)
        return Change(pointer, last, uploaded)


def _proved(bundle: Path) -> Manifest:
    """As a worker does at its start. Raises BundleRefused."""
    loaded = load_bundle(bundle)
    open_inferencer(loaded)
    return loaded.manifest


def _require(manifest: Manifest, beats: Baseline) -> None:
    if manifest.metrics is None:
        raise PromotionRefused(f"{manifest.name} has no scores: it was imported, and nothing tells what it beats.")
    for target, scores in sorted(manifest.metrics.targets.items()):
        baseline = scores.persistence_rmse if beats == "persistence" else scores.seasonal_naive_rmse
        if not scores.rmse < baseline:
            raise PromotionRefused(
                f"{manifest.name} does not beat {beats} for {target}: rmse {scores.rmse:g}, not below {baseline:g}.",
                target=target,
            )


def _pointer_of(found: Found | None) -> Pointer | None:
    return found.pointer if found is not None and isinstance(found.pointer, Pointer) else None


def _after(last: Pointer | None, now: datetime) -> datetime:
    """Later than the one before, whoever's clock that was: the history is sorted by it, and caches are too."""
    return now if last is None else max(now, last.promoted_at + timedelta(microseconds=1))


def _previous(last: Pointer | None, bundle_id: str) -> str | None:
    """What a rollback goes back to. Who promotes once more what is served has not served anything else since."""
    if last is None:
        return None
    return last.previous_bundle_id if last.bundle_id == bundle_id else last.bundle_id


def _lost(instead: Found) -> str:
    winner = instead.pointer
    if isinstance(winner, Refused):
        return f"The pointer was changed meanwhile; nothing was promoted. {winner.error}"
    return (
        f"{winner.promoted_by} promoted {winner.bundle_id} meanwhile ({winner.promoted_at.isoformat()}); "
        "nothing was changed. Look at it, then promote again."
    )
