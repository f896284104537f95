import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.events import declare
from serving.tracing import current_trace, span, trace_from, tracing

HEX32, HEX16 = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_callers_trace_is_continued_with_a_span_of_our_own() -> None:
    trace = trace_from({"traceparent": f"00-{HEX32}-{HEX16}-00", "x-request-id": "abc-1"})
    assert (trace.trace_id, trace.request_id, trace.sampled) == (HEX32, "abc-1", False)
    assert trace.span_id != HEX16
    assert trace.traceparent == f"00-{HEX32}-{trace.span_id}-00"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "junk",
        f"ff-{HEX32}-{HEX16}-01",
        f"00-{'0' * 32}-{HEX16}-01",
        f"00-{HEX32}-{'0' * 16}-01",
        f"00-{HEX32.upper()}-{HEX16}-01",
        f"00-{HEX32}-{HEX16}-1",
        f"00-{HEX32}-{HEX16}-01-more",
    ],
)
def test_a_malformed_traceparent_counts_as_absent(header: str) -> None:
    trace = trace_from({"traceparent": header})
    assert trace.trace_id != HEX32
    assert uuid.UUID(trace.trace_id).version == 4


def test_a_later_version_may_say_more() -> None:
    assert trace_from({"traceparent": f"01-{HEX32}-{HEX16}-01-more"}).trace_id == HEX32


@given(sent=st.text(max_size=200))
def test_a_request_id_never_carries_anything_but_plain_characters_into_a_header(sent: str) -> None:
    echoed = trace_from({"x-request-id": sent}).request_id
    assert echoed.isascii()
    assert echoed.isprintable()
    assert 1 <= len(echoed) <= 128
    assert " " not in echoed


def test_the_trace_ends_with_its_request() -> None:
    with tracing(trace_from({})) as trace:
        assert current_trace() is trace
    assert current_trace() is None


def test_a_span_logs_its_start_and_its_end_with_the_time_it_took(caplog: pytest.LogCaptureFixture) -> None:
    start = declare("test_span_start", "For this test.", "mode")
    end = declare("test_span_end", "For this test.", "elapsed_ms", "tokens")
    with caplog.at_level("INFO"), span(start, end, mode="x") as outcome:
        outcome["tokens"] = 3
    first, last = caplog.records
    assert (first.msg, vars(first)["event_fields"]) == ("test_span_start", {"mode": "x"})
    fields = vars(last)["event_fields"]
    assert last.msg == "test_span_end"
    assert fields["tokens"] == 3
    assert fields["elapsed_ms"] >= 0
