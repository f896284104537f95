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
from inference_container.forecasting.worker import WorkerArgs
from inference_container.metrics import InferenceMetrics
from inference_container.process_pool import ProcessPool
from inference_container.services.predict import ForecastLane, Predict
from inference_container.settings import InferenceSettings
from serving.clock import Clock, SystemClock
from serving.drain import Drain
from serving.lifecycle import Lifecycle, State
from serving.loop_lag import LoopLag


class Runtime:
    def __init__(self, settings: InferenceSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.build_version = settings.infer_version
        self.lifecycle = Lifecycle()
        self.metrics = InferenceMetrics()
        self.lag = LoopLag(self.clock)
        self.lane: ForecastLane = ForecastLane(settings.queue_maxsize, self.clock)
        self.drain = Drain(self.lane, self.lifecycle, settings.uvicorn_timeout_graceful_shutdown)
        self.startup_ready_ms: int | None = None
        self._bundle = _bundle_path(settings.bundle_path)
        batch_size = settings.batch_size if settings.enable_microbatch else 1
        self.pool = ProcessPool(
            WorkerArgs(str(self._bundle), settings.identifier, batch_size),
            settings.queue_workers if self._bundle is not None else 0,
            self.lifecycle,
            self.clock,
        )
        self.predict = Predict(self.lane, self.pool, self.lifecycle, self.metrics)
        self._dispatcher = self.predict.dispatcher(settings.queue_workers, batch_size)
        self._stack = AsyncExitStack()
        self.metrics.watch(
            self.lane.statistics,
            lambda: (self.pool.statistics().workers, self.pool.statistics().busy),
            lambda: self.pool.statistics().restarts,
            lambda: self.lifecycle.ready,
            self.lag,
        )

    async def __aenter__(self) -> "Runtime":
        settings = self.settings
        events.runtime_start(
            bundle=self._bundle.name if self._bundle else None,
            workers=settings.queue_workers,
            queue_maxsize=settings.queue_maxsize,
        )
        await self._stack.enter_async_context(self.lag)
        if self._bundle is None:
            self.lifecycle.to(State.FAILED, "There is no bundle to serve: set BUNDLE_PATH.")
        else:
            await self._stack.enter_async_context(self.pool)
        await self._stack.enter_async_context(self._dispatcher)
        note = asyncio.create_task(self._note_ready(time.perf_counter()), name="note-ready")
        self._stack.callback(note.cancel)
        self._stack.push_async_callback(self.drain.done)
        self.drain.watch()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        self.lifecycle.to(State.STOPPED)

    async def _note_ready(self, begun: float) -> None:
        await self.lifecycle.until(State.READY)
        self.startup_ready_ms = round((time.perf_counter() - begun) * 1000)
        model = self.pool.model
        if model is not None:
            self.metrics.model.labels(model.bundle_id, model.name, model.backend).set(1)
        events.startup_model_ready(ready_ms=self.startup_ready_ms)


def _bundle_path(named: str) -> Path | None:
    match named:
        case "default":
            return default_bundle_path()
        case "none":
            return None
        case _:
            return Path(named)
