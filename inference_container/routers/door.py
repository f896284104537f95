"""What the fast roads to `POST /predict` have in common: admission, the question, the answer as head and body.

Written for cost: under overload most of a core goes into what stands here and in `express`.

`hot` is the road through any ASGI server, `express` the one inside our own; neither decides anything by itself.
Nothing here knows how bytes come and go, and nothing waits.
"""

import time
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from inference_container.errors import BodyTooLarge
from inference_container.forecasting.messages import BodyKind, ForecastQuery, HeadedReply, QueryOptions
from inference_container.metrics import InferenceMetrics
from inference_container.routers.head_traces import (
    IDS,
    Headers,
    HeadTrace,
    brings_trace,
    head_lines,
    new_trace,
    trace_of,
)
from inference_container.routers.refusals import Refusals
from inference_container.routers.request_head import Head, deadline_of, kind_of, options_of, patience_of, size_of
from inference_container.services.lanes import ForecastAnswer, ForecastLane
from inference_container.services.predict import Predict
from serving import events
from serving.clock import Clock
from serving.deadline import Deadline
from serving.errors import CallerGone, SluiceError
from serving.http.problems import problem, problem_response
from serving.logging import where
from serving.ticket import Ticket
from serving.tracing import Trace

PATH = "/predict"
#: Nobody reads it; for the metrics.
HUNG_UP = 499

PredictTicket: TypeAlias = Ticket[ForecastQuery, ForecastAnswer]
#: From an error to its status code, the service's own errors included.
StatusOf: TypeAlias = Callable[[SluiceError], int]

_JSON = (b"content-type", b"application/json")
_WHOLE_ANSWER = (
    b"HTTP/1.1 200 OK\r\n%bcontent-type: application/json\r\ncontent-length: %d\r\n"
    b"x-request-id: %b\r\ntraceparent: 00-%b-%b-01\r\n\r\n%b"
)


class Reply(NamedTuple):
    status: int
    headers: Headers
    body: bytes
    trace: Trace | None = None  #: where the request becomes a span


#: To a request that was broken off before there was an answer.
BROKEN_OFF = Reply(500, [], b"")


class PlainHead(NamedTuple):
    """What the head of a plain request says, so that it need not be read again for the next one that says the same."""

    head: Head
    size: int  #: bytes of the body
    patience_s: float  #: how long this request may take
    kind: BodyKind
    options: QueryOptions | None


class PredictDoor:
    #: Whether a request has to be answered with headers of its own; those that need none are answered faster.
    needs_own_headers = staticmethod(brings_trace)

    def __init__(
        self,
        predict: Predict,
        metrics: InferenceMetrics,
        clock: Clock,
        timeout_s: float,
        max_body_bytes: int,
        status_of: StatusOf,
    ) -> None:
        self.max_body_bytes = max_body_bytes
        self._predict, self._metrics, self._clock = predict, metrics, clock
        self._timeout_s, self._status_of = timeout_s, status_of
        self._refusals = Refusals(predict.lane, clock)
        self._duration = metrics.http_duration.labels(PATH)
        self._answered = metrics.http_requests.labels(PATH, "POST", 200)
        self._refused = metrics.http_requests.labels(PATH, "POST", 429)

    @property
    def lane(self) -> ForecastLane:
        return self._predict.lane

    def check_bytes(self, size: int) -> None:
        """Raises QueueFull when a body in pieces would take the lane beyond its budget."""
        self.lane.check_bytes(size)

    def begin(self) -> float:
        """A request has begun; `end` wants what this returns."""
        self._metrics.http_in_flight += 1
        return time.perf_counter()

    def end(self, begun: float, reply: Reply) -> None:
        """With what it was answered, or would have been by now."""
        self.count(begun, reply.status)

    def count(self, begun: float, status: int) -> None:
        """`end` for who has no reply: what `answer` makes is bytes already."""
        metrics = self._metrics
        metrics.http_in_flight -= 1
        if status == 200:
            self._answered.inc()
        elif status == 429:
            self._refused.inc()
        else:
            metrics.http_requests.labels(PATH, "POST", status).inc()
            if status >= 500:
                metrics.http_errors.labels(PATH).inc()
        self._duration.observe(time.perf_counter() - begun)

    def is_full(self, head: Head) -> bool:
        """Whether this request is refused for want of room, and for nothing else."""
        return self._predict.is_full(size_of(head), patience_of(head))

    def refusal(self, head: Head) -> Reply | None:
        """The answer to a request for which there is no room; None when there is, or when that is not all."""
        if not self.is_full(head):
            return None
        self._predict.count_refusal()
        refusal, trace = self._refusals.next(), self._trace_of(head)
        return Reply(429, [*refusal.headers, *trace.headers], refusal.body, trace.trace)

    def refuse(self, default_headers: Headers) -> bytes:
        """A whole refusal, head and body, for a request that brought no trace; counted in full. `is_full` said so."""
        self._predict.count_refusal()
        self._refused.value += 1
        self._duration.counts[0] += 1  # it took less than the first bucket holds
        return self._refusals.next_whole(default_headers)

    def answer(self, default_headers: Headers, answer: bytes) -> bytes:
        """A whole answer, head and body, for a request that brought no trace."""
        trace_id, span_id = new_trace()
        return _WHOLE_ANSWER % (head_lines(default_headers), len(answer), trace_id, trace_id, span_id, answer)

    def deadline(self, head: Head) -> Deadline:
        """Until when this request may take, from now. Refuses what needs no body to be refused.

        Raises:
            Rejected: No model, or going down.
            InvalidInput: The body is announced too large, or the head says something that can not be.
        """
        self._predict.check_ready()
        if size_of(head) > self.max_body_bytes:
            raise BodyTooLarge(max_bytes=self.max_body_bytes)
        return deadline_of(head, self._timeout_s, self._clock)

    def ask(self, head: Head, query_string: bytes, body: bytes, deadline: Deadline) -> PredictTicket:
        """A ticket for the forecast.

        Raises:
            QueueFull: Others were faster.
            InvalidInput: The head asks for something that can not be.
        """
        kind, options = kind_of(head), options_of(query_string)
        return self._predict.admit(ForecastQuery(IDS.next(8), body, kind, options), deadline)

    def read(self, head: Head, query_string: bytes) -> PlainHead:
        """What a head says, for `take`.

        Raises:
            InvalidInput: It says something that can not be.
        """
        deadline_of(head, self._timeout_s, self._clock)
        patience_s, own = self._timeout_s, patience_of(head)
        return PlainHead(
            head,
            size_of(head),
            patience_s if own is None else min(own, patience_s),
            kind_of(head),
            options_of(query_string),
        )

    def has_room(self, plain: PlainHead) -> bool:
        return not self._predict.is_full(plain.size, plain.patience_s)

    def take(self, plain: PlainHead, body: bytes) -> PredictTicket:
        """As `deadline` and `ask`, for a head that was read before.

        Raises:
            Rejected: No model, going down, or others were faster.
        """
        self._predict.check_ready()
        deadline = Deadline(self._clock.monotonic() + plain.patience_s, self._clock)
        return self._predict.admit(ForecastQuery(IDS.next(8), body, plain.kind, plain.options), deadline)

    def answered(self, head: Head, ticket: PredictTicket) -> Reply:
        """The answer of a ticket that was settled with one."""
        answer, trace = ticket.value, self._trace_of(head, ticket)
        if isinstance(answer, HeadedReply):
            own = [(name.lower().encode(), value.encode()) for name, value in answer.headers]
            body = answer.body
        else:
            own, body = [_JSON], answer
        length = (b"content-length", str(len(body)).encode())
        return Reply(200, [*own, length, *trace.headers], body, trace.trace)

    def failed(self, head: Head, error: Exception, ticket: PredictTicket | None = None) -> Reply:
        """A problem for `error`, with the `req_id` that the log knows the request by when it had a ticket; a status of
        499 means that nobody is left to read one. What had no ticket is counted here."""
        if ticket is None:
            self._predict.count(error)
        trace = self._trace_of(head, ticket)
        if isinstance(error, CallerGone):
            return Reply(HUNG_UP, [], b"", trace.trace)
        if isinstance(error, SluiceError):
            error = error if ticket is None else error.with_details(req_id=ticket.item.req_id)
            found = problem(self._status_of(error), error.code, error.message, error.details)
        else:
            events.unexpected_error(error_type=type(error).__name__, at=where(error))
            found = problem(500, "internal_error", "An unexpected error occurred.")
        response = problem_response({**found, "trace_id": trace.trace_id})
        headers = [*response.raw_headers, *trace.headers]
        return Reply(response.status_code, headers, bytes(response.body), trace.trace)

    def _trace_of(self, head: Head, ticket: PredictTicket | None = None) -> HeadTrace:
        return trace_of(head)
