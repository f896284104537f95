"""Builds the forecast service from its settings: reads them once and hands each room its own part.

`Runtime` is the whole house as one context: entered, it is starting; left, everything it opened is closed again, in the
order not ready → no admission → drained within the grace → workers ended.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

from inference_container import events
from inference_container.defaults import default_bundle_path
from inference_container.forecasting.messages import ServedModel
from inference_container.forecasting.worker import WorkerArgs
from inference_container.inline_pool import InlinePool
from inference_container.metrics import InferenceMetrics
from inference_container.model_pool import ModelPool, PoolListener
from inference_container.model_switch import ModelSwitch
from inference_container.process_pool import ProcessPool
from inference_container.services.answer_cache import AnswerCache
from inference_container.services.batches import BatchFeed
from inference_container.services.lanes import make_lanes
from inference_container.services.predict import Predict
from inference_container.services.shadow import ShadowMeter
from inference_container.settings import InferenceSettings
from inference_container.stores.address import S3Address, open_store
from inference_container.stores.places import Places
from inference_container.stores.ports import ObjectStore
from serving.clock import Clock, SystemClock
from serving.cores import whole_cores
from serving.drain import Drain
from serving.errors import DependencyFailed, NotReady
from serving.lifecycle import Lifecycle, State
from serving.loop_lag import LoopLag
from serving.settings import SettingsError


class Runtime:
    def __init__(self, settings: InferenceSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.build_version = settings.infer_version
        self.lifecycle = Lifecycle()
        self.metrics = InferenceMetrics()
        self.lag = LoopLag(self.clock)
        self.lanes = make_lanes(settings.queue_maxsize, settings.queue_max_bytes, self.clock)
        self.drain = Drain(self.lanes.share.lanes, self.lifecycle, settings.uvicorn_timeout_graceful_shutdown)
        self.startup_ready_ms: int | None = None
        self._bundle = _bundle_path(settings.bundle_path)
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
        self.downloads = _downloads(settings)
        self.switch.on_model = self._note_model
        self.switch.on_shadow = ShadowMeter(self.metrics)
        self.metrics.watch(
            self.lanes.interactive.statistics,
            self.lanes.claims.statistics,
            lambda: (self.switch.statistics().workers, self.switch.statistics().busy),
            lambda: self.switch.statistics().restarts,
            lambda: self.lifecycle.ready,
            self.lag,
        )

    async def __aenter__(self) -> "Runtime":
        settings = self.settings
        events.runtime_start(
            bundle=self._bundle.name if self._bundle else None,
            workers=settings.workers,
            queue_maxsize=settings.queue_maxsize,
        )
        if self.downloads is not None:
            self._stack.callback(self.downloads.close)
        await self._stack.enter_async_context(self.lag)
        await self._stack.enter_async_context(self.switch)
        await self._stack.enter_async_context(self._feed)
        if self._bundle is None:
            self.lifecycle.to(State.FAILED, "There is no bundle to serve: set BUNDLE_PATH.")
        else:
            await self.switch.serve(self._bundle)
        if settings.shadow_bundle_path:
            await self.switch.shadow(Path(settings.shadow_bundle_path))
        note = asyncio.create_task(self._note_ready(time.perf_counter()), name="note-ready")
        self._stack.callback(note.cancel)
        self._stack.push_async_callback(self.drain.done)
        self.drain.watch()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        self.lifecycle.to(State.STOPPED)

    async def reload(self) -> ServedModel:
        """Activates what BUNDLE_PATH holds now.

        Raises:
            BundleRefused: It can not be served; the present model goes on.
            NotReady: BUNDLE_PATH names no bundle.
        """
        if self._bundle is None:
            raise NotReady("There is no bundle to load: set BUNDLE_PATH.", retry_after_s=60)
        return await self.switch.activate(self._bundle)

    def _make_pool(self, args: WorkerArgs, workers: int, listener: PoolListener) -> ModelPool:
        return ProcessPool(args, workers, listener, self.clock) if workers else InlinePool(args, listener)

    def _note_model(self, model: ServedModel) -> None:
        self.metrics.model.clear()
        self.metrics.model.labels(model.bundle_id, model.name, model.backend, "serving").set(1)
        shadow = self.switch.shadow_model
        if shadow is not None:
            self.metrics.model.labels(shadow.bundle_id, shadow.name, shadow.backend, "shadow").set(1)

    async def _note_ready(self, begun: float) -> None:
        await self.lifecycle.until(State.READY)
        self.startup_ready_ms = round((time.perf_counter() - begun) * 1000)
        events.startup_model_ready(ready_ms=self.startup_ready_ms)


def _downloads(settings: InferenceSettings) -> ObjectStore | None:
    """A store of its own for the download door, which allows what DOWNLOAD_BUCKETS says and no more.

    Raises:
        SettingsError: What was set can not be meant together, or names no store and no bucket.
    """
    where = _store_place(settings)
    if not settings.download_buckets:
        return None
    if where is None:
        raise SettingsError("DOWNLOAD_BUCKETS: there is nothing to read from; set S3_ENDPOINT or STORE_PATH")
    try:
        return open_store(where, Places.read(settings.download_buckets))
    except ValueError as error:
        raise SettingsError(f"DOWNLOAD_BUCKETS: {error}") from error
    except DependencyFailed as error:
        raise SettingsError(error.message) from error


def _store_place(settings: InferenceSettings) -> Path | S3Address | None:
    if settings.s3_endpoint and settings.store_path:
        raise SettingsError("S3_ENDPOINT and STORE_PATH name two stores; keep one")
    if settings.store_path:
        return Path(settings.store_path)
    if not settings.s3_endpoint:
        return None
    if not (settings.s3_access_key and settings.s3_secret_key):
        raise SettingsError("S3_ENDPOINT: set S3_ACCESS_KEY and S3_SECRET_KEY too")
    return S3Address(
        settings.s3_endpoint,
        settings.s3_access_key,
        settings.s3_secret_key,
        settings.s3_secure,
        settings.s3_region,
        settings.s3_ca_file or None,
    )


def _bundle_path(named: str) -> Path | None:
    match named:
        case "default":
            return default_bundle_path()
        case "none":
            return None
        case _:
            return Path(named)
