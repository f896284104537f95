"""`GET /healthz` without a framework: the answer that must come in time when nothing else does.

Used by `express` for probes whose head is known; the application's own route gives the same answer to all others.
"""

import time
from collections.abc import Callable

from inference_container.metrics import InferenceMetrics
from inference_container.routers.head_traces import Headers, head_lines, new_trace

PATH = "/healthz"
_WHOLE_ANSWER = (
    b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\ncontent-type: application/json\r\n"
    b"x-request-id: %b\r\ntraceparent: 00-%b-%b-01\r\n\r\n%b"
)


class Liveness:
    def __init__(self, body: Callable[[], bytes], metrics: InferenceMetrics) -> None:
        """`body` is what the application's route answers, as JSON."""
        self._body = body
        self._answered = metrics.http_requests.labels(PATH, "GET", 200)
        self._duration = metrics.http_duration.labels(PATH)

    def answer(self, default_headers: Headers) -> bytes:
        """A whole answer, head and body, for a request that brought no trace; counted in full."""
        begun = time.perf_counter()
        body = self._body()
        trace_id, span_id = new_trace()
        lines = head_lines(default_headers)
        whole = _WHOLE_ANSWER % (lines, len(body), trace_id, trace_id, span_id, body)
        self._answered.inc()
        self._duration.observe(time.perf_counter() - begun)
        return whole
