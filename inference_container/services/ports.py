"""What the use cases need from outside, as protocols. `model_switch` is the adapter; tests bring a fake."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from inference_container.forecasting.messages import Answered, ForecastQuery, ServedModel
from serving.errors import SluiceError

__all__ = ["BatchOutcome", "ModelControl", "PoolStatistics", "Predictor", "ServedModel"]

#: A reply for each query of the batch, in their order, or what befell all of them.
BatchOutcome: TypeAlias = Answered | SluiceError


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    workers: int  #: hold the model now
    busy: int
    restarts: int


class Predictor(Protocol):
    """Lives on the event loop; nothing here waits."""

    #: Told when there may be room for a batch again.
    on_room: Callable[[], None] | None

    @property
    def model(self) -> ServedModel | None:
        """None until a first worker has verified its bundle."""
        ...

    @property
    def idle(self) -> int:
        """How many batches could be started now."""
        ...

    def statistics(self) -> PoolStatistics: ...

    def start(self, queries: Sequence[ForecastQuery], done: Callable[[BatchOutcome], None]) -> None:
        """Hands a batch to a free worker; `done` is called once, later, with what became of it. Needs `idle` > 0."""
        ...


class ModelControl(Protocol):
    """What an operator may do to the model that is served."""

    async def activate(self, bundle: Path) -> ServedModel:
        """Loads, verifies and warms a bundle beside the present one, then serves it instead.

        Raises:
            BundleRefused: It can not be served; the present one goes on.
            WorkFailed: Its workers do not live long enough to load it.
        """
        ...

    async def scale(self, workers: int) -> tuple[int, int]:
        """Another number of workers; the number before and the one now wanted.

        Raises:
            InvalidInput: The model runs on the event loop, which can not be multiplied.
        """
        ...
