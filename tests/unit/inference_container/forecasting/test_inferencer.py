import gc
import pickle
from datetime import datetime, timedelta
from random import Random

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_container.errors import (
    HorizonTooLong,
    InvalidSeries,
    InvalidTimestamps,
    MalformedRequest,
    NonFiniteForecast,
    TooFewRows,
)
from inference_container.forecasting.frame import frame_from_columns
from inference_container.forecasting.inferencer import Inferencer
from inference_container.forecasting.messages import BodyKind, ForecastQuery, ForecastReply, QueryOptions, StageTimings
from serving.errors import InvalidInput, SluiceError, WorkFailed
from tests.unit.inference_container.forecasting.samples import (
    BUNDLE_ID,
    START,
    CountingBackend,
    body,
    moments,
    sample_data,
    sample_inferencer,
    sample_plan,
)

_INFERENCER = sample_inferencer(sample_plan())
_RECURSIVE = sample_plan(targets=("heat", "load"), max_steps=20)


def _query(data: dict[str, list[object]], steps: int = 3, req_id: str = "r1") -> ForecastQuery:
    return ForecastQuery(req_id, body(data), options=QueryOptions(steps))


def _answer(reply: ForecastReply) -> dict[str, object]:
    assert isinstance(reply, bytes), reply
    decoded: dict[str, object] = orjson.loads(reply)
    return decoded


def _values(reply: ForecastReply) -> list[float]:
    predictions = _answer(reply)["predictions"]
    assert isinstance(predictions, list)
    return [value for row in predictions for name, value in row.items() if name != "ts"]


@given(st.randoms(use_true_random=False), st.integers(-14, 14))
def test_key_order_extra_columns_zones_and_row_order_never_change_the_forecast(random: Random, zone: int) -> None:
    shuffle = random.shuffle
    data = sample_data(9)
    plain = _INFERENCER.answer([_query(data)]).replies

    rows = list(range(9))
    shuffle(rows)
    local = [(datetime.fromisoformat(str(ts)) + timedelta(hours=zone)).isoformat() for ts in data["ts"]]
    disguised: dict[str, list[object]] = {name: [values[row] for row in rows] for name, values in data.items()}
    disguised["ts"] = [f"{local[row]}{'+' if zone >= 0 else '-'}{abs(zone):02d}:00" for row in rows]
    disguised["extra"] = list(range(9))
    names = list(disguised)
    shuffle(names)
    assert _INFERENCER.answer([_query({name: disguised[name] for name in names})]).replies == plain

    zulu = data | {"ts": [f"{ts}Z" for ts in data["ts"]]}
    assert _INFERENCER.answer([_query(zulu)]).replies == plain


def test_the_envelope_holds_what_the_contract_promises() -> None:
    (reply,) = _INFERENCER.answer([_query(sample_data(6), steps=2, req_id="0a1b2c3d")]).replies
    answer = _answer(reply)
    predictions = answer.pop("predictions")
    assert answer == {
        "status": "SUCCESS",
        "identifier": "unit",
        "run_id": BUNDLE_ID,
        "req_id": "0a1b2c3d",
        "cached": False,
    }
    assert isinstance(predictions, list)
    assert [set(row) for row in predictions] == [{"ts", "load"}] * 2
    assert [row["ts"] for row in predictions] == ["2025-03-02T04:00:00", "2025-03-02T05:00:00"]


@given(st.integers(6, 40), st.integers(1, 3))
def test_the_first_forecast_always_stands_one_step_after_the_last_row(rows: int, steps: int) -> None:
    frame = frame_from_columns(sample_data(rows), _INFERENCER.plan.input)
    forecast = _INFERENCER.forecast(frame, steps)
    last = START + timedelta(hours=rows - 1)
    assert forecast.times.tolist() == [last + timedelta(hours=step) for step in range(1, steps + 1)]
    assert forecast.values.shape == (steps, 1)


def test_only_the_window_matters_not_what_came_before() -> None:
    long = sample_data(30)
    short = {name: values[-6:] for name, values in long.items()}
    assert _INFERENCER.answer([_query(long)]).replies == _INFERENCER.answer([_query(short)]).replies


def test_fewer_steps_are_the_first_of_the_native_horizon() -> None:
    data = sample_data(6)
    whole, first = _INFERENCER.answer([_query(data, 3), _query(data, 1)]).replies
    assert _values(first) == _values(whole)[:1]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(6, 12), st.integers(1, 20), st.integers(0, 99)), min_size=1, max_size=9))
def test_a_batch_always_answers_what_each_query_alone_would_get(shapes: list[tuple[int, int, int]]) -> None:
    inferencer = sample_inferencer(_RECURSIVE)
    queries = [_query(sample_data(rows, seed=seed), steps) for rows, steps, seed in shapes]
    together = inferencer.answer(queries).replies
    for query, reply in zip(queries, together, strict=True):
        (alone,) = inferencer.answer([query]).replies
        np.testing.assert_allclose(_values(reply), _values(alone), rtol=1e-3, atol=1e-3)


def test_a_batch_is_one_forward_whatever_is_wrong_with_some_of_it() -> None:
    plan = sample_plan()
    backend = CountingBackend(plan.network)
    good = sample_data(6)
    replies = (
        Inferencer(plan, backend)
        .answer(
            [
                _query(good),
                ForecastQuery("x", b"not json"),
                _query(sample_data(2)),
                _query(good, steps=4),
                _query(sample_data(7)),
            ]
        )
        .replies
    )
    assert [type(reply) for reply in replies] == [bytes, MalformedRequest, TooFewRows, HorizonTooLong, bytes]
    assert [batch.shape for batch in backend.batches] == [(2, 6, 8)]


def test_a_batch_without_a_good_query_never_reaches_the_network() -> None:
    plan = sample_plan()
    backend = CountingBackend(plan.network)
    (reply,) = Inferencer(plan, backend).answer([ForecastQuery("x", b"[")]).replies
    assert type(reply) is MalformedRequest
    assert Inferencer(plan, backend).answer([]).replies == []
    assert not backend.batches


def test_the_network_reads_scaled_columns_and_unscaled_calendar_and_its_answer_is_unscaled() -> None:
    plan = sample_plan(columns=("load", "heat"))  # load: (x - 5) / 2, heat: (x - 15) / 3
    backend = CountingBackend(plan.network)
    data: dict[str, list[object]] = {"ts": list(moments(6)), "load": [9.0] * 6, "heat": [18.0] * 6}
    frame = frame_from_columns(data, plan.input)
    forecast = Inferencer(plan, backend).forecast(frame, 3)
    assert backend.batches[0][0, -1, :2].tolist() == [2.0, 1.0]
    assert bool(np.all(np.abs(backend.batches[0][..., 2:]) <= 1.0))
    assert forecast.values[:, 0].tolist() == [(2 + step) * 2 + 5 for step in (1, 2, 3)]


def test_beyond_the_horizon_forecasts_are_fed_back_in_the_order_of_the_inputs() -> None:
    backend = CountingBackend(_RECURSIVE.network)
    frame = frame_from_columns(sample_data(6), _RECURSIVE.input)
    forecast = Inferencer(_RECURSIVE, backend).forecast(frame, 7)
    assert len(backend.batches) == 3
    # The rows fed back carry (load, heat), the inputs' order, though the targets are (heat, load).
    first, second = backend.batches[0][0], backend.batches[1][0]
    np.testing.assert_allclose(second[-3:, :2], first[-1, :2] + np.array([[1], [2], [3]]), rtol=1e-6)
    np.testing.assert_array_equal(second[:3], first[3:])
    # Their calendar is that of the times forecast: 04:00 to 06:00.
    np.testing.assert_allclose(second[-3:, 2], np.sin(2 * np.pi * np.array([4, 5, 6]) / 24), atol=1e-6)
    scaled = (forecast.values[:, 1] - 5.0) / 2.0
    steps = [1, 2, 3, 4, 5, 6, 7]
    np.testing.assert_allclose(scaled, first[-1, 0] + np.array(steps), rtol=1e-5)


def test_inputs_that_are_not_forecast_are_held_at_their_last_value() -> None:
    plan = sample_plan(targets=("load",), max_steps=8)
    backend = CountingBackend(plan.network)
    Inferencer(plan, backend).forecast(frame_from_columns(sample_data(6), plan.input), 8)
    first, second, third = [batch[0] for batch in backend.batches]
    assert plan.output.held == ("heat",)
    assert second[-3:, 1].tolist() == third[-6:, 1].tolist()[:3] == [first[-1, 1]] * 3
    np.testing.assert_allclose(second[-3:, 0], first[-1, 0] + np.array([1, 2, 3]), rtol=1e-6)


def test_only_queries_that_want_more_go_into_the_next_step() -> None:
    backend = CountingBackend(_RECURSIVE.network)
    data = sample_data(6)
    Inferencer(_RECURSIVE, backend).answer([_query(data, 1), _query(data, 8), _query(data, 4)])
    assert [len(batch) for batch in backend.batches] == [3, 2, 1]


def test_a_horizon_the_model_does_not_reach_names_the_maximum() -> None:
    (reply,) = _INFERENCER.answer([_query(sample_data(6), steps=4)]).replies
    assert isinstance(reply, HorizonTooLong)
    assert reply.details == {"max_inference_length": 3}
    (recursive,) = sample_inferencer(_RECURSIVE).answer([_query(sample_data(6), steps=21)]).replies
    assert isinstance(recursive, HorizonTooLong)
    assert recursive.details == {"max_inference_length": 20}


def test_the_stages_of_a_batch_are_timed_and_told_to_those_who_ask() -> None:
    plan, ticks = sample_plan(), iter([1.0, 1.5, 1.75, 2.75, 2.875, 3.0])
    inferencer = Inferencer(plan, CountingBackend(plan.network), timer=lambda: next(ticks))
    plain = _query(sample_data(6), steps=1)
    asking = plain._replace(options=QueryOptions(1, timings=True))
    (told, untold, refused), timings = inferencer.answer([asking, plain, asking._replace(body=b"[")])
    assert timings == StageTimings(500.0, 250.0, 1000.0, 125.0, 125.0, 2000.0, 1)
    answer = _answer(told)
    assert answer.pop("timings_ms") == timings._asdict()
    assert answer == _answer(untold)
    assert isinstance(refused, MalformedRequest)


@pytest.mark.parametrize("steps", [[1], [3, 3], [1, 9, 4], []])
def test_the_timings_count_the_forward_passes(steps: list[int]) -> None:
    backend = CountingBackend(_RECURSIVE.network)
    answered = Inferencer(_RECURSIVE, backend).answer([_query(sample_data(6), each) for each in steps])
    assert answered.timings.model_predict_calls == len(backend.batches)


def test_a_kind_of_body_without_a_codec_is_malformed() -> None:
    query = ForecastQuery("r1", b"x", "morse")  # type: ignore[arg-type]  # a door of a later version
    (reply,) = _INFERENCER.answer([query]).replies
    assert isinstance(reply, MalformedRequest)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_forecast_that_is_not_finite_is_an_error_and_never_null(value: float) -> None:
    plan = sample_plan()
    (reply,) = Inferencer(plan, CountingBackend(plan.network, answer=value)).answer([_query(sample_data(6))]).replies
    assert isinstance(reply, NonFiniteForecast)


def test_values_beyond_computing_are_the_callers_mistake_and_spare_the_neighbour() -> None:
    huge = sample_data(6) | {"load": [1e300] * 6}
    spoiled, fine = _INFERENCER.answer([_query(huge), _query(sample_data(6))]).replies
    assert isinstance(spoiled, InvalidSeries)
    assert isinstance(fine, bytes)


def test_a_forecast_past_the_last_year_is_refused() -> None:
    late = sample_data(6) | {"ts": list(moments(6, start=datetime(9999, 12, 31, 17)))}
    (reply,) = _INFERENCER.answer([_query(late, steps=3)]).replies
    assert isinstance(reply, InvalidTimestamps)


@given(st.binary(max_size=60), st.none() | st.integers(-5, 20_000))
def test_any_bytes_get_an_answer_or_an_error_that_blames_the_caller(raw: bytes, length: int | None) -> None:
    (reply,) = _INFERENCER.answer([ForecastQuery("r", raw, options=QueryOptions(length))]).replies
    assert isinstance(reply, bytes | InvalidInput)


def test_what_nobody_foresaw_in_a_query_spares_its_neighbours() -> None:
    strange = ForecastQuery("x", None)  # type: ignore[arg-type]  # stands for a mistake of ours in decoding
    broken, fine = _INFERENCER.answer([strange, _query(sample_data(6))]).replies
    assert type(broken) is WorkFailed
    assert isinstance(fine, bytes)


def test_queries_and_replies_cross_a_process_boundary_whole() -> None:
    queries = [_query(sample_data(6)), _query(sample_data(2)), ForecastQuery("x", b"[")]
    assert pickle.loads(pickle.dumps(queries)) == queries
    replies = _INFERENCER.answer(queries).replies
    assert pickle.loads(pickle.dumps(replies)) == replies
    assert any(isinstance(reply, SluiceError) for reply in replies)


def test_warming_up_runs_a_batch_of_that_size() -> None:
    plan = sample_plan()
    backend = CountingBackend(plan.network)
    Inferencer(plan, backend).warm_up(5)
    assert [batch.shape for batch in backend.batches] == [(5, 6, 8)]


@pytest.mark.parametrize("kind", ["json", "arrow", "parquet", "oip", "timeseries"])
def test_a_refused_body_is_let_go_of_with_its_refusal(kind: BodyKind) -> None:
    """A worker looks for garbage so rarely that a thousand bodies would wait for it, each as large as may be."""
    bad = [
        ForecastQuery("r", b"\0" * 100, kind),
        ForecastQuery("r", b"", kind),
        ForecastQuery("r", body({"ts": [], "load": []}), kind, QueryOptions(99)),
    ]
    for query in bad:
        _INFERENCER.answer([query])
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            replies = _INFERENCER.answer(bad).replies
        assert all(isinstance(reply, SluiceError) for reply in replies)
        del replies
        assert gc.collect() < 20
    finally:
        gc.enable()
