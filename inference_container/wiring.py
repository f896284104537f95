"""Builds the forecast service from its settings: reads them once and hands each room its own part.

`Runtime` is the whole house as one context: entered, it is starting; left, everything it opened is closed again, in the
order not ready → no admission → drained within the grace → workers ended.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import gettempdir

from inference_container import events
from inference_container.claim_house import BROKER_AWAY, CLAIMS_HELD, ClaimHouse
from inference_container.defaults import default_bundle_path
from inference_container.forecasting.messages import ServedModel
from inference_container.forecasting.worker import WorkerArgs
from inference_container.inline_pool import InlinePool
from inference_container.metrics import InferenceMetrics
from inference_container.metrics_claims import ClaimMetrics
from inference_container.model_pool import ModelPool, PoolListener
from inference_container.model_switch import WORKER_RESTARTING, ModelSwitch
from inference_container.outside import Outside, outside_of, places_of
from inference_container.process_pool import ProcessPool
from inference_container.promotion_house import PromotionHouse, cache_folder, promotion_places
from inference_container.services.answer_cache import AnswerCache
from inference_container.services.batches import BatchFeed
from inference_container.services.lanes import make_lanes
from inference_container.services.predict import Predict
from inference_container.services.shadow import ShadowMeter
from inference_container.settings import InferenceSettings
from inference_container.stores.ports import ObjectStore
from serving.background import in_background
from serving.clock import Clock, SystemClock
from serving.cores import whole_cores
from serving.drain import Drain
from serving.errors import NotReady
from serving.lifecycle import Lifecycle, State
from serving.loop_lag import LoopLag
from serving.readings import Reading
from serving.resources import ResourceLog
from serving.settings import SettingsError
from serving.version import VERSION


class Runtime:
    def __init__(self, settings: InferenceSettings, outside: Outside | None = None, clock: Clock | None = None) -> None:
        """`outside`: None for the store and the broker that the settings name."""
        outside = outside or outside_of(settings)
        self.settings = settings
        self.clock = clock or SystemClock()
        self.build_version = settings.infer_version
        self.lifecycle = Lifecycle()
        self.metrics = InferenceMetrics()
        self.lag = LoopLag(self.clock)
        self.lanes = make_lanes(settings.queue_maxsize, settings.queue_max_bytes, self.clock)
        # Not the claims' lane: what was taken from a topic is finished, and `claim_house` closes it then.
        self.drain = Drain((self.lanes.interactive,), self.lifecycle, settings.uvicorn_timeout_graceful_shutdown)
        self.startup_ready_ms: int | None = None
        self.bundle = _bundle_path(settings.bundle_path)
        batch_size = settings.batch_size if settings.enable_microbatch else 1
        self.switch = ModelSwitch(self._make_pool, settings.identifier, batch_size, settings.workers, self.lifecycle)
        self.predict = Predict(self.lanes, self.switch, self.lifecycle, self.metrics, self.clock)
        self.cache = (
            AnswerCache(self.predict, self.metrics, self.clock, settings.predict_cache_size, settings.predict_cache_ttl)
            if settings.enable_predict_cache
            else None
        )
        self._feed = BatchFeed(
            self.lanes,
            self.switch,
            self.metrics,
            self.clock,
            batch_size,
            settings.batch_timeout_ms / 1000,
            eager=whole_cores() > 1,
        )
        self._stack = AsyncExitStack()
        #: What the download door reads; None: there is no such door.
        self.downloads = _downloads(settings, outside)
        self.claim_metrics = ClaimMetrics(self.metrics)
        #: None: no broker is named, or claims are not wanted.
        self.claims = self._claim_house(outside)
        #: None: there is no store, or it was not wanted; `bundle` is served.
        self.promotion = self._promotion_house(outside)
        self.metrics.disks.watch(
            {
                "bundles": cache_folder(settings.bundle_cache) if self.promotion is not None else None,
                "store": Path(settings.store_path) if settings.store_path else None,
                "tmp": Path(gettempdir()),
            }
        )
        self.switch.on_model = self._note_model
        self.switch.on_shadow = ShadowMeter(self.metrics)
        self.metrics.watch(
            self.lanes.interactive.statistics,
            self.lanes.claims.statistics,
            lambda: (self.switch.statistics().workers, self.switch.statistics().busy),
            lambda: self.switch.statistics().restarts,
            lambda: self.lifecycle.ready,
        )
        self.metrics.watch_process(self.lag, self.lifecycle, (WORKER_RESTARTING, BROKER_AWAY, CLAIMS_HELD))
        self.metrics.about("inference", VERSION, settings.build_revision or settings.infer_version)
        self.metrics.read(
            Reading(
                "inference_deadline_seconds",
                "Longest a forecast may take: INFERENCE_TIMEOUT, for rules that say what is near it.",
                lambda: settings.inference_timeout,
            )
        )

    async def __aenter__(self) -> "Runtime":
        settings = self.settings
        events.runtime_start(
            bundle=self.bundle.name if self.bundle else None,
            workers=settings.workers,
            queue_maxsize=settings.queue_maxsize,
        )
        if self.downloads is not None:
            self._stack.callback(self.downloads.close)
        self._stack.callback(self.metrics.close)
        if settings.enable_resource_logs:
            log = ResourceLog(self.metrics.resources, self.clock, settings.resource_log_seconds)
            await self._stack.enter_async_context(log)
        await self._stack.enter_async_context(self.lag)
        await self._stack.enter_async_context(self.switch)
        await self._stack.enter_async_context(self._feed)
        if self.claims is not None:
            await self._stack.enter_async_context(self.claims)
        if self.promotion is None:
            await self._serve(self.bundle, "There is no bundle to serve: set BUNDLE_PATH.")
        else:
            following = in_background(self._follow(self.promotion), "promotion")
            self._stack.push_async_callback(_end, following)
        note = asyncio.create_task(self._note_ready(time.perf_counter()), name="note-ready")
        self._stack.callback(note.cancel)
        self._stack.push_async_callback(self.drain.done)
        self.drain.watch()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        self.lifecycle.to(State.STOPPED)

    async def reload(self) -> ServedModel:
        """Activates what the pointer names now; without a store, what BUNDLE_PATH holds now.

        Raises:
            BundleRefused: It can not be served; the present model goes on.
            NotReady: Neither names a bundle.
        """
        if self.promotion is not None:
            await self.promotion.look()
            if self.switch.model is None:
                raise NotReady("The pointer names no bundle that can be served.", retry_after_s=30)
            return self.switch.model
        if self.bundle is None:
            raise NotReady("There is no bundle to load: set BUNDLE_PATH.", retry_after_s=60)
        return await self.switch.activate(self.bundle)

    async def _serve(self, bundle: Path | None, otherwise: str) -> None:
        if bundle is None:
            self.lifecycle.to(State.FAILED, otherwise)
        else:
            await self.switch.serve(bundle)
        if self.settings.shadow_bundle_path:
            await self.switch.shadow(Path(self.settings.shadow_bundle_path))

    async def _follow(self, promotion: PromotionHouse) -> None:
        """In a task: the store may take its time, and the door is open meanwhile."""
        await self._serve(await promotion.first(), "Nothing that was promoted can be had; the pointer is looked at.")
        async with promotion:
            await self.lifecycle.until(State.STOPPED)

    def _make_pool(self, args: WorkerArgs, workers: int, listener: PoolListener) -> ModelPool:
        return ProcessPool(args, workers, listener, self.clock) if workers else InlinePool(args, listener)

    @property
    def stalled(self) -> bool:
        return self.claims is not None and self.claims.stalled

    def _claim_house(self, outside: Outside) -> ClaimHouse | None:
        if outside.broker is None or not self.settings.kafka_wanted:
            return None
        house = ClaimHouse(
            *(self.settings, outside.broker, outside, self.predict, self.lanes.claims),
            *(self.lifecycle, self.claim_metrics, self.clock, self.drain.left_s),
        )
        self.claim_metrics.watch(self.metrics, house.readings)
        return house

    def _promotion_house(self, outside: Outside) -> PromotionHouse | None:
        settings, claims = self.settings, self.claims
        store = outside.store(promotion_places(settings)) if settings.inference_autoload_promoted else None
        if store is None:
            return None
        return PromotionHouse(
            *(settings, store, self.switch, self.lifecycle, self.bundle),
            *(outside.broker if claims is not None else None, claims.producer if claims is not None else None),
            *(self.claim_metrics, self.clock),
        )

    def _note_model(self, model: ServedModel) -> None:
        if self.claims is not None:
            self.claims.forecaster.served(model)
        self.metrics.model.clear()
        self.metrics.model.labels(model.bundle_id, model.name, model.backend, "serving").set(1)
        shadow = self.switch.shadow_model
        if shadow is not None:
            self.metrics.model.labels(shadow.bundle_id, shadow.name, shadow.backend, "shadow").set(1)

    async def _note_ready(self, begun: float) -> None:
        await self.lifecycle.until(State.READY)
        self.startup_ready_ms = round((time.perf_counter() - begun) * 1000)
        events.startup_model_ready(ready_ms=self.startup_ready_ms)


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _downloads(settings: InferenceSettings, outside: Outside) -> ObjectStore | None:
    """A store of its own for the download door, which allows what DOWNLOAD_BUCKETS says and no more.

    Raises:
        SettingsError: What was set can not be meant together, or names no store and no bucket.
    """
    if not settings.download_buckets:
        return None
    store = outside.store(places_of("DOWNLOAD_BUCKETS", settings.download_buckets))
    if store is None:
        raise SettingsError("DOWNLOAD_BUCKETS: there is nothing to read from; set S3_ENDPOINT or STORE_PATH")
    return store


def _bundle_path(named: str) -> Path | None:
    match named:
        case "default":
            return default_bundle_path()
        case "none":
            return None
        case _:
            return Path(named)
