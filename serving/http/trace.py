"""The outermost layer of both doors: trace context in and out, HTTP metrics, and a bound on the body.

Raw ASGI on purpose: it wraps every request, the hot ones too, and must not copy or buffer a body.
"""

import time

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import events
from serving.http.problems import Shape, problem, problem_response
from serving.logging import PROBE_PATHS, where
from serving.metrics import METHODS, UNKNOWN, Metrics
from serving.spans import listened, served
from serving.tracing import note_endpoint, trace_from, tracing


class TraceMiddleware:
    def __init__(
        self, app: ASGIApp, metrics: Metrics, paths: frozenset[str], max_body_bytes: int, shape: Shape
    ) -> None:
        self._app, self._metrics, self._paths = app, metrics, paths
        self._max_body, self._shape = max_body_bytes, shape

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        trace = trace_from(headers)
        status, started, cut = 500, False, False

        async def send_traced(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                note_endpoint(self._endpoint(scope))
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", trace.request_id.encode("latin-1")),
                    (b"traceparent", trace.traceparent.encode()),
                ]
            await send(message)

        begun = time.perf_counter()
        self._metrics.http_in_flight += 1
        with tracing(trace):
            try:
                length = headers.get("content-length", "")
                if length.isdigit() and int(length) > self._max_body:
                    body = problem(413, "request_body_too_large", self._too_large)
                    await problem_response(body, self._shape)(scope, receive, send_traced)
                else:
                    await self._app(scope, self._bounded(receive), send_traced)
            except ClientDisconnect:
                status = 499  # the caller hung up in the middle of its own request
            except Exception as error:
                events.unexpected_error(error_type=type(error).__name__, at=where(error))
                if started:
                    cut = True
                    raise  # the status line is out: the server must cut the connection, or the answer looks whole
                body = problem(500, "internal_error", "An unexpected error occurred.")
                await problem_response(body, self._shape)(scope, receive, send_traced)
            finally:
                self._metrics.http_in_flight -= 1
                endpoint = self._endpoint(scope)
                method = scope["method"] if scope["method"] in METHODS else "other"
                self._metrics.http_requests.labels(endpoint, method, status).inc()
                self._metrics.http_duration.labels(endpoint).observe(time.perf_counter() - begun)
                # A probe that answers "not yet" is no error: an alert would fire at every rollout.
                not_yet = status == 503 and scope["path"] in PROBE_PATHS
                if cut or (status >= 500 and not not_yet):
                    self._metrics.http_errors.labels(endpoint).inc()
                if listened() and scope["path"] not in PROBE_PATHS:
                    served(trace, begun, method, endpoint, status)

    def _endpoint(self, scope: Scope) -> str:
        """The route's pattern, never the path itself: a path may hold a record number."""
        route = scope.get("route")
        if route is not None:
            return getattr(route, "path", UNKNOWN)
        return scope["path"] if scope["path"] in self._paths else UNKNOWN

    @property
    def _too_large(self) -> str:
        return f"The body may hold at most {self._max_body} bytes."

    def _bounded(self, receive: Receive) -> Receive:
        """Counts what comes: a chunked body announces no length."""
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_body:
                raise HTTPException(413, self._too_large)
            return message

        return counted
