"""A pool of no processes: it loads, is refused, dies and answers when a test says so."""

import asyncio
from collections.abc import Callable, Sequence

import orjson
from typing_extensions import override

from inference_container.forecasting.messages import Answered, ForecastQuery, ServedModel
from inference_container.forecasting.worker import WorkerArgs
from inference_container.model_pool import ModelPool, PoolListener
from inference_container.services.ports import BatchOutcome, PoolStatistics
from serving.child import ChildExit
from serving.errors import ChildDied, SluiceError
from tests.fakes.predictor import TIMINGS, fake_model

KILLED = ChildExit(pid=7, code=-9, failures=1, hung=False)


class FakePool(ModelPool):
    """Its model's id is the name in the bundle's manifest."""

    keeps_dying = False

    def __init__(self, args: WorkerArgs, workers: int, listener: PoolListener) -> None:
        self.args, self.wanted, self._listener = args, workers, listener
        self.restarts = self.living = 0
        self.opened = self.closed = False
        #: Batches that run, oldest first.
        self.running: list[tuple[Sequence[ForecastQuery], Callable[[BatchOutcome], None]]] = []
        #: What happened, across pools, in order; a test may hand all of them the same list.
        self.diary: list[str] = []
        self._model: ServedModel | None = None
        self._loaded: asyncio.Future[ServedModel] = asyncio.get_running_loop().create_future()

    @override
    async def open(self) -> None:
        self.opened = True

    @override
    async def loaded(self) -> ServedModel:
        return await asyncio.shield(self._loaded)

    @override
    async def aclose(self) -> None:
        assert not self.closed, "closed once"
        self.closed, self.living = True, 0
        while self.running:
            self.finish(ChildDied())

    @override
    async def resize(self, size: int) -> int:
        before, self.wanted = self.wanted, size
        self.living = min(self.living, size)
        return before

    @property
    @override
    def model(self) -> ServedModel | None:
        return self._model

    @property
    @override
    def idle(self) -> int:
        return self.living - len(self.running)

    @override
    def statistics(self) -> PoolStatistics:
        return PoolStatistics(self.living, len(self.running), self.restarts)

    @override
    def start(self, queries: Sequence[ForecastQuery], done: Callable[[BatchOutcome], None]) -> None:
        assert not self.closed
        assert self.idle > 0
        self.diary.append(f"{self.args.bundle_name} starts")
        self.running.append((queries, done))

    def load(self) -> None:
        self._model = fake_model(self.args.bundle.name)
        self.living = max(1, self.wanted)
        if not self._loaded.done():
            self._loaded.set_result(self._model)
        self._listener.pool_loaded(self)
        self._listener.pool_idle(self)

    def progress(self, phase: str) -> None:
        self._listener.pool_progress(self, phase)

    def refuse(self, error: SluiceError) -> None:
        self._give_up(error)
        self._listener.pool_refused(self, error)

    def die(self, *, in_row: int = 1) -> None:
        """Its workers are gone, and with them what they computed; `in_row` deaths from 5 on are too many."""
        self.living = 0
        self.restarts += in_row
        while self.running:
            self.finish(ChildDied())
        if in_row >= 5:
            self.keeps_dying = True
            self._give_up(ChildDied())
        self._listener.pool_died(self, KILLED)

    def finish(self, outcome: BatchOutcome | None = None) -> None:
        """The oldest batch is answered: each query with the model's id, or all with `outcome`."""
        queries, done = self.running.pop(0)
        if outcome is None:
            assert self._model is not None
            reply = orjson.dumps({"run_id": self._model.bundle_id, "predictions": [{"y": 1.0}]})
            outcome = Answered([reply for _ in queries], TIMINGS)
        self.diary.append(f"{self.args.bundle_name} answers")
        done(outcome)
        if not self.closed:
            self._listener.pool_idle(self)

    def _give_up(self, error: SluiceError) -> None:
        if not self._loaded.done():
            self._loaded.set_exception(error)
            self._loaded.exception()
