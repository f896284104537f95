"""`POST /predict` as raw ASGI, in front of the application: the one route that pays for every microsecond.

Admission comes before the body is read, and a refusal is bytes that are ready. An admitted body goes to a worker as it
came, the worker's bytes go back as they are; nothing of either is looked at here. Whatever is not an ordinary forecast
(another path, a browser's cross-origin request, the cache when it is on) is the application's, whose own route
(`routers.predict`) gives the same answers and is what OpenAPI describes.
"""

import os
import time
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inference_container.errors import BodyTooLarge
from inference_container.forecasting.messages import ForecastQuery, HeadedReply
from inference_container.metrics import InferenceMetrics
from inference_container.routers.hangup import HangUps
from inference_container.routers.refusals import Refusals
from inference_container.routers.request_head import Head, deadline_of, kind_of, options_of, size_of
from inference_container.services.lanes import ForecastAnswer
from inference_container.services.predict import Predict
from serving import events
from serving.clock import Clock
from serving.errors import CallerGone, SluiceError
from serving.http.problems import problem, problem_response
from serving.logging import where
from serving.tracing import trace_from

PATH = "/predict"
_JSON = (b"content-type", b"application/json")
#: The table from errors to status codes, bound to the service's own additions.
StatusOf: TypeAlias = Callable[[SluiceError], int]


class HotRoute:
    def __init__(
        self,
        app: ASGIApp,
        *,
        predict: Predict,
        metrics: InferenceMetrics,
        clock: Clock,
        timeout_s: float,
        max_body_bytes: int,
        status_of: StatusOf,
    ) -> None:
        self._app, self._predict, self._metrics, self._clock = app, predict, metrics, clock
        self._timeout_s, self._max_body, self._status_of = timeout_s, max_body_bytes, status_of
        self._refusals = Refusals(predict.lane, clock)
        self._hang_ups = HangUps()
        self._duration = metrics.http_duration.labels(PATH)
        self._answered = metrics.http_requests.labels(PATH, "POST", 200)
        self._refused = metrics.http_requests.labels(PATH, "POST", 429)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        head: Head = dict(scope["headers"])
        if b"origin" in head:
            await self._app(scope, receive, send)
            return
        metrics, begun = self._metrics, time.perf_counter()
        metrics.http_in_flight += 1
        status = 500
        try:
            if self._predict.is_full(size_of(head)):
                status = 429
                await self._refuse(_trace_of(head), send)
            else:
                status = await self._forecast(head, scope, receive, send)
        finally:
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

    async def _refuse(self, trace: "_HotTrace", send: Send) -> None:
        self._predict.count_refusal()
        refusal = self._refusals.next()
        await send({"type": "http.response.start", "status": 429, "headers": [*refusal.headers, *trace.headers]})
        await send({"type": "http.response.body", "body": refusal.body})

    async def _forecast(self, head: Head, scope: Scope, receive: Receive, send: Send) -> int:
        """The status that was answered; 499 when there was nobody left to answer."""
        trace = _trace_of(head)
        try:
            answer = await self._answer(head, scope, receive)
        except (CallerGone, ClientDisconnect):
            return 499
        except SluiceError as error:
            body = problem(self._status_of(error), error.code, error.message, error.details)
        except Exception as error:
            events.unexpected_error(error_type=type(error).__name__, at=where(error))
            body = problem(500, "internal_error", "An unexpected error occurred.")
        else:
            await _send_answer(send, answer, trace)
            return 200
        response = problem_response({**body, "trace_id": trace.trace_id})
        response.raw_headers += trace.headers
        await response(scope, receive, send)
        return response.status_code

    async def _answer(self, head: Head, scope: Scope, receive: Receive) -> ForecastAnswer:
        self._predict.refuse_early(size_of(head))
        if size_of(head) > self._max_body:
            raise BodyTooLarge(max_bytes=self._max_body)
        deadline = deadline_of(head, self._timeout_s, self._clock)
        kind = kind_of(head)
        options = options_of(scope["query_string"])
        message = await receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body", False) or message["type"] == "http.disconnect":
            body = await deadline.bound(self._whole_body(message, receive))
        elif len(body) > self._max_body:
            raise BodyTooLarge(max_bytes=self._max_body)
        ticket = self._predict.admit(ForecastQuery(os.urandom(4).hex(), body, kind, options), deadline)
        self._hang_ups.watch(ticket, receive)
        try:
            return await ticket.result()
        finally:
            self._hang_ups.forget(ticket)

    async def _whole_body(self, message: Message, receive: Receive) -> bytes:
        """A body that comes in pieces; what it holds meanwhile counts against the lane's budget."""
        pieces, held = [], 0
        try:
            while True:
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                piece = message.get("body", b"")
                pieces.append(piece)
                held += len(piece)
                self._predict.lane.hold(len(piece))
                if held > self._max_body:
                    raise BodyTooLarge(max_bytes=self._max_body)
                if not message.get("more_body", False):
                    return b"".join(pieces)
                message = await receive()
        finally:
            self._predict.lane.release(held)


class _HotTrace(NamedTuple):
    trace_id: str
    headers: list[tuple[bytes, bytes]]


def _trace_of(head: Head) -> _HotTrace:
    """As `serving.tracing.trace_from`, with a short way for the many requests that bring no trace."""
    if b"traceparent" in head or b"x-request-id" in head:
        trace = trace_from({name.decode("latin-1"): value.decode("latin-1") for name, value in head.items()})
        request_id, traceparent = trace.request_id.encode("latin-1"), trace.traceparent.encode()
        return _HotTrace(trace.trace_id, [(b"x-request-id", request_id), (b"traceparent", traceparent)])
    drawn = os.urandom(24).hex()
    trace_id = f"{drawn[:12]}4{drawn[13:16]}a{drawn[17:32]}"  # the two fixed digits make it a UUID4
    traceparent = f"00-{trace_id}-{drawn[32:]}-01".encode()
    return _HotTrace(trace_id, [(b"x-request-id", trace_id.encode()), (b"traceparent", traceparent)])


async def _send_answer(send: Send, answer: ForecastAnswer, trace: _HotTrace) -> None:
    body, headers = answer, [_JSON, *trace.headers]
    if isinstance(answer, HeadedReply):
        body = answer.body
        headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers] + trace.headers
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
