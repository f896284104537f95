"""Promotion within the service: what the pointer names is what is served, from the start on and whenever it changes.

Opened beside the model switch, where there is a store. The first bundle is asked for here too, so that nothing that
nobody promoted comes to answer while the pointer says otherwise.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from inference_container.broker.ports import Broker, Producer
from inference_container.claims.dead_letters import DeadLetterTopics, Kind, Operation, Why, put_aside
from inference_container.claims.messages import read_promotion
from inference_container.claims.ports import Outgoing
from inference_container.claims.publishing.burst import send
from inference_container.claims.refusals import Refusal
from inference_container.errors import BundleRefused
from inference_container.metrics_claims import ClaimMetrics
from inference_container.outside import places_of
from inference_container.promotion.cache import BundleCache
from inference_container.promotion.listener import PromotionListener
from inference_container.promotion.ports import Activate, Letter, Refused, Selected
from inference_container.promotion.shelf import PointerShelf
from inference_container.promotion.sources import Sources
from inference_container.promotion.watcher import PromotionWatcher
from inference_container.settings import InferenceSettings
from inference_container.settings_claims import NO_TOPIC
from inference_container.stores.places import Places
from inference_container.stores.ports import ObjectStore
from serving.clock import Clock
from serving.lifecycle import Lifecycle, State

#: Seconds that the broker has for a letter, and the threads for their end.
_LETTER_S, _END_S = 10.0, 5.0


class PromotionHouse:
    """Open it as a context on the event loop, once what `first` said is being loaded."""

    def __init__(
        self,
        settings: InferenceSettings,
        store: ObjectStore,
        control: Activate,
        lifecycle: Lifecycle,
        fallback: Path | None,
        broker: Broker | None,
        producer: Callable[[], Producer] | None,
        metrics: ClaimMetrics,
        clock: Clock,
    ) -> None:
        """
        Args:
            store: has to allow `promotion_places(settings)`.
            fallback: what is served while nothing was ever promoted.
            broker: None: the pointer is polled, and nobody is told what was refused but the log.
            producer: raises BrokerUnavailable before the broker has answered.
        """
        self._settings, self._store, self._producer = settings, store, producer
        bundles = _bundle_places(settings)
        self._bundles = bundles
        shelf = PointerShelf(store, settings.promotion_bucket, bundles)
        cache = BundleCache(cache_folder(settings.bundle_cache), settings.identifier, bundles)
        topic = settings.promotion_topic
        heard = broker is not None and topic != NO_TOPIC
        self._watcher = PromotionWatcher(
            Sources(store, shelf, cache, settings.identifier),
            control,
            clock,
            fallback=fallback,
            topic=topic,
            send=self._send if heard and producer is not None else None,
            metrics=metrics,
            poll_s=settings.promotion_poll,
            gave_up=lambda: lifecycle.state is State.FAILED,
        )
        self._listener = (
            PromotionListener(
                *(broker, topic, settings.consumer_group_id, settings.identifier),
                *(self._read, self._watcher.hint, self._send),
            )
            if broker is not None and heard
            else None
        )
        self._stack = AsyncExitStack()

    async def first(self) -> Path | None:
        """The bundle to begin with; None: nothing may be served until the pointer can be followed."""
        return await self._watcher.first()

    async def look(self) -> None:
        """Follows the pointer now, also one that was refused before.

        Raises:
            BundleRefused: it is not followed; the present bundle goes on.
        """
        await self._watcher.look(again=True)
        refused = self._watcher.refused
        if refused is not None:
            raise BundleRefused(f"{refused.reason}: {refused.error}")

    async def __aenter__(self) -> "PromotionHouse":
        self._stack.push_async_callback(asyncio.to_thread, self._store.close)
        await self._stack.enter_async_context(self._watcher)
        if self._listener is not None:
            self._stack.push_async_callback(asyncio.to_thread, self._listener.join, _END_S)
            self._stack.callback(self._listener.stop)
            self._listener.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _read(self, value: bytes | None) -> Selected | Refused:
        found = read_promotion(value, self._bundles)
        if isinstance(found, Refusal):
            return Refused(found.reason, found.error)
        return Selected(found.identifier, found.bundle_id)

    def _send(self, letter: Letter) -> None:
        assert self._producer is not None, "letters are sent where there is a broker"
        topic = DeadLetterTopics().of(Kind.PROMOTION, self._settings.promotion_topic)
        operation = Operation.PROMOTION_LOAD if letter.loading else Operation.PROMOTION_PARSE
        message = (letter.key, letter.value, letter.headers)
        why = Why(letter.why.reason, letter.why.error)
        made = put_aside(topic, message, letter.source, why, 0, letter.at_ms, operation)
        send(self._producer(), Outgoing(made.topic, made.key, made.value, made.headers), _LETTER_S)


def promotion_places(settings: InferenceSettings) -> Places:
    """The pointers and the bundles.

    Raises:
        SettingsError: One of them is no bucket.
    """
    pointers = places_of("PROMOTION_BUCKET", settings.promotion_bucket)
    return Places({**pointers.buckets, **_bundle_places(settings).buckets})


def _bundle_places(settings: InferenceSettings) -> Places:
    return places_of("MODEL_BUCKET", settings.model_bucket)


def cache_folder(named: str) -> Path:
    if named:
        return Path(named)
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "sluice" / "bundles"
