"""Traces and ids for the fast roads: what a head brings, or hex digits drawn a few thousand at a time.

Used by `door` and `express` for every request, so nothing here is done twice.
"""

import os
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from inference_container.routers.request_head import Head
from serving.tracing import Trace, begin_trace, trace_from

Headers: TypeAlias = list[tuple[bytes, bytes]]


class HeadTrace(NamedTuple):
    trace_id: str
    headers: Headers
    trace: Trace | None = None  #: where it becomes a span


def trace_of(head: Head) -> HeadTrace:
    """As `serving.tracing.trace_from`, with a short way for the many requests that bring no trace."""
    if brings_trace(head):
        return told(trace_in(head))
    trace_id, span_id = new_trace()
    headers = [(b"x-request-id", trace_id), (b"traceparent", b"00-%b-%b-01" % (trace_id, span_id))]
    return HeadTrace(trace_id.decode(), headers)


def trace_in(head: Head) -> Trace:
    if not brings_trace(head):
        trace_id, span_id = new_trace()
        return begin_trace(trace_id.decode(), span_id.decode())
    return trace_from({name.decode("latin-1"): value.decode("latin-1") for name, value in head.items()})


def told(trace: Trace) -> HeadTrace:
    """A trace as an answer tells it."""
    request_id, traceparent = trace.request_id.encode("latin-1"), trace.traceparent.encode()
    return HeadTrace(trace.trace_id, [(b"x-request-id", request_id), (b"traceparent", traceparent)], trace)


def brings_trace(head: Head) -> bool:
    return b"traceparent" in head or b"x-request-id" in head


def new_trace() -> tuple[bytes, bytes]:
    """A new trace id and span id, hex digits."""
    drawn = IDS.next(48).encode()
    return b"%b4%ba%b" % (drawn[:12], drawn[13:16], drawn[17:32]), drawn[32:]  # the fixed digits make it a UUID4


class _Ids:
    """Random hex digits, drawn from the system a few thousand at a time: one draw for each id is a call into it."""

    def __init__(self) -> None:
        self._drawn, self._at = "", 0

    def next(self, digits: int) -> str:
        if self._at + digits > len(self._drawn):
            self._drawn, self._at = os.urandom(4096).hex(), 0
        at = self._at
        self._at = end = at + digits
        return self._drawn[at:end]


#: For the ids of requests as well.
IDS = _Ids()


@lru_cache(maxsize=4)
def _joined(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)


def head_lines(headers: Headers) -> bytes:
    """The server's own headers (the date, which changes once a second) as lines."""
    return _joined(tuple(headers))
