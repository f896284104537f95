"""The one forecast that every door runs: admission, a batch on a worker, the answer or a typed error.

HTTP comes in by `routers`; claims come in by `forecast_claim`, through a lane of their own. What is refused is refused
before anything of the request is read. Every request leaves exactly one outcome in the metrics: what has a ticket when
it settles, what has none by the door that answers it, with `count`.
"""

from collections.abc import Callable

from inference_container import events
from inference_container.forecasting.messages import ForecastQuery
from inference_container.metrics import InferenceMetrics, LaneMetrics, Outcome
from inference_container.services.lanes import ForecastAnswer, ForecastLane, Lanes
from inference_container.services.ports import Predictor
from serving.clock import Clock
from serving.deadline import Deadline
from serving.errors import (
    CallerGone,
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
from serving.tracing import current_trace


class Predict:
    def __init__(
        self, lanes: Lanes, predictor: Predictor, lifecycle: Lifecycle, metrics: InferenceMetrics, clock: Clock
    ) -> None:
        self._lanes, self._predictor, self._lifecycle = lanes, predictor, lifecycle
        self._metrics, self._clock = metrics, clock
        self._next_rejection_line = self._next_timeout_line = clock.monotonic()
        self._refused_outcome = metrics.callers.outcomes["rejected"]
        self._refused_reason = metrics.rejected.labels(QueueFull.code)
        #: What the last claim was about, for callers who bring no series of their own; see `answer_cache`.
        self.last_claim: ForecastQuery | None = None
        #: Told of every forecast that a caller was given. Must be quick: callers wait behind it.
        self.on_forecast: Callable[[ForecastQuery, ForecastAnswer], None] | None = None
        lanes.interactive.on_settled = self._asked
        lanes.claims.on_settled = self._worked

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
    def beside_callers(self) -> bool:
        """Whether callers have been served lately: what can wait goes gently then."""
        return self._lanes.share.in_company

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
        if self._lifecycle.closing:
            raise Draining(retry_after_s=1)
        self._check_model()
        self._lanes.interactive.check_room(size)

    def admit(self, query: ForecastQuery, deadline: Deadline) -> Ticket[ForecastQuery, ForecastAnswer]:
        """A ticket of the callers' lane.

        Raises:
            QueueFull: The lane is full. Whoever tells the caller counts it.
        """
        ticket = self._lanes.interactive.try_admit(query, deadline, len(query.body))
        if events.queue_job_enqueued.enabled:
            events.queue_job_enqueued(req_id=query.req_id, qsize=self._lanes.interactive.depth)
        return ticket

    async def forecast(self, query: ForecastQuery, deadline: Deadline) -> ForecastAnswer:
        """The encoded answer. However it ends, it is counted.

        Raises:
            QueueFull: The lane is full.
            DeadlineExceeded: Nobody waits any more; a forecast that had not begun never will.
            InvalidInput: The request can not be forecast.
            WorkFailed: The forecast broke, or its worker died.
        """
        try:
            ticket = self.admit(query, deadline)
        except SluiceError as error:
            self.count(error, query.req_id)
            raise
        ticket.trace = current_trace()
        try:
            return await ticket.result()
        except SluiceError as error:
            raise error.with_details(req_id=query.req_id) from None  # what the log knows it by

    async def forecast_claim(self, query: ForecastQuery, deadline: Deadline) -> ForecastAnswer:
        """As `forecast`, by the claims' lane, which waits for a place. Tried once: how often a claim is, claims decide.

        Also while the process goes down: what was taken from a topic is finished, or done again by somebody else.

        Raises:
            NotReady: Nothing can be forecast now, whatever the claim is.
            DeadlineExceeded: There was no place or no answer in time.
            InvalidInput: The claim's series can not be forecast.
            ChildDied: The worker died over this batch.
            WorkFailed: The forecast broke.
        """
        if not self._lifecycle.closing:
            self._check_model()
        ticket = await self._lanes.claims.admit(query, deadline, len(query.body))
        ticket.trace = current_trace()
        answer = await ticket.result()
        self.last_claim = query
        return answer

    def _check_model(self) -> None:
        if self._predictor.model is None or not self._lifecycle.ready:
            reason = self._lifecycle.reason or "The model is not loaded yet."
            raise NotReady(reason, retry_after_s=5)

    def _asked(self, ticket: Ticket[ForecastQuery, ForecastAnswer]) -> None:
        """The callers' lane settled one."""
        self._settled(ticket, self._metrics.callers)
        if self.on_forecast is not None and ticket.error is None:
            self.on_forecast(ticket.item, ticket.value)

    def _worked(self, ticket: Ticket[ForecastQuery, ForecastAnswer]) -> None:
        """The claims' lane settled one."""
        self._settled(ticket, self._metrics.claims)

    def _settled(self, ticket: Ticket[ForecastQuery, ForecastAnswer], lane: LaneMetrics) -> None:
        took = self._clock.monotonic() - ticket.admitted_at
        # Those that never started have waited too: without them a lane that only lets expire would look quick.
        lane.queue_wait.observe(took if ticket.waited_s is None else ticket.waited_s)
        if ticket.error is not None:
            if not isinstance(ticket.error, CallerGone):
                lane.latency.observe(took)
            self._count(ticket.error, ticket.item.req_id, lane)
            return
        lane.latency.observe(took)
        self._metrics.latency_latest = took
        lane.success.inc()
        if events.queue_job_done.enabled:
            events.queue_job_done(
                req_id=ticket.item.req_id,
                waited_ms=round((ticket.waited_s or 0.0) * 1000, 3),
                duration_ms=round(took * 1000, 3),
            )

    def count(self, error: Exception, req_id: str | None = None) -> None:
        """Notes a request that ends with `error` and never had a ticket; a door calls it once, when it answers."""
        self._count(error, req_id, self._metrics.callers)

    def _count(self, error: Exception, req_id: str | None, lane: LaneMetrics) -> None:
        outcome: Outcome
        match error:
            case Rejected():
                outcome = "rejected"
                if lane is self._metrics.callers:
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
            case SluiceError():
                outcome = "exception"
                events.queue_job_error(req_id=req_id, code=error.code)
            case _:
                outcome = "exception"  # a defect: `unexpected_error` tells of it
        lane.outcomes[outcome].inc()

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
