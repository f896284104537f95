"""The one forecast that every door runs: admission, a batch on a worker, the answer or a typed error.

HTTP comes in by `routers`; claims come in by `forecast_claim`, through a lane of their own. What is refused is refused
before anything of the request is read. Every request that comes here leaves exactly one outcome in the metrics; what
the door refused before (the schema, the body bound) is counted by `http_requests_total` alone.
"""

from inference_container import events
from inference_container.forecasting.messages import ForecastQuery
from inference_container.metrics import InferenceMetrics, Outcome
from inference_container.services.lanes import ForecastAnswer, ForecastLane, Lanes
from inference_container.services.ports import Predictor
from serving.clock import Clock
from serving.deadline import Deadline
from serving.errors import (
    CallerGone,
    ChildDied,
    DeadlineExceeded,
    Draining,
    InvalidInput,
    NotReady,
    QueueFull,
    Rejected,
    SluiceError,
)
from serving.lifecycle import Lifecycle
from serving.ticket import Ticket


class Predict:
    def __init__(
        self, lanes: Lanes, predictor: Predictor, lifecycle: Lifecycle, metrics: InferenceMetrics, clock: Clock
    ) -> None:
        self._lanes, self._predictor, self._lifecycle = lanes, predictor, lifecycle
        self._metrics, self._clock = metrics, clock
        self._next_rejection_line = self._next_timeout_line = clock.monotonic()
        self._refused_outcome = metrics.outcomes.labels("rejected")
        self._refused_reason = metrics.rejected.labels(QueueFull.code)
        #: What the last claim was about, for callers who bring no series of their own; see `answer_cache`.
        self.last_claim: ForecastQuery | None = None
        for lane in (lanes.interactive, lanes.claims):
            lane.on_settled = self._settled

    @property
    def model_identity(self) -> tuple[str, str] | None:
        """The hashes of the bundle that answers now: of its files, and of its manifest."""
        model = self._predictor.model
        return (model.bundle_id, model.manifest_sha256) if model is not None else None

    @property
    def model_id(self) -> str | None:
        model = self._predictor.model
        return model.bundle_id if model is not None else None

    @property
    def lane(self) -> ForecastLane:
        """The callers' lane."""
        return self._lanes.interactive

    def is_full(self, size: int = 0, within_s: float | None = None) -> bool:
        """Whether a request with a body of `size` bytes would be refused for want of room, and for nothing else.

        `within_s`: how long its caller waits, where that is known.
        """
        return self._lifecycle.ready and not self._lanes.interactive.has_room(size, within_s)

    def count_refusal(self) -> None:
        """Notes a request that the door refused by itself because `is_full` said so."""
        self._lanes.interactive.refuse()
        self._refused_outcome.value += 1
        self._refused_reason.value += 1
        self._report_rejection()

    def check_ready(self) -> None:
        """Raises what `forecast` would raise for any request now, but for want of room.

        Raises:
            NotReady: No model is loaded.
            Draining: The process is going down.
        """
        if not self._lifecycle.ready or self._predictor.model is None:
            self.refuse_early()

    def refuse_early(self, size: int = 0) -> None:
        """Raises what `forecast` would raise for any request now: call it before reading a body.

        Raises:
            QueueFull: The lane is full.
            NotReady: No model is loaded.
            Draining: The process is going down.
        """
        try:
            self._check(self._lanes.interactive, size)
        except SluiceError as error:
            self.count(error)
            raise

    def admit(self, query: ForecastQuery, deadline: Deadline) -> Ticket[ForecastQuery, ForecastAnswer]:
        """A ticket of the callers' lane.

        Raises:
            QueueFull: The lane is full.
        """
        try:
            ticket = self._lanes.interactive.try_admit(query, deadline, len(query.body))
            if events.queue_job_enqueued.enabled:
                events.queue_job_enqueued(req_id=query.req_id, qsize=self._lanes.interactive.depth)
            return ticket
        except SluiceError as error:
            self.count(error, query.req_id)
            raise

    async def forecast(self, query: ForecastQuery, deadline: Deadline) -> ForecastAnswer:
        """The encoded answer.

        Raises:
            QueueFull: The lane is full.
            DeadlineExceeded: Nobody waits any more; a forecast that had not begun never will.
            InvalidInput: The request can not be forecast.
            WorkFailed: The forecast broke, or its worker died.
        """
        ticket = self.admit(query, deadline)
        try:
            return await ticket.result()
        except SluiceError as error:
            raise error.with_details(req_id=query.req_id) from None  # what the log knows it by

    async def forecast_claim(self, query: ForecastQuery, deadline: Deadline) -> ForecastAnswer:
        """As `forecast`, by the claims' lane: waits for a place, and tries once more when the worker died.

        Raises:
            DeadlineExceeded: There was no place or no answer in time.
            InvalidInput: The claim's series can not be forecast.
            WorkFailed: The forecast broke, or two workers died over it.
        """
        lane = self._lanes.claims
        try:
            answer = await (await lane.admit(query, deadline, len(query.body))).result()
        except ChildDied:
            answer = await (await lane.admit(query, deadline, len(query.body))).result()
        self.last_claim = query
        return answer

    def _check(self, lane: ForecastLane, size: int) -> None:
        if self._lifecycle.closing:
            raise Draining(retry_after_s=1)
        if self._predictor.model is None or not self._lifecycle.ready:
            reason = self._lifecycle.reason or "The model is not loaded yet."
            raise NotReady(reason, retry_after_s=5)
        lane.check_room(size)

    def _settled(self, ticket: Ticket[ForecastQuery, ForecastAnswer]) -> None:
        took = self._clock.monotonic() - ticket.admitted_at
        metrics = self._metrics
        if ticket.error is not None:
            if not isinstance(ticket.error, CallerGone):
                metrics.latency.observe(took)
            self.count(ticket.error, ticket.item.req_id)
            return
        metrics.latency.observe(took)
        metrics.latency_latest = took
        metrics.succeeded.inc()
        if events.queue_job_done.enabled:
            events.queue_job_done(
                req_id=ticket.item.req_id,
                waited_ms=round(ticket.waited_s * 1000, 3),
                duration_ms=round(took * 1000, 3),
            )

    def count(self, error: SluiceError, req_id: str | None = None) -> None:
        """Notes a request that ends with `error`."""
        outcome: Outcome
        match error:
            case Rejected():
                outcome = "rejected"
                self._metrics.rejected.labels(error.code).inc()
                if isinstance(error, QueueFull):
                    self._report_rejection()
            case CallerGone():
                outcome = "abandoned"
            case DeadlineExceeded():
                outcome = "timeout"
                self._report_timeout(req_id)
            case InvalidInput():
                outcome = "client_error"
            case _:
                outcome = "exception"
                events.queue_job_error(req_id=req_id, code=error.code)
        self._metrics.outcomes.labels(outcome).inc()

    def _report_timeout(self, req_id: str | None) -> None:
        """As for rejections: deadlines pass by the hundred when they do."""
        now = self._clock.monotonic()
        if now >= self._next_timeout_line:
            self._next_timeout_line = now + 1.0
            expired = self._lanes.interactive.statistics().expired + self._lanes.claims.statistics().expired
            events.queue_job_timeout(req_id=req_id, timeouts=expired)

    def _report_rejection(self) -> None:
        """One line a second at most: under overload the log would cost more than the refusals."""
        now = self._clock.monotonic()
        if now >= self._next_rejection_line:
            self._next_rejection_line = now + 1.0
            lane = self._lanes.interactive
            events.queue_job_rejected_full(rejected=lane.statistics().rejected, qsize=lane.depth)
