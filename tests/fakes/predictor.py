"""A predictor that answers, refuses or waits as a test says."""

import asyncio
from collections.abc import Sequence

from typing_extensions import override

from inference_container.forecasting.messages import ForecastQuery, ForecastReply
from inference_container.services.ports import PoolStatistics, Predictor, ServedModel


class FakePredictor(Predictor):
    def __init__(self, loaded: bool = True) -> None:
        self.served = ServedModel("b" * 64, "fake", "numpy", 4, 2, ("y",)) if loaded else None
        self.batches: list[list[str]] = []
        self.replies: dict[str, ForecastReply] = {}
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    @property
    @override
    def model(self) -> ServedModel | None:
        return self.served

    @override
    def statistics(self) -> PoolStatistics:
        return PoolStatistics(workers=1, busy=0, restarts=0)

    @override
    async def forecast(self, queries: Sequence[ForecastQuery]) -> Sequence[ForecastReply]:
        self.batches.append([query.req_id for query in queries])
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return [self.replies.get(query.req_id, query.body) for query in queries]
