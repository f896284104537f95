"""The exporter against a collector that reads OTLP as it is, one that is away, and one that hangs."""

import logging
import socket
import threading
import time

import pytest

from serving.otel import Collector as Where
from serving.otel import OtlpExport
from serving.sampling import sampler
from serving.spans import declare, served
from serving.tracing import trace_from
from tests.fakes.collector import collecting
from tests.unit.until import until

pytestmark = pytest.mark.anyio

HEX32, HEX16 = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
WORK = declare("test otel work", "For these tests.", count="test.count", share="test.share", done="test.done")


def exporter(
    address: str, flush_s: float = 5.0, headers: str = "", most_waiting: int = 2048, timeout_s: float = 10.0
) -> OtlpExport:
    where = Where(f"{address}/v1/traces", headers, timeout_s, most_waiting, min(512, most_waiting), 50)
    resource = {"service.name": "sluice-test"}
    return OtlpExport(where, "deployment.environment.name=demo", resource, sampler("always_on", 1.0), flush_s)


def serve() -> None:
    served(trace_from({"traceparent": f"00-{HEX32}-{HEX16}-01"}), time.monotonic() - 0.5, "POST", "/predict", 500)


async def test_a_span_comes_as_it_was_made() -> None:
    with collecting() as collector:
        async with exporter(collector.address, headers="x-api-key=a%20b"):
            serve()
            trace = trace_from({})
            WORK.told(trace, 1.0, 2.0, links=(trace.child(),), count=3, share=0.5, done=True)
        served_, work = collector.one("POST /predict"), collector.one("test otel work")
    assert (served_.trace_id, served_.parent_id, served_.kind) == (HEX32, HEX16, "server")
    assert served_.failed
    assert served_.attributes["http.response.status_code"] == 500
    assert served_.ended_ns == pytest.approx(time.time_ns(), abs=60e9)
    assert served_.ended_ns - served_.begun_ns == pytest.approx(0.5e9, abs=0.4e9)
    assert (work.trace_id, work.span_id, work.parent_id) == (trace.trace_id, trace.span_id, None)
    assert work.attributes == {"test.count": 3, "test.share": 0.5, "test.done": True}
    assert [link[0] for link in work.links] == [trace.trace_id]
    assert work.ended_ns - work.begun_ns == 1_000_000_000
    assert not work.failed
    assert work.service["service.name"] == "sluice-test"
    assert work.service["deployment.environment.name"] == "demo"
    assert collector.headers[0]["x-api-key"] == "a b"


async def test_a_collector_that_is_away_costs_one_line_and_no_time(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://user:secret@127.0.0.1:{free.getsockname()[1]}"  # bound, and nobody listens
        async with exporter(address, flush_s=3.0, timeout_s=0.3):
            begun = time.monotonic()
            for _ in range(3000):
                serve()
            assert time.monotonic() - begun < 2.0
            await until(lambda: "spans_not_exported" in caplog.text)
            serve()
            closing = time.monotonic()
        assert time.monotonic() - closing < 2.0
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.msg for record in told] == ["spans_not_exported"]
    assert "secret" not in caplog.text


async def test_a_collector_that_refuses_is_told_once_and_once_more_when_it_takes_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    with collecting() as collector:
        collector.status = 403
        async with exporter(collector.address):
            for wanted in (1, 2, 3):
                serve()
                collector.until(lambda wanted=wanted: len(collector.headers) >= wanted)  # type: ignore[misc]
            collector.status = 200
            serve()
            collector.until(lambda: bool(collector.spans))
    ours = [record.msg for record in caplog.records if record.msg.startswith("spans_")]
    assert ours == ["spans_not_exported", "spans_exported_again"]


async def test_a_collector_that_hangs_holds_up_neither_a_request_nor_the_end() -> None:
    with collecting() as collector:
        collector.hanging.set()
        async with exporter(collector.address, flush_s=0.3, most_waiting=16):
            took = []
            for _ in range(500):
                begun = time.monotonic()
                serve()
                took.append(time.monotonic() - begun)
            closing = time.monotonic()
        assert time.monotonic() - closing < 2.0
        # From the seventeenth on there is no room. Some may fall on a moment in which the machine does something else.
        assert sorted(took)[-10] < 0.1


async def test_the_end_waits_for_a_collector_that_is_slow_and_there() -> None:
    with collecting() as collector:
        collector.hanging.set()
        async with exporter(collector.address):
            serve()
            threading.Timer(0.3, collector.hanging.clear).start()
        assert len(collector.spans) == 1
