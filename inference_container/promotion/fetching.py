"""The sources, asked from the event loop: what they can not give is told here and is nothing to whoever asks.

Between `watcher`, which decides, and `sources`, which block.
"""

import asyncio

from inference_container import events, events_claims
from inference_container.errors import BundleRefused
from inference_container.metrics_claims import ClaimMetrics
from inference_container.promotion.pointer import Pointer
from inference_container.promotion.ports import Refused
from inference_container.promotion.refusals import Refusals
from inference_container.promotion.shelf import Found
from inference_container.promotion.sources import Candidate, Sources
from serving.aside import Aside
from serving.errors import SluiceError


class Unreachable:
    """The store did not answer: nothing is known of the pointer."""


class Fetching:
    """Lives on the event loop. Nothing here raises what a store, a disk or a bundle can do."""

    def __init__(self, sources: Sources, aside: Aside, refusals: Refusals, metrics: ClaimMetrics | None) -> None:
        self._sources, self._aside, self._refusals, self._metrics = sources, aside, refusals, metrics

    async def pointer(self, wait_s: float | None = None) -> Found | Unreachable | None:
        """None: there is none. `wait_s`: how long it may take."""
        try:
            return await asyncio.wait_for(self._aside.run(self._sources.pointer), wait_s)
        except SluiceError as error:
            self._unreachable(error.code, error.message)
        except TimeoutError:
            self._unreachable("deadline_exceeded", "The store took too long.")
        return Unreachable()

    async def bundle(self, found: Found, pointer: Pointer) -> Candidate | None:
        """What the pointer names, unless it was refused before or is now."""
        if self._refusals.knows(found):
            return None
        try:
            return await self._aside.run(self._sources.bring, pointer)
        except BundleRefused as error:
            events.model_rejected(bundle=pointer.bundle_id, code=error.code, reason=error.message)
            self._refusals.add(found, Refused(error.code, error.message))
        except SluiceError as error:
            self._unreachable(error.code, error.message)
        except OSError as error:
            _disk_failed(error)
        return None

    async def stand_in(self, reachable: bool) -> Candidate | None:
        """As that of the sources."""
        return await self._aside.run(self._sources.stand_in, frozenset(self._refusals.versions), reachable)

    async def never_promoted(self) -> bool:
        return await self._aside.run(self._sources.never_promoted)

    async def tell_left_behind(self) -> None:
        old = await self._aside.run(self._sources.left_behind)
        if old is not None:
            events_claims.promotion_refused(reason=old.reason, error=old.error, bundle_id=None)

    async def served(self, pointer: Pointer) -> bool:
        """It serves here: the disk is to keep it. Whether it does."""
        try:
            await self._aside.run(self._sources.served, pointer)
        except OSError as error:
            _disk_failed(error)
            return False
        return True

    async def failed(self, candidate: Candidate, error: SluiceError) -> Refused | None:
        """It did not come to serve. None: no fault of its own, the next look brings it again."""
        if await self._aside.run(self._sources.vanished, candidate):
            return None
        await self._aside.run(self._sources.drop, candidate.pointer)
        self._refusals.versions.add(candidate.pointer.version)
        return Refused(error.code, error.message)

    def _unreachable(self, code: str, reason: str) -> None:
        events_claims.promotion_pointer_fetch_fail(code=code, reason=reason)
        if self._metrics is not None:
            self._metrics.promotions.labels("unreachable").inc()


def _disk_failed(error: OSError) -> None:
    events_claims.promotion_cache_fail(reason=error.strerror or type(error).__name__)
