"""An OpenTelemetry collector: an HTTP server on loopback that reads OTLP as it is, and keeps every span that came."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1 import trace_pb2
from typing_extensions import override


@dataclass(frozen=True)
class Seen:
    """A span as it came."""

    name: str
    kind: str  #: internal, server, client, producer, consumer
    trace_id: str
    span_id: str
    parent_id: str | None
    begun_ns: int  #: since the epoch
    ended_ns: int
    attributes: dict[str, object]
    links: tuple[tuple[str, str], ...]  #: trace and span id
    failed: bool
    service: dict[str, object]  #: attributes of the process


@dataclass
class Collector:
    address: str = ""
    spans: list[Seen] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    #: What it answers.
    status: int = 200
    #: Set: whoever sends has to wait.
    hanging: threading.Event = field(default_factory=threading.Event)
    raw: list[bytes] = field(default_factory=list)

    def named(self, name: str) -> list[Seen]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str, trace_id: str | None = None) -> Seen:
        found = [each for each in self.named(name) if trace_id in (None, each.trace_id)]
        assert len(found) == 1, f"{len(found)} of {name} among {sorted(each.name for each in self.spans)}"
        return found[0]

    def children(self, of: Seen) -> list[Seen]:
        return [each for each in self.spans if (each.trace_id, each.parent_id) == (of.trace_id, of.span_id)]

    def until(self, enough: Callable[[], bool], timeout_s: float = 15.0) -> None:
        end = time.monotonic() + timeout_s
        while not enough():
            assert time.monotonic() < end, f"only {sorted(each.name for each in self.spans)}"
            time.sleep(0.02)

    def take(self, body: bytes) -> None:
        self.raw.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = {each.key: _value(each.value) for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [_seen(each, service) for each in scope.spans]


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            while collector.hanging.is_set():
                time.sleep(0.01)
            if self.path == "/v1/traces" and self.headers["content-type"] == "application/x-protobuf":
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                if collector.status == 200:
                    collector.take(body)
                self.send_response(collector.status)
            else:
                self.send_response(404)
            self.send_header("content-length", "0")
            self.end_headers()

        @override
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    collector.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield collector
    finally:
        collector.hanging.clear()
        server.shutdown()
        server.server_close()
        thread.join()


def _seen(span: trace_pb2.Span, service: dict[str, object]) -> Seen:
    return Seen(
        span.name,
        trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex() or None,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        {each.key: _value(each.value) for each in span.attributes},
        tuple((each.trace_id.hex(), each.span_id.hex()) for each in span.links),
        span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        service,
    )


def _value(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind is not None else None
