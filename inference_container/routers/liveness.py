"""`GET /healthz` without a framework: the answer that must come in time when nothing else does.

Used by `express` for probes whose head is known; the application's own route gives the same answer to all others.
"""

import time
from collections.abc import Callable

from inference_container.metrics import InferenceMetrics
from inference_container.routers.head_traces import Headers, head_lines, new_trace

PATH = "/healthz"
_STATUS_LINES = {200: b"200 OK", 503: b"503 Service Unavailable"}
_WHOLE_ANSWER = (
    b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\ncontent-type: application/json\r\n"
    b"x-request-id: %b\r\ntraceparent: 00-%b-%b-01\r\n\r\n%b"
)


class Liveness:
    def __init__(self, answer: Callable[[], tuple[int, bytes]], metrics: InferenceMetrics) -> None:
        """`answer` is what the application's route answers: 200 or 503, and the JSON."""
        self._ask = answer
        self._answered = {status: metrics.http_requests.labels(PATH, "GET", status) for status in _STATUS_LINES}
        self._duration = metrics.http_duration.labels(PATH)

    def answer(self, default_headers: Headers) -> bytes:
        """A whole answer, head and body, for a request that brought no trace; counted in full."""
        begun = time.perf_counter()
        status, body = self._ask()
        trace_id, span_id = new_trace()
        lines = head_lines(default_headers)
        whole = _WHOLE_ANSWER % (_STATUS_LINES[status], lines, len(body), trace_id, trace_id, span_id, body)
        self._answered[status].inc()
        self._duration.observe(time.perf_counter() - begun)
        return whole
