"""A predictor that answers, refuses or waits as a test says."""

import asyncio
from collections.abc import Callable, Sequence

from typing_extensions import override

from inference_container.forecasting.messages import Answered, ForecastQuery, ForecastReply, ServedModel, StageTimings
from inference_container.services.ports import BatchOutcome, PoolStatistics, Predictor
from serving.errors import SluiceError

TIMINGS = StageTimings(0.1, 0.2, 0.3, 0.4, 0.5, 1.5, 1)


def fake_model(bundle_id: str = "b" * 64) -> ServedModel:
    return ServedModel(
        bundle_id=bundle_id,
        name="fake",
        backend="numpy",
        input_len=4,
        horizon=2,
        targets=("y",),
        columns=("y",),
        freq_seconds=60,
        max_steps=2,
        quantile_levels=(),
        card={},
        manifest_sha256="a" * 64,
    )


class FakePredictor(Predictor):
    """One worker. It answers a query with its own body, or as `answer` does, once `gate` is set."""

    def __init__(self, loaded: bool = True) -> None:
        self.on_room: Callable[[], None] | None = None
        self.served = fake_model() if loaded else None
        self.batches: list[list[str]] = []
        self.replies: dict[str, ForecastReply] = {}
        #: Computes the replies of a batch, where a body of its own is not answer enough.
        self.answer: Callable[[Sequence[ForecastQuery]], Sequence[ForecastReply]] = self._echo
        self.error: SluiceError | None = None
        #: Errors of the next batches, one each, before `error` counts.
        self.errors: list[SluiceError] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._running: asyncio.Task[None] | None = None

    @property
    @override
    def model(self) -> ServedModel | None:
        return self.served

    @property
    @override
    def idle(self) -> int:
        return int(self._running is None)

    @override
    def statistics(self) -> PoolStatistics:
        return PoolStatistics(workers=1, busy=1 - self.idle, restarts=0)

    @override
    def start(self, queries: Sequence[ForecastQuery], done: Callable[[BatchOutcome], None]) -> None:
        assert self._running is None
        self.batches.append([query.req_id for query in queries])
        self._running = asyncio.create_task(self._answer(queries, done))

    def _echo(self, queries: Sequence[ForecastQuery]) -> Sequence[ForecastReply]:
        return [self.replies.get(query.req_id, query.body) for query in queries]

    async def _answer(self, queries: Sequence[ForecastQuery], done: Callable[[BatchOutcome], None]) -> None:
        await self.gate.wait()
        self._running = None
        error = self.errors.pop(0) if self.errors else self.error
        done(error if error is not None else Answered(list(self.answer(queries)), TIMINGS))
        if self.on_room is not None:
            self.on_room()
