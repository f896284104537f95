import asyncio

import pytest

from serving.errors import QueueFull
from serving.spans import Kind, declare, listened, part, served
from serving.tracing import current_trace, trace_from, tracing
from tests.fakes.spans import listened_to

HEX32, HEX16 = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
OUTER = declare("test outer", "For these tests.", place="test.place", size="test.size")
INNER = declare("test inner", "For these tests.")
SENT = declare("test send", "For these tests.", kind=Kind.PRODUCER, named_by=("to",), fixed={"a": 1}, to="test.to")


def test_while_nobody_listens_nothing_is_made_and_nothing_changes() -> None:
    with tracing(trace_from({})) as trace, OUTER(place="x") as told:
        told["size"] = 1
        assert not listened()
        assert current_trace() is trace
        assert part() is None


def test_a_span_within_another_is_its_child_and_both_are_of_the_request() -> None:
    with listened_to() as heard, tracing(trace_from({"traceparent": f"00-{HEX32}-{HEX16}-01"})) as trace:
        with OUTER(place="x") as told, INNER():
            told["size"] = 3
        assert current_trace() is trace
    outer, inner = heard.one("test outer"), heard.one("test inner")
    assert (outer.trace.trace_id, outer.trace.parent_id) == (HEX32, trace.span_id)
    assert (inner.trace.trace_id, inner.trace.parent_id) == (HEX32, outer.trace.span_id)
    assert outer.attributes == {"test.place": "x", "test.size": 3}
    assert outer.begun <= inner.begun <= inner.ended <= outer.ended


def test_a_request_is_a_child_of_who_asked_and_one_that_brings_no_trace_of_nobody() -> None:
    with listened_to() as heard:
        for headers in ({"traceparent": f"00-{HEX32}-{HEX16}-01"}, {}):
            served(trace_from(headers), 0.0, "POST", "/triage", 200)
    asked, begun = heard.named("POST /triage")
    assert (asked.trace.parent_id, begun.trace.parent_id) == (HEX16, None)
    assert asked.kind is Kind.SERVER


@pytest.mark.parametrize(("status", "error"), [(200, None), (429, None), (499, None), (503, "503")])
def test_only_what_is_the_service_s_fault_is_an_error(status: int, error: str | None) -> None:
    with listened_to() as heard:
        served(trace_from({}), 0.0, "POST", "/predict", status)
    assert heard.one("POST /predict").error == error


def test_of_a_trace_that_is_not_sampled_nothing_is_told_and_it_goes_on_as_it_came() -> None:
    with listened_to() as heard, tracing(trace_from({"traceparent": f"00-{HEX32}-{HEX16}-00"})):
        with OUTER(place="x"):
            trace = current_trace()
            assert trace is not None
            assert trace.traceparent.endswith("-00")
        OUTER.told(trace.child(), 0.0, 1.0)
        with OUTER.of(trace), OUTER.each([trace, None]):
            pass
    assert heard.spans == []


def test_what_was_not_declared_is_refused() -> None:
    with listened_to(), tracing(trace_from({})) as trace, pytest.raises(TypeError, match="patient"):
        OUTER.told(trace, 0.0, 1.0, patient="P000123")
    with pytest.raises(ValueError, match="twice"):
        declare("test outer", "Again.")


@pytest.mark.parametrize(
    ("error", "code"),
    [(QueueFull(), QueueFull.code), (ValueError("P000123"), "ValueError"), (asyncio.CancelledError(), "cancelled")],
)
def test_a_failure_is_told_by_its_code_and_never_by_its_words(error: BaseException, code: str) -> None:
    with listened_to() as heard, tracing(trace_from({})), pytest.raises(type(error)), OUTER():
        raise error
    assert heard.one("test outer").error == code
    assert heard.one("test outer").attributes == {"error.type": code}


def test_what_is_done_once_for_several_is_part_of_each_of_their_traces() -> None:
    with listened_to() as heard:
        traces = [trace_from({}), None, trace_from({})]
        with INNER.each(traces):
            pass
    assert [span.trace.parent_id for span in heard.spans] == [each.span_id for each in traces if each is not None]


def test_a_span_is_named_by_what_it_is_declared_to_be_named_by() -> None:
    with listened_to() as heard, tracing(trace_from({})), SENT(to="topic"):
        pass
    assert heard.one("test send topic").attributes == {"a": 1, "test.to": "topic"}


def test_the_last_one_who_listened_is_back_when_another_leaves() -> None:
    with listened_to() as first:
        with listened_to() as second:
            served(trace_from({}), 0.0, "GET", "/a", 200)
        served(trace_from({}), 0.0, "GET", "/b", 200)
    assert ([each.name for each in first.spans], [each.name for each in second.spans]) == (["GET /b"], ["GET /a"])
