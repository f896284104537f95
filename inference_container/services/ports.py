"""What the use cases need from outside, as protocols. `process_pool` is the adapter; tests bring a fake."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from inference_container.forecasting.messages import ForecastQuery, ForecastReply


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The bundle that answers now."""

    bundle_id: str
    name: str
    backend: str
    input_len: int
    horizon: int
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    workers: int  #: hold the model now
    busy: int
    restarts: int


class Predictor(Protocol):
    @property
    def model(self) -> ServedModel | None:
        """None until a first worker has verified its bundle."""
        ...

    def statistics(self) -> PoolStatistics: ...

    async def forecast(self, queries: Sequence[ForecastQuery]) -> Sequence[ForecastReply]:
        """One batch on one free worker: a reply for each query, in their order.

        Raises:
            ChildDied: The worker went away in the middle; none of the batch was answered.
        """
        ...
