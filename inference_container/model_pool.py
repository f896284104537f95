"""What `model_switch` needs of whatever computes with one bundle: worker processes, or the event loop itself."""

from collections.abc import Callable, Sequence
from typing import Protocol

from inference_container.forecasting.messages import ForecastQuery, ServedModel
from inference_container.services.ports import BatchOutcome, PoolStatistics
from serving.child import ChildExit
from serving.errors import SluiceError


class ModelPool(Protocol):
    """One bundle and those who compute with it, for as long as it is open."""

    async def open(self) -> None:
        """Begins to load. Returns before it is done."""
        ...

    async def loaded(self) -> ServedModel:
        """Waits until all of it can serve.

        Raises:
            BundleRefused: It never will.
            WorkFailed: Loading it kills whoever tries.
        """
        ...

    async def aclose(self) -> None:
        """Ends it, and with it whatever it is computing."""
        ...

    async def resize(self, size: int) -> int:
        """Another number of workers; how many there were. Those who leave finish their batch first.

        Raises:
            InvalidInput: This kind has no number.
        """
        ...

    @property
    def model(self) -> ServedModel | None: ...

    @property
    def idle(self) -> int:
        """Batches that could be started now."""
        ...

    @property
    def keeps_dying(self) -> bool:
        """Whether a worker has died many times in a row."""
        ...

    def statistics(self) -> PoolStatistics: ...

    def start(self, queries: Sequence[ForecastQuery], done: Callable[[BatchOutcome], None]) -> None: ...


class PoolListener(Protocol):
    """Who is told of a pool's fate. All calls come on the event loop."""

    def pool_idle(self, pool: ModelPool) -> None: ...

    def pool_progress(self, pool: ModelPool, phase: str) -> None: ...

    def pool_loaded(self, pool: ModelPool) -> None:
        """A first or another worker can serve."""
        ...

    def pool_refused(self, pool: ModelPool, error: SluiceError) -> None: ...

    def pool_died(self, pool: ModelPool, ended: ChildExit) -> None: ...
