"""Follows the pointer: every replica looks for itself, and serves what it names or goes on with what it has.

`wiring` opens one beside the model switch, asks `first` what to begin with, and lets the listener call `hint`. A look
at the pointer every so often is the promise; a hint only makes the next one come at once. What is refused is told once
and left alone until the pointer changes.

What to begin with, in this order: what the pointer names; what served last on this machine's disk; what the history
says was promoted before. BUNDLE_PATH only where nothing was ever promoted: with a pointer that can not be followed, or
a store that does not answer, nobody may say which bundle would be the wrong one.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from inference_container import events_claims
from inference_container.metrics_claims import ClaimMetrics
from inference_container.promotion.fetching import Fetching, Unreachable
from inference_container.promotion.pointer import Pointer
from inference_container.promotion.ports import Activate, Refused, Send
from inference_container.promotion.refusals import Refusals
from inference_container.promotion.shelf import Found
from inference_container.promotion.sources import Candidate, Source, Sources
from serving.aside import Aside
from serving.clock import Clock, SystemClock
from serving.errors import NotReady, SluiceError
from serving.events import unexpected_error

#: How long what `first` named may take to load elsewhere, in seconds; then it is tried here, which tells why not.
_LOADING_S = 60.0
#: Seconds between two looks while a first bundle loads, and while there is none to load.
_LOADING_LOOK_S, _EMPTY_LOOK_S = 1.0, 5.0
#: What the store still owes when the watch ends has so many seconds.
_REST_S = 2.0


class PromotionWatcher:
    """Lives on the event loop; opened as a context, it looks at once and then every `poll_s` seconds."""

    def __init__(
        self,
        sources: Sources,
        control: Activate,
        clock: Clock | None = None,
        *,
        fallback: Path | None = None,
        topic: str = "model-selected",
        send: Send | None = None,
        metrics: ClaimMetrics | None = None,
        poll_s: float = 30.0,
        first_wait_s: float = 10.0,
        gave_up: Callable[[], bool] = lambda: False,
    ) -> None:
        """
        Args:
            fallback: the bundle that serves while nothing was ever promoted; None: nothing does.
            topic: of the events, for the letters of bundles that are refused.
            send: sends such letters; None: there is no broker.
            first_wait_s: how long `first` waits for the pointer before it takes what is on the disk.
            gave_up: whether what `first` named has turned out not to load.
        """
        self._control, self._clock = control, clock or SystemClock()
        self._fallback, self._metrics = fallback, metrics
        self._aside = Aside("promotion")
        self._refusals = Refusals(topic, send, metrics)
        self._fetching = Fetching(sources, self._aside, self._refusals, metrics)
        self._poll_s, self._first_wait_s, self._gave_up = poll_s, first_wait_s, gave_up
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._hinted = asyncio.Event()
        self._looking = asyncio.Lock()
        #: What was handed out to be loaded elsewhere, until something serves.
        self._begun: Candidate | Path | None = None
        self._begun_at = 0.0
        #: What has come to serve from a promotion, and what of that the disk keeps.
        self._active: tuple[str, str] | None = None
        self._kept: tuple[str, str] | None = None
        self._fallback_refused = self._told_gone = False

    async def first(self) -> Path | None:
        """The bundle to begin with; None: nothing may be served until a pointer says what. Never raises.

        Whoever asks loads it; the watcher waits for that.
        """
        begun = await self._first()
        self._begun, self._begun_at = begun, self._clock.monotonic()
        return begun.folder if isinstance(begun, Candidate) else begun

    async def __aenter__(self) -> "PromotionWatcher":
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._run(), name="promotion-watcher")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._loop = None
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._aside.rest(_REST_S)  # before somebody closes the store under it

    def hint(self) -> None:
        """The pointer may have changed: looks at once. From any thread, at any time."""
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop has ended in between
                loop.call_soon_threadsafe(self._hinted.set)

    async def look(self, hinted: bool = False, again: bool = False) -> None:
        """One look at the pointer and what follows from it. Raises nothing of ours.

        Args:
            again: whether what was refused is tried once more: for who has put it right where it lies.
        """
        async with self._looking:
            if again:
                self._refusals.forget()
            await self._look(hinted)
            await self._refusals.send(self._aside)

    @property
    def refused(self) -> Refused | None:
        """Why the pointer as it was seen last is not followed; None where it is, or could not be read."""
        return self._refusals.present

    async def _look(self, hinted: bool) -> None:
        found = await self._fetching.pointer()
        if isinstance(found, Unreachable):
            await self._stand_in(reachable=False)
        elif found is None:
            await self._without_pointer()
        elif isinstance(found.pointer, Refused):
            self._refusals.add(found, found.pointer)
            await self._stand_in(reachable=True)
        else:
            await self._follow(found, found.pointer, hinted)

    async def _run(self) -> None:
        hinted = False
        while True:
            try:
                await self.look(hinted)
            except Exception as error:  # a watcher that ended would leave this replica behind for ever, unseen
                unexpected_error(error_type=type(error).__name__, at="promotion.watcher")
            hinted = await self._rest()

    async def _rest(self) -> bool:
        """Until the next look is due; whether it was hinted at."""
        # Not all replicas at once: they were started together.
        wait_s = self._poll_s * random.uniform(0.9, 1.0)
        if self._control.model is None:
            wait_s = min(wait_s, _LOADING_LOOK_S if self._loading else _EMPTY_LOOK_S)
        due = asyncio.ensure_future(self._clock.sleep(wait_s))
        hint = asyncio.ensure_future(self._hinted.wait())
        try:
            await asyncio.wait((due, hint), return_when=asyncio.FIRST_COMPLETED)
        finally:
            due.cancel()
            hint.cancel()
        hinted = self._hinted.is_set()
        self._hinted.clear()
        return hinted

    async def _first(self) -> Candidate | Path | None:
        found = await self._fetching.pointer(self._first_wait_s)
        if isinstance(found, Unreachable):
            return await self._replacement(reachable=False)
        if found is None:
            await self._fetching.tell_left_behind()
            return self._fallback
        candidate = None
        if isinstance(found.pointer, Refused):
            self._refusals.add(found, found.pointer)
        else:
            candidate = await self._fetching.bundle(found, found.pointer)
        return candidate or await self._replacement(reachable=True)

    async def _follow(self, found: Found, pointer: Pointer, hinted: bool) -> None:
        if self._serves(pointer):
            self._refusals.forget()
            if hinted and self._active == pointer.version:
                events_claims.promotion_already_active(bundle_id=pointer.bundle_id)
            await self._note_active(pointer, Source.POINTER)
            return
        begun = self._begun
        if self._loading and isinstance(begun, Candidate) and begun.pointer.version == pointer.version:
            return
        candidate = await self._fetching.bundle(found, pointer)
        if candidate is None or not await self._activate(candidate, found):
            await self._stand_in(reachable=True)

    async def _activate(self, candidate: Candidate, found: Found | None) -> bool:
        """Whether it serves now. `found`: the pointer that names it; None for what stands in."""
        try:
            await self._control.activate(candidate.folder)
        except NotReady:
            return False  # going down
        except SluiceError as error:
            why = await self._fetching.failed(candidate, error)
            if found is not None and why is not None:
                self._refusals.add(found, why)
            return False
        if found is not None:
            self._refusals.forget()
        await self._note_active(candidate.pointer, candidate.source)
        return True

    async def _stand_in(self, reachable: bool) -> None:
        """Where nothing serves yet, what was promoted before does."""
        model, begun = self._control.model, self._begun
        if model is not None and isinstance(begun, Candidate) and self._serves(begun.pointer):
            await self._note_active(begun.pointer, begun.source)
        if model is not None or self._loading:
            return
        candidate = await self._replacement(reachable)
        if isinstance(candidate, Path):
            await self._serve_fallback()
        elif candidate is not None:
            await self._activate(candidate, None)

    async def _replacement(self, reachable: bool) -> Candidate | Path | None:
        candidate = await self._fetching.stand_in(reachable)
        if candidate is None and reachable and await self._fetching.never_promoted():
            return self._fallback
        return candidate

    async def _without_pointer(self) -> None:
        if self._active is not None and not self._told_gone:
            self._told_gone = True
            events_claims.promotion_pointer_fetch_fail(code="object_missing", reason="The pointer is gone.")
        if self._control.model is None and not self._loading:
            await self._serve_fallback()

    async def _serve_fallback(self) -> None:
        if self._fallback is None or self._fallback_refused:
            return
        try:
            await self._control.activate(self._fallback)
        except NotReady:
            pass
        except SluiceError:
            self._fallback_refused = True  # told by whoever loads; nothing here could mend it

    async def _note_active(self, pointer: Pointer, source: Source) -> None:
        if self._active != pointer.version:
            self._active, begun = pointer.version, self._begun
            if isinstance(begun, Candidate) and begun.pointer.version == pointer.version:
                source = begun.source
            events_claims.promotion_active(bundle_id=pointer.bundle_id, source=source)
            if self._metrics is not None:
                self._metrics.promotions.labels("active").inc()
        if self._kept != pointer.version and await self._fetching.served(pointer):
            self._kept = pointer.version

    def _serves(self, pointer: Pointer) -> bool:
        model = self._control.model
        return model is not None and (model.bundle_id, model.manifest_sha256) == pointer.version

    @property
    def _loading(self) -> bool:
        if self._begun is None or self._control.model is not None or self._gave_up():
            return False
        return self._clock.monotonic() - self._begun_at < _LOADING_S
