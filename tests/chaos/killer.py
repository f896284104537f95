"""A worker that dies of certain bodies, in place of the product's: no honest input is known that kills a real one."""

import os
import signal
from collections.abc import Sequence

from inference_container.forecasting.messages import Answered, ForecastQuery
from inference_container.forecasting.worker import WorkerArgs
from inference_container.forecasting.worker import work as honest_work
from serving.child_main import Channel

#: Stands in the footer of a parquet file that is good otherwise.
DEADLY = b"kills-whoever-reads-this"
#: In a key: it is the service itself that dies, when it is about to read the object.
DEADLY_KEY = "kills-the-service"


def work(channel: Channel, args: WorkerArgs) -> None:
    """The child's entry."""
    from inference_container.forecasting.inferencer import Inferencer

    answer = Inferencer.answer

    def deadly(self: Inferencer, queries: Sequence[ForecastQuery]) -> Answered:
        if any(DEADLY in query.body for query in queries):
            os.kill(os.getpid(), signal.SIGKILL)
        return answer(self, queries)

    Inferencer.answer = deadly  # type: ignore[method-assign]  # in this process alone
    honest_work(channel, args)
