"""The model on the event loop itself (QUEUE_WORKERS=0): no hand-off, no second process, and no isolation.

For one small model on one core where memory counts more than a quiet probe: a batch holds the loop while it runs. What
that gains and costs is measured in the decision record on pools and inline models.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from typing_extensions import override

from inference_container import events
from inference_container.forecasting.messages import ForecastQuery, ServedModel
from inference_container.forecasting.worker import WorkerArgs
from inference_container.model_pool import ModelPool, PoolListener
from inference_container.services.ports import BatchOutcome, PoolStatistics
from serving import events as floor_events
from serving.errors import InvalidInput, SluiceError, WorkFailed
from serving.logging import where

if TYPE_CHECKING:
    from inference_container.forecasting.opening import OpenedModel


class InlinePool(ModelPool):
    keeps_dying = False

    def __init__(self, args: WorkerArgs, listener: PoolListener) -> None:
        self._args, self._listener = args, listener
        self._opened: OpenedModel | None = None
        self._opening: asyncio.Task[ServedModel] | None = None
        self._busy = False

    @override
    async def open(self) -> None:
        self._opening = asyncio.create_task(self._open(), name="open-model")

    @override
    async def loaded(self) -> ServedModel:
        assert self._opening is not None
        return await asyncio.shield(self._opening)

    @override
    async def aclose(self) -> None:
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)

    @override
    async def resize(self, size: int) -> int:
        raise InvalidInput("The model runs on the event loop (QUEUE_WORKERS=0); start with QUEUE_WORKERS=1 or more.")

    @property
    @override
    def model(self) -> ServedModel | None:
        return self._opened.model if self._opened is not None else None

    @property
    @override
    def idle(self) -> int:
        return int(self._opened is not None and not self._busy)

    @override
    def statistics(self) -> PoolStatistics:
        return PoolStatistics(workers=int(self._opened is not None), busy=int(self._busy), restarts=0)

    @override
    def start(self, queries: Sequence[ForecastQuery], done: Callable[[BatchOutcome], None]) -> None:
        self._busy = True
        # In a turn of its own: whatever is ready to be read joins the next batch instead of waiting behind this one.
        asyncio.get_running_loop().call_soon(self._run, queries, done)

    def _run(self, queries: Sequence[ForecastQuery], done: Callable[[BatchOutcome], None]) -> None:
        assert self._opened is not None
        outcome: BatchOutcome
        try:
            outcome = self._opened.inferencer.answer(queries)
        except SluiceError as error:
            outcome = error
        except Exception as error:  # a defect costs its batch; the loop goes on
            floor_events.unexpected_error(error_type=type(error).__name__, at=where(error))
            outcome = WorkFailed()
        self._busy = False
        done(outcome)
        self._listener.pool_idle(self)

    async def _open(self) -> ServedModel:
        loop = asyncio.get_running_loop()

        def report(phase: str) -> None:
            loop.call_soon_threadsafe(self._listener.pool_progress, self, phase)

        try:
            opened = await asyncio.to_thread(_open_quietly, self._args, report)
        except SluiceError as error:
            events.model_rejected(bundle=self._args.bundle_name, code=error.code, reason=error.message)
            self._listener.pool_refused(self, error)
            raise
        self._opened = opened
        model = opened.model
        events.model_activated(
            bundle_id=model.bundle_id,
            name=model.name,
            backend=model.backend,
            worker="event-loop",
            load_ms=opened.load_ms,
            golden_max_rel_err=opened.golden_max_rel_err,
        )
        if opened.fallback is not None:
            events.backend_fallback(backend=model.backend, worker="event-loop", reason=opened.fallback)
        self._listener.pool_loaded(self)
        self._listener.pool_idle(self)
        return model


def _open_quietly(args: WorkerArgs, report: Callable[[str], None]) -> "OpenedModel":
    # Imported here: with worker processes the API process never loads numpy.
    from inference_container.forecasting.opening import open_model

    return open_model(args.bundle, args.identifier, args.batch_size, report)
