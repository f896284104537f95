"""Spawned workers that hold one bundle. What crosses a process boundary is a batch, not a request.

Each worker is a `serving.child.Child` that owns the model and one thread. A batch goes to a worker that is free; a
crash costs that batch alone, which fails typed, and the worker comes back by itself. `model_switch` opens one pool per
bundle and decides which of them is asked.
"""

import asyncio
import itertools
from collections.abc import Callable, Sequence

from typing_extensions import override

from inference_container import events
from inference_container.forecasting.messages import ForecastQuery, ServedModel
from inference_container.forecasting.worker import (
    Batch,
    BatchDone,
    Loading,
    WorkerArgs,
    WorkerReady,
    WorkerRefused,
    work,
)
from inference_container.model_pool import ModelPool, PoolListener
from inference_container.services.ports import BatchOutcome, PoolStatistics
from serving import events as floor_events
from serving.child import Child, ChildExit, ChildListener, RestartPolicy
from serving.clock import Clock
from serving.errors import ChildDied, WorkFailed

#: A forward pass takes milliseconds; importing torch from a cold disk took half a minute, and says nothing meanwhile.
POLICY = RestartPolicy(silence_s=120.0, max_wait_s=5.0)
#: Once loaded, a worker beats twice a second between batches, and a batch takes milliseconds.
_WORK_SILENCE_S = 15.0
#: One thread a worker: a second one costs a recurrent network up to 40 % at batches below 32.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
#: Deaths in a row, without one answered batch or a long life between them, after which workers count as dying for ever.
_GIVE_UP_AFTER = 5


class ProcessPool(ModelPool):
    def __init__(self, args: WorkerArgs, size: int, listener: PoolListener, clock: Clock) -> None:
        self._args, self._listener, self._clock = args, listener, clock
        self._indices = itertools.count()
        self._numbers = itertools.count(1)
        self._past_restarts = 0
        self._model: ServedModel | None = None
        self._loaded: asyncio.Future[ServedModel] = asyncio.get_running_loop().create_future()
        self._free: list[_Worker] = []
        self._workers = [self._make() for _ in range(size)]
        self._leaving: set[asyncio.Task[None]] = set()

    @override
    async def open(self) -> None:
        for worker in self._workers:
            await worker.child.__aenter__()

    @override
    async def loaded(self) -> ServedModel:
        return await asyncio.shield(self._loaded)

    @override
    async def aclose(self) -> None:
        await asyncio.gather(*(worker.child.aclose() for worker in self._workers), *self._leaving)

    @override
    async def resize(self, size: int) -> int:
        before = len(self._workers)
        joining = [self._make() for _ in range(size - before)]
        for worker in joining:
            await worker.child.__aenter__()
        self._workers += joining
        while len(self._workers) > size:
            self._dismiss(self._workers.pop())
        return before

    @property
    @override
    def model(self) -> ServedModel | None:
        return self._model

    @property
    @override
    def idle(self) -> int:
        return len(self._free)

    @override
    def statistics(self) -> PoolStatistics:
        return PoolStatistics(
            workers=sum(worker.loaded for worker in self._workers),
            busy=sum(worker.running is not None for worker in self._workers),
            restarts=self._past_restarts + sum(worker.restarts for worker in self._workers),
        )

    @override
    def start(self, queries: Sequence[ForecastQuery], done: Callable[[BatchOutcome], None]) -> None:
        self._free.pop().start(Batch(next(self._numbers), [tuple(query) for query in queries]), done)

    def _make(self) -> "_Worker":
        return _Worker(self, f"{self._args.name}-{next(self._indices)}", self._args, self._clock)

    def _dismiss(self, worker: "_Worker") -> None:
        """Lets it finish the batch it has, then ends it."""
        worker.leaving = True
        self._past_restarts += worker.restarts
        if worker in self._free:
            self._free.remove(worker)
        task = asyncio.create_task(worker.leave(), name=f"dismiss-{worker.name}")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def freed(self, worker: "_Worker") -> None:
        if worker.loaded and not worker.leaving and worker not in self._free:
            self._free.append(worker)
            self._listener.pool_idle(self)

    def was_loaded(self, worker: "_Worker", ready: WorkerReady) -> None:
        events.model_activated(
            bundle_id=ready.model.bundle_id,
            name=ready.model.name,
            backend=ready.model.backend,
            worker=worker.name,
            load_ms=ready.load_ms,
            golden_max_rel_err=ready.golden_max_rel_err,
        )
        if ready.fallback is not None:
            events.backend_fallback(backend=ready.model.backend, worker=worker.name, reason=ready.fallback)
        self._model = ready.model
        # A candidate serves once all of its workers can: a swap must not cost half of the capacity.
        if not self._loaded.done() and all(worker.loaded for worker in self._workers):
            self._loaded.set_result(ready.model)
        self._listener.pool_loaded(self)

    def reported(self, loading: Loading) -> None:
        self._listener.pool_progress(self, loading.phase)

    def refused(self, refusal: WorkerRefused) -> None:
        error = refusal.error
        events.model_rejected(bundle=self._args.bundle_name, code=error.code, reason=error.message)
        self._give_up(error)
        self._listener.pool_refused(self, error)

    def died(self, worker: "_Worker", ended: ChildExit) -> None:
        if worker in self._free:
            self._free.remove(worker)
        if ended.failures >= _GIVE_UP_AFTER:
            self._give_up(WorkFailed(f"Workers keep dying: {ended.reason}."))
        self._listener.pool_died(self, ended)

    def _give_up(self, error: Exception) -> None:
        if not self._loaded.done():
            self._loaded.set_exception(error)
            self._loaded.exception()  # seen: the first load has nobody who waits for it

    @property
    def keeps_dying(self) -> bool:
        return any(worker.failures >= _GIVE_UP_AFTER for worker in self._workers)


class _Worker(ChildListener):
    """One child and the batch that it has, if any."""

    def __init__(self, pool: ProcessPool, name: str, args: WorkerArgs, clock: Clock) -> None:
        self.name = name
        self.child: Child[WorkerArgs] = Child(self.name, work, args, self, clock, POLICY, _ONE_THREAD)
        self.loaded = self.leaving = False
        self.failures = 0
        self.running: Callable[[BatchOutcome], None] | None = None
        self._pool = pool
        self._rested = asyncio.Event()

    @property
    def restarts(self) -> int:
        return max(0, self.child.starts - 1)

    def start(self, batch: Batch, done: Callable[[BatchOutcome], None]) -> None:
        self.running = done
        self._rested.clear()
        if not self.child.send(batch):
            # It died in this very turn of the loop; its exit is yet to be told.
            asyncio.get_running_loop().call_soon(self._lost)

    async def leave(self) -> None:
        while self.running is not None:
            self._rested.clear()
            await self._rested.wait()
        await self.child.aclose()

    @override
    def on_start(self, pid: int) -> None:
        floor_events.child_started(child=self.name, pid=pid, start=self.child.starts)

    @override
    def on_message(self, message: object) -> None:
        match message:
            case BatchDone():
                done, self.running = self.running, None
                self.child.forgive()  # it worked: what kills it next, an operator or memory, begins a new count
                # First the next batch, then these answers: the worker computes while they are written.
                self._pool.freed(self)
                if done is not None:
                    done(message.answered)
                self._rested.set()
            case WorkerReady():
                self.loaded, self.failures = True, 0
                self.child.expect_signs_every(_WORK_SILENCE_S)
                self._pool.was_loaded(self, message)
                self._pool.freed(self)
            case Loading():
                self._pool.reported(message)
            case WorkerRefused():
                self._pool.refused(message)

    @override
    def on_exit(self, ended: ChildExit) -> None:
        self.loaded, self.failures = False, ended.failures
        floor_events.child_exited(
            child=self.name,
            pid=ended.pid,
            reason=ended.reason,
            failures=ended.failures,
            wait_s=POLICY.wait(ended.failures),
        )
        self._lost()
        self._pool.died(self, ended)

    @override
    def on_stderr(self, line: str) -> None:
        floor_events.child_stderr(child=self.name, line=line)

    def _lost(self) -> None:
        done, self.running = self.running, None
        if done is not None:
            done(ChildDied(retry_after_s=1))
        self._rested.set()
