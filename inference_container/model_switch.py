"""Which model answers: one reference to the pool that does, swapped whole.

A new bundle is loaded, verified and warmed in a pool of its own beside the one that serves. Only when all of it can
answer does the reference move; batches that run finish on the model they started with, and then the old pool ends. A
bundle that is refused never comes near a request. A shadow may run beside both: it sees copies of batches when it has
nothing else to do, and its answers are only measured.
"""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

from typing_extensions import override

from inference_container.forecasting.messages import ForecastQuery, ServedModel
from inference_container.forecasting.worker import WorkerArgs
from inference_container.model_pool import ModelPool, PoolListener
from inference_container.seats import Seat, sealed
from inference_container.services.ports import BatchOutcome, ModelControl, PoolStatistics, Predictor
from serving.child import ChildExit
from serving.errors import InvalidInput, NotReady, SluiceError
from serving.lifecycle import Lifecycle, Progress, State

#: Makes a pool for a bundle: how many workers it wants, and who is told of it.
MakePool = Callable[[WorkerArgs, int, PoolListener], ModelPool]

#: Reason of a degraded readiness.
WORKER_RESTARTING = "worker_restarting"


class ModelSwitch(Predictor, ModelControl, PoolListener):
    """Lives on the event loop. Open it as a context; `serve` names the first bundle."""

    def __init__(
        self, make_pool: MakePool, identifier: str, batch_size: int, workers: int, lifecycle: Lifecycle
    ) -> None:
        self._make_pool, self._identifier, self._batch_size = make_pool, identifier, batch_size
        self._workers, self._lifecycle = workers, lifecycle
        self.on_room: Callable[[], None] | None = None
        #: Told when another model answers from now on, and of the one that does when a shadow joins it.
        self.on_model: Callable[[ServedModel], None] | None = None
        #: Told of every batch that the shadow answered too.
        self.on_shadow: Callable[[BatchOutcome, BatchOutcome], None] | None = None
        self._serving: Seat | None = None
        self._shadow: Seat | None = None
        self._changing = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()
        self._past_restarts = 0
        #: The first pool is called `worker`, the second `worker2`.
        self._generations = itertools.count(2)

    async def __aenter__(self) -> "ModelSwitch":
        return self

    async def __aexit__(self, *_: object) -> None:
        seats = [seat for seat in (self._serving, self._shadow) if seat is not None]
        await asyncio.gather(*(seat.close() for seat in seats), *self._retiring)

    async def serve(self, bundle: Path) -> None:
        """Begins to load the first bundle; the lifecycle tells how far it has come.

        Does nothing when another one serves by then: an operator may be quicker than a store that was asked.
        """
        async with self._changing:
            if self._serving is not None:
                return
            self._lifecycle.report(Progress("starting"))
            try:
                self._serving = await self._seat(bundle, self._workers, "worker")
            except SluiceError as error:
                self._lifecycle.to(State.FAILED, f"{error.code}: {error.message}")
                return
            await self._serving.pool.open()

    async def shadow(self, bundle: Path) -> None:
        """Loads a bundle that answers beside the one that serves. One that is refused is reported and forgotten."""
        try:
            self._shadow = await self._seat(bundle, min(self._workers, 1), "shadow")
        except SluiceError:
            return
        await self._shadow.pool.open()

    @override
    async def activate(self, bundle: Path) -> ServedModel:
        async with self._changing:
            self._check_open()
            candidate = await self._seat(bundle, self._workers, f"worker{next(self._generations)}")
            try:
                await candidate.pool.open()
                model = await candidate.pool.loaded()
                self._check_open()  # nobody would close a candidate that came to serve after the end
            except BaseException:  # a cancelled activation too: nobody else knows of the candidate
                await asyncio.shield(candidate.close())
                raise
            before, self._serving = self._serving, candidate  # the swap: from here on every batch goes there
            if before is not None:
                self._retire(before)
        self._serves(model)
        self._room()
        return model

    @override
    async def scale(self, workers: int) -> tuple[int, int]:
        async with self._changing:
            if self._serving is None:
                raise NotReady("There is no model to scale.", retry_after_s=5)
            if self._workers == 0 or workers == 0:
                raise InvalidInput("A model on the event loop is chosen at the start (QUEUE_WORKERS=0), not later.")
            before = await self._serving.pool.resize(workers)
            self._workers = workers
            return before, workers

    @property
    @override
    def model(self) -> ServedModel | None:
        return self._serving.pool.model if self._serving is not None else None

    @property
    def shadow_model(self) -> ServedModel | None:
        return self._shadow.pool.model if self._shadow is not None else None

    @property
    @override
    def idle(self) -> int:
        return self._serving.pool.idle if self._serving is not None else 0

    @override
    def statistics(self) -> PoolStatistics:
        if self._serving is None:
            return PoolStatistics(0, 0, self._past_restarts)
        now = self._serving.pool.statistics()
        return PoolStatistics(now.workers, now.busy, now.restarts + self._past_restarts)

    @override
    def start(self, queries: Sequence[ForecastQuery], done: Callable[[BatchOutcome], None]) -> None:
        seat, shadow = self._serving, self._shadow
        assert seat is not None
        beside: Callable[[BatchOutcome], None] | None = None
        if shadow is not None and shadow.pool.idle:
            done, beside = self._compared(done)
        seat.in_flight += 1

        def rested(outcome: BatchOutcome) -> None:
            seat.in_flight -= 1
            seat.rested.set()
            done(outcome)

        seat.pool.start(queries, rested)
        if shadow is not None and beside is not None:
            shadow.pool.start(queries, beside)  # after the other: on the event loop, the first is computed first

    def _compared(
        self, done: Callable[[BatchOutcome], None]
    ) -> tuple[Callable[[BatchOutcome], None], Callable[[BatchOutcome], None]]:
        """Whom the serving pool and the shadow tell. Callers hear of the first, `on_shadow` when both have answered."""
        outcomes: dict[str, BatchOutcome] = {}

        def note(who: str, outcome: BatchOutcome) -> None:
            outcomes[who] = outcome
            if len(outcomes) == 2 and self.on_shadow is not None:
                self.on_shadow(outcomes["served"], outcomes["shadowed"])

        def served(outcome: BatchOutcome) -> None:
            done(outcome)
            note("served", outcome)

        return served, lambda outcome: note("shadowed", outcome)

    def _check_open(self) -> None:
        if self._lifecycle.closing:
            raise NotReady("The process is going down.", retry_after_s=1)

    async def _seat(self, bundle: Path, workers: int, name: str) -> Seat:
        """A pool for a copy of the bundle whose papers are in order.

        Raises:
            BundleRefused: They are not; it has been reported, and no worker was started.
        """
        snapshot = await sealed(bundle)
        args = WorkerArgs(snapshot, bundle.name, self._identifier, self._batch_size, name)
        return Seat(self._make_pool(args, workers, self), snapshot)

    def _retire(self, seat: Seat) -> None:
        self._past_restarts += seat.pool.statistics().restarts
        task = asyncio.create_task(seat.empty(), name="retire-pool")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def _is_serving(self, pool: ModelPool) -> bool:
        return self._serving is not None and self._serving.pool is pool

    def _serves(self, model: ServedModel) -> None:
        if not self._lifecycle.closing:
            self._lifecycle.restore(WORKER_RESTARTING)
            self._lifecycle.to(State.READY)
        self._tell(model)

    def _tell(self, model: ServedModel) -> None:
        if self.on_model is not None:
            self.on_model(model)

    def _room(self) -> None:
        if self.on_room is not None:
            self.on_room()

    @override
    def pool_idle(self, pool: ModelPool) -> None:
        if self._is_serving(pool):
            self._room()

    @override
    def pool_progress(self, pool: ModelPool, phase: str) -> None:
        # One more try after a failure is no news until it works.
        if self._is_serving(pool) and self._lifecycle.state is not State.FAILED:
            self._lifecycle.report(Progress(phase))

    @override
    def pool_loaded(self, pool: ModelPool) -> None:
        if self._is_serving(pool) and pool.model is not None:
            self._serves(pool.model)
        elif self._shadow is not None and self._shadow.pool is pool and self.model is not None:
            self._tell(self.model)

    @override
    def pool_refused(self, pool: ModelPool, error: SluiceError) -> None:
        if self._is_serving(pool) and not self._lifecycle.closing and not pool.statistics().workers:
            self._lifecycle.to(State.FAILED, f"{error.code}: {error.message}")

    @override
    def pool_died(self, pool: ModelPool, ended: ChildExit) -> None:
        if not self._is_serving(pool) or self._lifecycle.closing or pool.statistics().workers:
            return
        if pool.keeps_dying:
            self._lifecycle.to(State.FAILED, f"Workers keep dying: {ended.reason}.")
        elif self._lifecycle.ready:
            self._lifecycle.degrade(WORKER_RESTARTING)
