"""The trace of one triage, as a collector is told of it: rules, record, engine, stream; and what is never told."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from typing_extensions import override

from tests.fakes.collector import Collector, Seen, collecting
from tests.integration.service_chat.canary import ALARM, upstream
from tests.integration.service_chat.conftest import Start

TRACE_ID, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACED = {"traceparent": f"00-{TRACE_ID}-{CALLER}-01"}
QUESTION = {"patient_mrn": "P000123", "query": "Can I take ibuprofen?"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


def in_order(spans: list[Seen]) -> list[str]:
    return [span.name for span in sorted(spans, key=lambda each: each.begun_ns)]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_triage_is_one_trace_from_the_request_to_the_last_token(
    start: Start, scripted_gguf: Path, collector: Collector, streamed: bool
) -> None:
    settings = {"GGUF_PATH": str(scripted_gguf), "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address}
    with start(settings) as service:
        service.until_ready()
        accept = {"Accept": "text/event-stream"} if streamed else {}
        with service.client() as client:
            answer = client.post("/triage", json=QUESTION, headers={**TRACED, **accept})
        assert answer.status_code == 200
        assert service.stop() == 0
        lines = [line for line in service.events("chat_done") if line["trace_id"] == TRACE_ID]
        assert len(lines) == 1
    served = collector.one("POST /triage")
    assert (served.trace_id, served.parent_id, served.kind) == (TRACE_ID, CALLER, "server")
    assert answer.headers["traceparent"] == f"00-{TRACE_ID}-{served.span_id}-01"
    assert in_order(collector.children(served)) == ["safety floor", "fetch record", "safety floor", "chat gguf"]
    chat = collector.one("chat gguf")
    assert in_order(collector.children(chat)) == ["admission wait", "prefill", "decode"]
    assert chat.attributes["gen_ai.usage.input_tokens"] == lines[0]["prompt_tokens"]
    assert chat.attributes["gen_ai.usage.output_tokens"] == lines[0]["completion_tokens"]
    assert chat.attributes["gen_ai.response.finish_reason"] == "stop"
    mine = [span for span in collector.spans if span.trace_id == TRACE_ID]
    assert len(mine) == 8
    assert all(served.begun_ns <= span.begun_ns + 5_000_000 for span in mine)
    assert all(span.ended_ns <= served.ended_ns + 5_000_000 for span in mine), "the stream ends last"
    assert served.service["service.name"] == "sluice-chat"
    assert not any(b"P000123" in body or b"ibuprofen" in body for body in collector.raw)
    assert not any(span.name.endswith(("/ready", "/health")) for span in collector.spans)


def test_a_caller_who_does_not_want_to_be_recorded_is_not(start: Start, collector: Collector) -> None:
    with start({"LLM_MODE": "mock", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address}) as service:
        service.until_ready()
        with service.client() as client:
            headers = {"traceparent": f"00-{TRACE_ID}-{CALLER}-00"}
            unheard = client.post("/triage", json=QUESTION, headers=headers)
            client.post("/triage", json={**QUESTION, "query": ALARM})
        assert service.stop() == 0
    assert unheard.headers["traceparent"].endswith("-00")
    assert [span for span in collector.spans if span.trace_id == TRACE_ID] == []
    emergency = collector.one("POST /triage")
    assert in_order(collector.children(emergency)) == ["safety floor"], "no record and no model was asked"


def test_a_refusal_is_told_and_a_missing_record_s_code(start: Start, collector: Collector) -> None:
    with start({"LLM_MODE": "mock", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address}) as service:
        service.until_ready()
        with service.client() as client:
            assert client.post("/triage", json={**QUESTION, "patient_mrn": "P999999"}).status_code == 404
        assert service.stop() == 0
    assert collector.one("POST /triage").attributes["http.response.status_code"] == 404
    assert collector.one("fetch record").attributes["error.type"] == "patient_not_found"


class _Heard:
    """What servers were asked with."""

    def __init__(self, base: str) -> None:
        self.base, self.traces = base, dict[str, str]()
        self.address = ""


@pytest.fixture
def between() -> Iterator[_Heard]:
    """Servers of records and models, behind one that notes which trace came along."""
    with upstream() as base:
        heard = _Heard(base)

        class Passing(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._pass(b"")

            def do_POST(self) -> None:
                self._pass(self.rfile.read(int(self.headers["content-length"])))

            def _pass(self, body: bytes) -> None:
                heard.traces[self.path.split("/")[1]] = self.headers.get("traceparent", "")
                answer = httpx.request(self.command, heard.base + self.path, content=body)
                self.send_response(answer.status_code)
                self.send_header("content-type", answer.headers["content-type"])
                self.send_header("content-length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            @override
            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Passing)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        heard.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield heard
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@pytest.mark.parametrize("told", [True, False])
def test_servers_that_are_asked_hear_of_the_trace_where_there_is_a_collector(
    start: Start, collector: Collector, between: _Heard, told: bool
) -> None:
    settings = {
        "LLM_MODE": "remote",
        "REMOTE_BASE_URL": between.address,
        "REMOTE_MODEL": "m",
        "DB_API_BASE_URL": between.address,
        **({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.address} if told else {}),
    }
    with start(settings) as service:
        service.until_ready()
        with service.client() as client:
            assert client.post("/triage", json=QUESTION, headers=TRACED).status_code == 200
        assert service.stop() == 0
    assert set(between.traces) == {"patients", "v1"}
    if not told:
        assert set(between.traces.values()) == {""}
        return
    asked = {span.name: span for span in collector.spans if span.kind == "client"}
    assert between.traces["patients"] == f"00-{TRACE_ID}-{asked['GET'].span_id}-01"
    assert between.traces["v1"] == f"00-{TRACE_ID}-{asked['POST'].span_id}-01"
    assert asked["GET"].parent_id == collector.one("fetch record").span_id
    assert asked["POST"].parent_id == collector.one("chat remote").span_id
    assert asked["GET"].attributes["server.address"] == "127.0.0.1"
    assert asked["GET"].attributes["http.response.status_code"] == 200
