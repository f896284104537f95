import pytest

from inference_container.forecasting.messages import Answered, ForecastQuery
from inference_container.services.batch_spans import tell_batch
from inference_container.services.lanes import ForecastAnswer
from serving.deadline import Deadline
from serving.errors import ChildDied, InvalidInput
from serving.ticket import Ticket
from serving.tracing import Trace, trace_from
from tests.fakes.clock import ManualClock
from tests.fakes.predictor import TIMINGS
from tests.fakes.spans import listened_to

HEX32, HEX16 = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
UNSAMPLED = trace_from({"traceparent": f"00-{HEX32}-{HEX16}-00"})
ANSWER = b"{}"


def ticket(
    trace: Trace | None, admitted_at: float = 10.0, waited_s: float = 2.0
) -> Ticket[ForecastQuery, ForecastAnswer]:
    made: Ticket[ForecastQuery, ForecastAnswer] = Ticket(
        ForecastQuery("q", b""), Deadline.after(30, ManualClock()), lambda *_: True, admitted_at, 0
    )
    made.trace, made.waited_s = trace, waited_s
    return made


def test_a_request_alone_has_its_wait_its_forecast_and_the_pass_in_its_own_trace() -> None:
    trace = trace_from({})
    with listened_to() as heard:
        tell_batch([ticket(trace)], Answered([ANSWER], TIMINGS), 15.0)
    assert sorted(span.name for span in heard.spans) == ["admission wait", "forecast", "forward pass"]
    wait, forecast, forward = heard.one("admission wait"), heard.one("forecast"), heard.one("forward pass")
    assert (wait.begun, wait.ended, forecast.begun, forecast.ended) == (10.0, 12.0, 12.0, 15.0)
    assert [span.trace.parent_id for span in (wait, forecast, forward)] == [
        *(trace.span_id, trace.span_id),
        forecast.trace.span_id,
    ]
    assert {span.trace.trace_id for span in heard.spans} == {trace.trace_id}
    assert forward.ended - forward.begun == pytest.approx(TIMINGS.model_predict_ms / 1000)
    assert forecast.begun <= forward.begun < forward.ended <= forecast.ended
    assert forecast.attributes == {"sluice.batch.size": 1}


def test_a_shared_batch_is_a_trace_of_its_own_and_linked_to_each_that_is_sampled() -> None:
    first, second = trace_from({}), trace_from({})
    batch = [ticket(first), ticket(None), ticket(second, 11.0), ticket(UNSAMPLED)]
    with listened_to() as heard:
        tell_batch(batch, Answered([ANSWER] * 4, TIMINGS), 15.0)
    shared, forecasts = heard.one("forecast batch"), heard.named("forecast")
    assert shared.trace.parent_id is None
    assert {link.span_id for link in shared.links} == {span.trace.span_id for span in forecasts}
    assert {span.trace.trace_id for span in forecasts} == {first.trace_id, second.trace_id}
    assert all([link.span_id for link in span.links] == [shared.trace.span_id] for span in forecasts)
    assert heard.one("forward pass").trace.parent_id == shared.trace.span_id
    assert shared.attributes["sluice.batch.size"] == 4


def test_of_a_batch_that_nobody_samples_nothing_is_told() -> None:
    with listened_to() as heard:
        tell_batch([ticket(None), ticket(UNSAMPLED)], Answered([ANSWER] * 2, TIMINGS), 15.0)
    assert heard.spans == []


def test_a_reply_that_is_an_error_is_that_request_s_and_a_worker_that_died_everybody_s() -> None:
    with listened_to() as heard:
        replies = Answered([InvalidInput(), ANSWER], TIMINGS)
        tell_batch([ticket(trace_from({})), ticket(trace_from({}))], replies, 15.0)
        assert [span.error for span in heard.named("forecast")] == [InvalidInput.code, None]
        assert heard.one("forecast batch").error is None
        tell_batch([ticket(trace_from({}))], ChildDied(), 15.0)
    assert heard.named("forecast")[-1].error == ChildDied.code
    assert len(heard.named("forward pass")) == 1
