"""Which request a line belongs to. Trace context comes in by `traceparent` or is made here; spans log start and end.

Formats: W3C Trace Context (https://www.w3.org/TR/trace-context/) for `traceparent`; `X-Request-ID` is echoed as it came
when it is short and plain, else it is the trace id. A trace id that is made here is a UUID4, written as 32 hex digits.
"""

import re
import secrets
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeAlias

from serving.events import Event

#: Whether a trace is sampled, by its id and by what its caller says of it; None: it begins here.
Sampler: TypeAlias = Callable[[str, bool | None], bool]

#: Version 00 ends after the flags; later versions may go on.
_TRACEPARENT = re.compile(
    r"^(?:00-(?=.{52}$)|(?!00|ff)[0-9a-f]{2}-)([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$"
)
_REQUEST_ID = re.compile(r"^[A-Za-z0-9._:/+=@-]{1,128}$")


@dataclass(frozen=True, slots=True)
class Trace:
    trace_id: str  #: 32 hex digits
    span_id: str  #: 16 hex digits, this process's part
    request_id: str
    sampled: bool = True
    parent_id: str | None = None  #: 16 hex digits, the part that this one belongs to; None where the trace begins

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def child(self) -> "Trace":
        """A part of this part."""
        return Trace(self.trace_id, secrets.token_hex(8), self.request_id, self.sampled, self.span_id)


def as_the_caller_says(_: str, said: bool | None) -> bool:
    """The sampler as long as spans go nowhere: a trace that begins here is worth its caller's while."""
    return said is not False


_sampler: Sampler = as_the_caller_says
_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def sample_with(sampler: Sampler) -> Sampler:
    """From now on; returns the one before."""
    global _sampler
    before, _sampler = _sampler, sampler
    return before


_endpoint: ContextVar[str | None] = ContextVar("endpoint", default=None)


def current_endpoint() -> str | None:
    """The pattern of the route that answers, once that is known."""
    return _endpoint.get()


def note_endpoint(pattern: str) -> None:
    _endpoint.set(pattern)


def current_trace() -> Trace | None:
    return _current.get()


def trace_from(headers: Mapping[str, str]) -> Trace:
    """The caller's trace continued, or a new one. `headers` has lower-case names. Malformed values count as absent."""
    found = _TRACEPARENT.match(headers.get("traceparent", "").strip())
    trace_id, parent_id, said = uuid.uuid4().hex, None, None
    if found and set(found[1]) != {"0"} and set(found[2]) != {"0"}:
        trace_id, parent_id, said = found[1], found[2], bool(int(found[3], 16) & 1)
    request_id = headers.get("x-request-id", "")
    if not _REQUEST_ID.match(request_id):
        request_id = trace_id
    return Trace(trace_id, secrets.token_hex(8), request_id, _sampler(trace_id, said), parent_id)


def begin_trace(trace_id: str, span_id: str) -> Trace:
    """What `trace_from` gives for a request that brings nothing, with ids that were drawn elsewhere."""
    return Trace(trace_id, span_id, trace_id, _sampler(trace_id, None))


@contextmanager
def tracing(trace: Trace) -> Iterator[Trace]:
    """Every line logged inside belongs to `trace`."""
    token, place = _current.set(trace), _endpoint.set(None)
    try:
        yield trace
    finally:
        _current.reset(token)
        _endpoint.reset(place)


@contextmanager
def within(trace: Trace | None) -> Iterator[None]:
    """Work that was handed on goes on in the trace that came along with it; None changes nothing."""
    if trace is None:
        yield
        return
    token = _current.set(trace)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def span(start: Event, end: Event, **fields: object) -> Iterator[dict[str, object]]:
    """Logs `start` with `fields`, then `end` with `elapsed_ms` and what the body put into the dictionary.

    A body that raises leaves a start without an end: the error's own event tells the rest.
    """
    start(**fields)
    begun = time.perf_counter()
    outcome: dict[str, object] = {}
    yield outcome
    end(elapsed_ms=round((time.perf_counter() - begun) * 1000, 2), **outcome)
