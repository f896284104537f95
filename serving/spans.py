"""Spans: what was done within a request, from when to when. Each kind is declared once, like an event, and carries its
declared attributes only: text a patient wrote, names and record numbers have none to travel in.

    FETCH = declare("fetch object", "The object of a claim is read.", bucket="aws.s3.bucket")
    with FETCH(bucket="data"): ...                         # in this task: what happens inside belongs to it
    FETCH.told(trace.child(), begun, ended, bucket="data")  # or afterwards, from times that were taken anyway

A trace goes along in the context of its task. Where work leaves its task, the value that is handed on carries it: a
ticket in a lane, an entry of the log, a header of a message.

As long as nobody listens nothing is made, and asking costs a look at one name. `exporting` brings the listener.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from types import TracebackType
from typing import Protocol, TypeAlias

from typing_extensions import override

from serving.errors import SluiceError
from serving.tracing import Sampler, Trace, current_trace, sample_with, trace_from, within

Value: TypeAlias = str | int | float | bool
#: What is known of a span, by the words it was declared with; None counts as not known.
Told: TypeAlias = dict[str, Value | None]

#: Of one span. Collectors cut off longer lists.
MOST_LINKS = 128
ERROR_TYPE = "error.type"


class Kind(StrEnum):
    """As OpenTelemetry has them."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


@dataclass(frozen=True, slots=True)
class Span:
    """One that is over."""

    name: str
    kind: Kind
    trace: Trace  #: itself and its parent
    begun: float  #: seconds of the monotonic clock
    ended: float
    attributes: Mapping[str, Value]
    links: Sequence[Trace]
    error: str | None  #: the code of what it failed with


class Listener(Protocol):
    def take(self, span: Span) -> None:
        """From any thread, the event loop's too: must not wait, and must not raise."""


_listener: Listener | None = None


def listened() -> bool:
    """Whether anybody wants spans: for places so frequent that nothing should even be put together."""
    return _listener is not None


@contextmanager
def listening(listener: Listener, sampler: Sampler) -> Iterator[None]:
    """Spans of sampled traces go to `listener` until this is left; `sampler` decides about traces that come in."""
    global _listener
    before, _listener = _listener, listener
    sampled_before = sample_with(sampler)
    try:
        yield
    finally:
        _listener = before
        sample_with(sampled_before)


def part() -> Trace | None:
    """A part of the task's trace, for a span that is told later. None where nobody will hear of it."""
    trace = current_trace() if _listener is not None else None
    return trace.child() if trace is not None else None


def alone() -> Trace:
    """A trace of its own, for what belongs to several others and is linked to them."""
    return replace(trace_from({}), sampled=True)


@dataclass(frozen=True, slots=True)
class SpanType:
    name: str
    sentence: str
    kind: Kind
    #: From the word at the call to the attribute's name, OpenTelemetry's where its conventions have one.
    attributes: Mapping[str, str]
    #: Words whose values stand behind the name.
    named_by: tuple[str, ...]
    #: What is the same for all of them.
    fixed: Mapping[str, Value]

    def __call__(self, **values: Value | None) -> AbstractContextManager[Told]:
        """A part of this task's trace until the block ends. What becomes known meanwhile goes into the dictionary.

        Not around a `yield`: what is between two steps of a generator is somebody else's.
        """
        trace = current_trace() if _listener is not None else None
        return _NOBODY if trace is None or not trace.sampled else _Open(self, trace.child(), values)

    def of(self, trace: Trace, **values: Value | None) -> AbstractContextManager[Told]:
        """The same for a trace that came from outside, which this span is our part of."""
        return _Open(self, trace, values)

    @contextmanager
    def each(self, traces: Sequence[Trace | None], **values: Value | None) -> Iterator[None]:
        """Work that is done once for several: a part of each of their traces."""
        begun = time.monotonic()
        error: str | None = None
        try:
            yield
        except BaseException as failure:  # a cancellation too: the span says so, and it goes on its way
            error = code_of(failure)
            raise
        finally:
            for trace in traces if _listener is not None else ():
                if trace is not None and trace.sampled:
                    self.tell(trace.child(), begun, time.monotonic(), values, error=error)

    def told(
        self,
        trace: Trace | None,
        begun: float,
        ended: float,
        *,
        links: Sequence[Trace] = (),
        error: str | None = None,
        **values: Value | None,
    ) -> None:
        """A span that is over. `trace` is its own part; the times are seconds of the monotonic clock.

        Raises:
            TypeError: A value was not declared, which is a programming error.
        """
        self.tell(trace, begun, ended, values, links, error)

    def tell(
        self,
        trace: Trace | None,
        begun: float,
        ended: float,
        values: Mapping[str, Value | None],
        links: Sequence[Trace] = (),
        error: str | None = None,
    ) -> None:
        """`told` with the values in one piece."""
        listener = _listener
        if listener is None or trace is None or not trace.sampled:
            return
        if not values.keys() <= self.attributes.keys():
            raise TypeError(f"span {self.name} does not declare {sorted(values.keys() - self.attributes.keys())}")
        found = {self.attributes[word]: value for word, value in values.items() if value is not None}
        name = " ".join(part for part in (self.name, *(str(values.get(word, "")) for word in self.named_by)) if part)
        attributes = {**self.fixed, **found, **({ERROR_TYPE: error} if error is not None else {})}
        listener.take(Span(name, self.kind, trace, begun, ended, attributes, tuple(links[:MOST_LINKS]), error))


class _Open(AbstractContextManager[Told]):
    """A span that has begun: the task is within it."""

    __slots__ = ("_begun", "_of", "_trace", "_values", "_within")

    def __init__(self, of: SpanType, trace: Trace, values: Mapping[str, Value | None]) -> None:
        self._of, self._trace, self._values = of, trace, dict(values)

    @override
    def __enter__(self) -> Told:
        self._within = within(self._trace)
        self._within.__enter__()
        self._begun = time.monotonic()
        return self._values

    @override
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._within.__exit__(None, None, None)
        failed = code_of(error) if error is not None else None
        self._of.tell(self._trace, self._begun, time.monotonic(), self._values, error=failed)


class _Nobody(AbstractContextManager[Told]):
    """Nobody listens."""

    __slots__ = ()

    @override
    def __enter__(self) -> Told:
        return {}

    @override
    def __exit__(self, *_: object) -> None:
        pass


_NOBODY = _Nobody()

#: Every kind of span of the process, by how its name is made. docs/tracing.md lists them, and a test compares the two.
DECLARED: dict[str, SpanType] = {}


def declare(
    name: str,
    sentence: str,
    *,
    kind: Kind = Kind.INTERNAL,
    named_by: tuple[str, ...] = (),
    fixed: Mapping[str, Value] | None = None,
    **attributes: str,
) -> SpanType:
    """`attributes`: a word for the calls, and the name that the attribute has outside. Raises ValueError when the name
    is taken."""
    shown = " ".join(part for part in (name, *(f"<{word}>" for word in named_by)) if part)
    if shown in DECLARED:
        raise ValueError(f"span {shown} is declared twice")
    made = SpanType(name, sentence, kind, attributes, named_by, fixed or {})
    DECLARED[shown] = made
    return made


def code_of(error: BaseException) -> str:
    """What a failure is called: never its words, which may repeat a request's."""
    if isinstance(error, SluiceError):
        return error.code
    return "cancelled" if isinstance(error, asyncio.CancelledError | GeneratorExit) else type(error).__name__


_SERVED = declare(
    "",
    "An HTTP request, from its head to the last byte of its answer; of a stream, to its last event.",
    kind=Kind.SERVER,
    named_by=("method", "route"),
    method="http.request.method",
    route="http.route",
    status="http.response.status_code",
)
WAIT = declare("admission wait", "Admitted to a lane, until its turn comes.")


def served(trace: Trace, begun: float, method: str, route: str, status: int) -> None:
    """A request was answered just now.

    Args:
        begun: of the monotonic clock or of `perf_counter`, which are one.
        route: its pattern: the path itself may hold a record number.
    """
    error = str(status) if status >= 500 else None
    _SERVED.told(trace, begun, time.monotonic(), error=error, method=method, route=route, status=status)
