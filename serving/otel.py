"""Spans to an OpenTelemetry collector, by OTLP over HTTP: the only room that imports OpenTelemetry.

Opened by `exporting`. What is taken goes into the SDK's bounded queue and is sent by the SDK's thread, so nobody who
makes a span waits for a collector. A collector that does not answer costs spans and one line of the log. The SDK's own
tracer is not used: a span's ids are in headers and log lines before it is over, and `tracing` makes them whether or not
anybody listens.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode
from typing_extensions import override

from serving import events
from serving.spans import Kind, Listener, Span, listening
from serving.tracing import Sampler

_KINDS = {
    Kind.INTERNAL: SpanKind.INTERNAL,
    Kind.SERVER: SpanKind.SERVER,
    Kind.CLIENT: SpanKind.CLIENT,
    Kind.PRODUCER: SpanKind.PRODUCER,
    Kind.CONSUMER: SpanKind.CONSUMER,
}
_SDK = {"telemetry.sdk.language": "python", "telemetry.sdk.name": "opentelemetry"}
#: Whose parents are elsewhere.
_COME_IN = (Kind.SERVER, Kind.CONSUMER)
_SCOPE = InstrumentationScope("sluice")
_SAMPLED, _OK = TraceFlags(TraceFlags.SAMPLED), Status(StatusCode.UNSET)
#: How far two looks at both clocks may be apart before it is the wall clock that was set.
_SAME_NS = 1_000_000
#: For a collector that did not answer last: whether it is back is not worth a longer wait at the end.
_LAST_TRY_S = 0.5


@dataclass(frozen=True, slots=True)
class Collector:
    address: str
    headers: str = field(repr=False)  #: name=value, separated by commas, values URL-encoded
    timeout_s: float
    most_waiting: int  #: spans
    batch_size: int  #: spans
    delay_ms: int  #: until a batch is sent that is not full


class OtlpExport(Listener):
    """Open it as a context; leaving it sends what is left, within `flush_s`."""

    def __init__(
        self, collector: Collector, attributes: str, resource: Mapping[str, str], sampler: Sampler, flush_s: float
    ) -> None:
        """
        Args:
            attributes: of the process, as OTEL_RESOURCE_ATTRIBUTES has them.
            resource: attributes that win over those.
        """
        self._collector, self._sampler, self._flush_s = collector, sampler, flush_s
        # Not `Resource.create`: it starts threads to find out what the settings have said already.
        self._resource = Resource({**_SDK, **_pairs(attributes), **resource})
        self._stack = ExitStack()
        self._offset_ns = 0

    async def __aenter__(self) -> Self:
        # What the SDK says of a collector that is away, at each try, `_Told` says once.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        where = self._collector
        inner = OTLPSpanExporter(where.address, headers=_pairs(where.headers), timeout=where.timeout_s)
        self._exporter = _Told(inner, urlsplit(where.address).netloc.rpartition("@")[2])
        self._processor = BatchSpanProcessor(
            self._exporter,
            max_queue_size=where.most_waiting,
            schedule_delay_millis=where.delay_ms,
            max_export_batch_size=where.batch_size,
        )
        self._stack.enter_context(listening(self, self._sampler))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stack.close()
        flushed, loop = asyncio.Event(), asyncio.get_running_loop()

        def flush() -> None:
            self._processor.shutdown()  # type: ignore[no-untyped-call]  # the SDK says no type here
            with suppress(RuntimeError):  # nobody waited that long
                loop.call_soon_threadsafe(flushed.set)

        # A thread that nobody joins: a collector that hangs must not hold the process.
        threading.Thread(target=flush, name="spans-flush", daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(self._flush_s, _LAST_TRY_S) if self._exporter.away else self._flush_s):
                await flushed.wait()
        self._exporter.shutdown()

    @override
    def take(self, span: Span) -> None:
        self._processor.on_end(self._readable(span))

    def _readable(self, span: Span) -> ReadableSpan:
        offset_ns = time.time_ns() - time.monotonic_ns()
        if abs(offset_ns - self._offset_ns) > _SAME_NS:
            self._offset_ns = offset_ns
        trace = span.trace
        parent = (
            _context(trace.trace_id, trace.parent_id, span.kind in _COME_IN) if trace.parent_id is not None else None
        )
        return ReadableSpan(
            span.name,
            _context(trace.trace_id, trace.span_id),
            parent,
            self._resource,
            span.attributes,
            (),
            [Link(_context(each.trace_id, each.span_id)) for each in span.links],
            _KINDS[span.kind],
            status=_OK if span.error is None else Status(StatusCode.ERROR),
            start_time=int(span.begun * 1e9) + self._offset_ns,
            end_time=int(span.ended * 1e9) + self._offset_ns,
            instrumentation_scope=_SCOPE,
        )


class _Told(SpanExporter):
    """Sends, and tells the log when that begins to fail and when it works again."""

    def __init__(self, inner: SpanExporter, host: str) -> None:
        self._inner, self._host = inner, host
        self.away = False

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._inner.export(spans)
        away = result is not SpanExportResult.SUCCESS
        if away is not self.away:
            self.away = away
            (events.spans_not_exported if away else events.spans_exported_again)(collector=self._host)
        return result

    @override
    def shutdown(self) -> None:
        self._inner.shutdown()

    @override
    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


def _context(trace_id: str, span_id: str, remote: bool = False) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), remote, _SAMPLED)


def _pairs(text: str) -> dict[str, str]:
    """name=value, separated by commas; what is neither is left out, as everywhere in OpenTelemetry."""
    pairs = (part.partition("=") for part in text.split(","))
    return {name.strip(): unquote(value.strip()) for name, sign, value in pairs if sign and name.strip()}
