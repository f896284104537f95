"""Spawned workers behind the `Predictor` port. What crosses a process boundary is a batch, not a request.

Each worker is a `serving.child.Child` that owns the model and one thread. A batch goes to a worker that is free; a
crash costs that batch alone, which fails typed, and the worker comes back by itself. The pool tells the lifecycle how
far the first load has come; workers that restart later leave the service ready, because the others go on.
"""

import asyncio
import itertools
from collections.abc import Sequence

from typing_extensions import override

from inference_container import events
from inference_container.forecasting.messages import ForecastQuery, ForecastReply
from inference_container.forecasting.worker import (
    Batch,
    BatchDone,
    Loading,
    WorkerArgs,
    WorkerReady,
    WorkerRefused,
    work,
)
from inference_container.services.ports import PoolStatistics, Predictor, ServedModel
from serving import events as floor_events
from serving.child import Child, ChildExit, ChildListener, RestartPolicy
from serving.clock import Clock
from serving.errors import ChildDied
from serving.lifecycle import Lifecycle, Progress, State

#: A forward pass takes milliseconds; importing torch from a cold disk took half a minute, and says nothing meanwhile.
POLICY = RestartPolicy(silence_s=120.0, max_wait_s=5.0)
#: Once loaded, a worker beats twice a second between batches, and a batch takes milliseconds.
_WORK_SILENCE_S = 15.0
#: One thread a worker: a second one costs a recurrent network up to 40 % at batches below 32.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
#: Deaths in a row, without one successful load between them, after which the service says it is failed.
_GIVE_UP_AFTER = 5


class ProcessPool(Predictor):
    def __init__(self, args: WorkerArgs, size: int, lifecycle: Lifecycle, clock: Clock) -> None:
        self._lifecycle = lifecycle
        self._model: ServedModel | None = None
        self._free: asyncio.Queue[_Worker] = asyncio.Queue()
        self._numbers = itertools.count(1)
        self._bundle = args.bundle
        self._workers = [_Worker(self, index, args, clock) for index in range(size)]

    async def __aenter__(self) -> "ProcessPool":
        self._lifecycle.report(Progress("starting"))
        for worker in self._workers:
            await worker.child.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(worker.child.aclose() for worker in self._workers))

    @property
    @override
    def model(self) -> ServedModel | None:
        return self._model

    @override
    def statistics(self) -> PoolStatistics:
        return PoolStatistics(
            workers=sum(worker.loaded for worker in self._workers),
            busy=sum(worker.running is not None for worker in self._workers),
            restarts=sum(max(0, worker.child.starts - 1) for worker in self._workers),
        )

    @override
    async def forecast(self, queries: Sequence[ForecastQuery]) -> Sequence[ForecastReply]:
        worker = await self._free_worker()
        return await worker.run(Batch(next(self._numbers), tuple(queries)))

    async def _free_worker(self) -> "_Worker":
        while True:
            worker = await self._free.get()
            if worker.loaded and worker.running is None:  # it may have died since it was put here
                return worker

    def freed(self, worker: "_Worker") -> None:
        self._free.put_nowait(worker)

    def loaded(self, worker: "_Worker", ready: WorkerReady) -> None:
        events.model_activated(
            bundle_id=ready.bundle_id,
            name=ready.name,
            backend=ready.backend,
            worker=worker.name,
            load_ms=ready.load_ms,
            golden_max_rel_err=ready.golden_max_rel_err,
        )
        self._model = ServedModel(
            ready.bundle_id, ready.name, ready.backend, ready.input_len, ready.horizon, ready.targets
        )
        if not self._lifecycle.closing:
            self._lifecycle.restore("worker_restarting")
            self._lifecycle.to(State.READY)

    def reported(self, loading: Loading) -> None:
        if self._lifecycle.state is not State.FAILED:  # one more try is no news until it works
            self._lifecycle.report(Progress(loading.phase))

    def refused(self, refusal: WorkerRefused) -> None:
        error = refusal.error
        events.model_rejected(bundle=self._bundle, code=error.code, reason=error.message)
        if self._lifecycle.closing or any(worker.loaded for worker in self._workers):
            return  # the others hold the bundle that was verified before the files changed
        self._lifecycle.to(State.FAILED, f"{error.code}: {error.message}")

    def died(self, ended: ChildExit) -> None:
        if self._lifecycle.closing or any(worker.loaded for worker in self._workers):
            return
        if self._lifecycle.ready and ended.failures < _GIVE_UP_AFTER:
            self._lifecycle.degrade("worker_restarting")
        elif ended.failures >= _GIVE_UP_AFTER:
            self._lifecycle.to(State.FAILED, f"Workers keep dying: {ended.reason}.")


class _Worker(ChildListener):
    """One child and the batch that it has, if any."""

    def __init__(self, pool: ProcessPool, index: int, args: WorkerArgs, clock: Clock) -> None:
        self.name = f"worker-{index}"
        self.child: Child[WorkerArgs] = Child(self.name, work, args, self, clock, POLICY, _ONE_THREAD)
        self.loaded = False
        self.running: Batch | None = None
        self._pool = pool
        self._answer: asyncio.Future[Sequence[ForecastReply]] | None = None

    async def run(self, batch: Batch) -> Sequence[ForecastReply]:
        """A cancelled caller leaves the worker busy until the batch is done: a forward pass can not be stopped."""
        answer: asyncio.Future[Sequence[ForecastReply]] = asyncio.get_running_loop().create_future()
        self._answer, self.running = answer, batch
        if not self.child.send(batch):
            self._lost()
        return await asyncio.shield(answer)

    @override
    def on_start(self, pid: int) -> None:
        floor_events.child_started(child=self.name, pid=pid, start=self.child.starts)

    @override
    def on_message(self, message: object) -> None:
        match message:
            case BatchDone():
                answer, self._answer, self.running = self._answer, None, None
                if answer is not None and not answer.done():
                    answer.set_result(message.replies)
                self._pool.freed(self)
            case WorkerReady():
                self.loaded = True
                self.child.expect_signs_every(_WORK_SILENCE_S)
                self._pool.loaded(self, message)
                self._pool.freed(self)
            case Loading():
                self._pool.reported(message)
            case WorkerRefused():
                self._pool.refused(message)

    @override
    def on_exit(self, ended: ChildExit) -> None:
        self.loaded = False
        floor_events.child_exited(
            child=self.name,
            pid=ended.pid,
            reason=ended.reason,
            failures=ended.failures,
            wait_s=POLICY.wait(ended.failures),
        )
        self._lost()
        self._pool.died(ended)

    @override
    def on_stderr(self, line: str) -> None:
        floor_events.child_stderr(child=self.name, line=line)

    def _lost(self) -> None:
        answer, self._answer, self.running = self._answer, None, None
        if answer is not None and not answer.done():
            answer.set_exception(ChildDied(retry_after_s=1))
            answer.exception()  # seen: the caller may have gone away before its worker did
