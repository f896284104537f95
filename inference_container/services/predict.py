"""The one forecast that every door runs: admission, a batch on a worker, the answer or a typed error.

HTTP comes in by `routers.predict`; claims will come in by the same `forecast`. What is refused is refused before
anything of the request is read. Every request that comes here leaves exactly one outcome in the metrics; what the door
refused before (the schema, the body bound) is counted by `http_requests_total` alone.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import TypeAlias

from inference_container import events
from inference_container.forecasting.messages import ForecastQuery, ForecastReply, HeadedReply
from inference_container.metrics import InferenceMetrics, Outcome
from inference_container.services.ports import Predictor
from serving.admission import BoundedQueue, Ticket
from serving.deadline import Deadline
from serving.dispatch import Dispatcher
from serving.errors import DeadlineExceeded, Draining, InvalidInput, NotReady, QueueFull, Rejected, SluiceError
from serving.lifecycle import Lifecycle

ForecastAnswer: TypeAlias = bytes | HeadedReply
ForecastLane: TypeAlias = BoundedQueue[ForecastQuery, ForecastAnswer]


class Predict:
    def __init__(
        self, lane: ForecastLane, predictor: Predictor, lifecycle: Lifecycle, metrics: InferenceMetrics
    ) -> None:
        self._lane, self._predictor, self._lifecycle, self._metrics = lane, predictor, lifecycle, metrics
        self._next_rejection_line = 0.0

    def dispatcher(self, workers: int, batch_size: int) -> Dispatcher[ForecastQuery, ForecastAnswer]:
        """Open it as a context for as long as forecasts are to be answered."""
        return Dispatcher(self._lane, self._run, workers, batch_size)

    def refuse_early(self) -> None:
        """Raises what `forecast` would raise for any request now. Costs nothing: call it before reading a body.

        Raises:
            QueueFull: The lane is full.
            NotReady: No model is loaded.
            Draining: The process is going down.
        """
        try:
            if self._lifecycle.closing:
                raise Draining(retry_after_s=1)
            if self._predictor.model is None or not self._lifecycle.ready:
                reason = self._lifecycle.reason or "The model is not loaded yet."
                raise NotReady(reason, retry_after_s=5)
            self._lane.check_room()
        except SluiceError as error:
            self._count(error)
            raise

    async def forecast(self, query: ForecastQuery, deadline: Deadline) -> ForecastAnswer:
        """The encoded answer.

        Raises:
            QueueFull: The lane is full.
            DeadlineExceeded: Nobody waits any more; a forecast that had not begun never will.
            InvalidInput: The request can not be forecast.
            WorkFailed: The forecast broke, or its worker died.
        """
        begun = time.perf_counter()
        try:
            ticket = self._lane.try_admit(query, deadline)
            events.queue_job_enqueued(req_id=query.req_id, qsize=self._lane.depth)
            answer = await ticket.result()
        except SluiceError as error:
            self._note_latency(begun)
            self._count(error, query.req_id)
            raise
        except asyncio.CancelledError:
            self._metrics.outcomes.labels("abandoned").inc()
            raise
        self._note_latency(begun)
        self._metrics.outcomes.labels("success").inc()
        events.queue_job_done(
            req_id=query.req_id,
            waited_ms=round(ticket.waited_s * 1000, 3),
            duration_ms=round((time.perf_counter() - begun) * 1000, 3),
        )
        return answer

    async def _run(self, batch: Sequence[Ticket[ForecastQuery, ForecastAnswer]]) -> Sequence[ForecastReply]:
        self._metrics.batch.observe(len(batch))
        for ticket in batch:
            self._metrics.queue_wait.observe(ticket.waited_s)
        return await self._predictor.forecast([ticket.item for ticket in batch])

    def _note_latency(self, begun: float) -> None:
        took = time.perf_counter() - begun
        self._metrics.latency.observe(took)
        self._metrics.latency_latest.set(took)

    def _count(self, error: SluiceError, req_id: str | None = None) -> None:
        outcome: Outcome
        match error:
            case Rejected():
                outcome = "rejected"
                self._report_rejection(error)
            case DeadlineExceeded():
                outcome = "timeout"
                events.queue_job_timeout(req_id=req_id)
            case InvalidInput():
                outcome = "client_error"
            case _:
                outcome = "exception"
                events.queue_job_error(req_id=req_id, code=error.code)
        self._metrics.outcomes.labels(outcome).inc()

    def _report_rejection(self, error: Rejected) -> None:
        """One line a second at most: under overload the log would cost more than the refusals."""
        now = time.monotonic()
        if isinstance(error, QueueFull) and now >= self._next_rejection_line:
            self._next_rejection_line = now + 1.0
            events.queue_job_rejected_full(rejected=self._lane.statistics().rejected, qsize=self._lane.depth)
