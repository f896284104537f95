"""A worker with 300 ms of sleep before each batch, in place of the product's. Children import it by its name."""

import time
from collections.abc import Sequence

from inference_container.forecasting.messages import Answered, ForecastQuery
from inference_container.forecasting.worker import WorkerArgs
from inference_container.forecasting.worker import work as honest_work
from serving.child_main import Channel

SLEEP_S = 0.3


def work(channel: Channel, args: WorkerArgs) -> None:
    """The child's entry."""
    from inference_container.forecasting.inferencer import Inferencer

    answer = Inferencer.answer

    def slow(self: Inferencer, queries: Sequence[ForecastQuery]) -> Answered:
        time.sleep(SLEEP_S)
        return answer(self, queries)

    Inferencer.answer = slow  # type: ignore[method-assign]  # in this process alone
    honest_work(channel, args)
