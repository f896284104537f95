import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.errors import (
    InvalidTimestamps,
    MalformedRequest,
    MissingColumns,
    NoData,
    NonNumericColumns,
    TooManyRows,
    UnequalColumns,
)
from inference_container.forecasting.codecs.json import JSON
from inference_container.forecasting.codecs.protocol import ForecastRequest
from inference_container.forecasting.frame import MAX_ROWS, frame_from_columns
from inference_container.forecasting.messages import ForecastQuery, QueryOptions
from serving.errors import InvalidInput
from tests.unit.inference_container.forecasting.samples import body, moments, sample_data, sample_plan

_PLAN = sample_plan()
_SERIES = {"ts": moments(2), "load": [1, 2.5], "heat": [3, None]}


def _parse(raw: bytes, inference_length: int | None = None) -> ForecastRequest:
    return JSON.decode(ForecastQuery("r1", raw, options=QueryOptions(inference_length)), _PLAN)


def test_columns_stand_in_the_order_of_the_plan_and_null_is_nan() -> None:
    frame = _parse(body({"heat": [3, None], "load": [1, 2.5], "ts": moments(2)})).frame
    np.testing.assert_array_equal(frame.values, [[1.0, 3.0], [2.5, np.nan]])


def test_rows_are_sorted_by_time() -> None:
    found = _parse(body({"ts": moments(3)[::-1], "load": [3, 2, 1], "heat": [6, 5, 4]})).frame
    assert found.values.tolist() == [[1, 4], [2, 5], [3, 6]]
    assert bool(np.all(np.diff(found.times) > np.timedelta64(0, "us")))


@pytest.mark.parametrize(
    ("fields", "query", "expected"),
    [
        ({}, None, 1),
        ({"inference_length": None}, None, 1),
        ({"inference_length": 7}, None, 7),
        ({"inference_length": 7.0}, None, 7),
        ({"inference_length": 7}, 2, 2),
    ],
)
def test_the_query_wins_over_the_body_and_one_step_is_the_default(
    fields: dict[str, object], query: int | None, expected: int
) -> None:
    assert _parse(body(_SERIES, **fields), query).inference_length == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"[1]",
        b'"text"',
        b"3",
        b"\xff",
        b'{"data": [1]}',
        b'{"data": "x"}',
        b'{"data": {"ts": "2025-01-01"}}',
        b'{"data": {"ts": 3}}',
        body(_SERIES, inference_length=0),
        body(_SERIES, inference_length=10_001),
        body(_SERIES, inference_length="5"),
        body(_SERIES, inference_length=True),
        body(_SERIES, inference_length=1.5),
        body(_SERIES, index_col=3),
        b'{"data": {"ts": ["2025-01-01"], "load": [NaN], "heat": [1]}}',
    ],
)
def test_a_wrong_shape_is_a_malformed_request(raw: bytes) -> None:
    with pytest.raises(MalformedRequest):
        _parse(raw)


def test_a_bad_length_in_the_query_is_malformed_even_beside_a_good_one_in_the_body() -> None:
    with pytest.raises(MalformedRequest):
        _parse(body(_SERIES, inference_length=3), 0)


@pytest.mark.parametrize("raw", [b"", b"  ", b"null", b"{}", b'{"data": null}', b'{"data": {}}'])
def test_nothing_to_forecast_from_is_said_so(raw: bytes) -> None:
    with pytest.raises(NoData):
        _parse(raw)


def test_missing_columns_are_named_sorted() -> None:
    with pytest.raises(MissingColumns, match=r"heat, load") as caught:
        _parse(body({"ts": moments(1), "other": [1]}))
    assert caught.value.details == {"missing_columns": ["heat", "load"]}


@pytest.mark.parametrize("value", ["1.5", True, [1], {"a": 1}])
def test_what_numpy_would_turn_into_a_number_is_refused_by_column(value: object) -> None:
    with pytest.raises(NonNumericColumns) as caught:
        _parse(body(_SERIES | {"heat": [1, value]}))
    assert caught.value.details == {"columns": ["heat"]}


def test_columns_the_model_does_not_read_may_hold_anything_but_must_be_as_long() -> None:
    _parse(body(_SERIES | {"note": ["a", {"b": 1}]}, surprise=1))
    with pytest.raises(UnequalColumns):
        _parse(body(_SERIES | {"note": ["a"]}))


def test_the_first_known_time_column_is_taken_unless_the_request_names_one() -> None:
    both = {"date": moments(2), "time": moments(3)[1:], "load": [1, 2], "heat": [3, 4]}
    assert _parse(body(both)).frame.times[0].item().hour == 23
    assert _parse(body(both, index_col="date")).frame.times[0].item().hour == 22


@pytest.mark.parametrize("fields", [{}, {"index_col": "when"}])
def test_no_time_column_is_an_invalid_series(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidTimestamps):
        _parse(body({"load": [1], "heat": [2]}, **fields))


@pytest.mark.parametrize(
    ("times", "sentence"),
    [
        (["2025-03-01", "2025-03-01"], "same time"),
        (["2025-03-02", "2025-03-01", "2025-03-01"], "repeat"),
        (["2025-03-01T01:00:00+01:00", "2025-03-01T00:00:00Z", "2025-03-02"], "repeat"),
    ],
)
def test_a_time_that_stands_in_two_rows_is_refused(times: list[str], sentence: str) -> None:
    values = list(range(len(times)))
    with pytest.raises(InvalidTimestamps, match=sentence):
        _parse(body({"ts": times, "load": values, "heat": values}))


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["ts", "load", "heat"]), inner),
    max_leaves=12,
)
_requests = st.fixed_dictionaries(
    {}, optional={"data": _json, "inference_length": _json, "index_col": _json, "other": _json}
)


@given(_requests)
def test_any_json_is_either_a_request_or_the_callers_mistake(request: dict[str, object]) -> None:
    try:
        _parse(orjson.dumps(request))
    except InvalidInput:
        return


def test_a_long_series_keeps_every_row() -> None:
    assert _parse(body(sample_data(500))).frame.values.shape == (500, 2)


def test_more_rows_than_the_bound_are_refused_with_both_numbers() -> None:
    series: dict[str, list[object]] = {name: [1.5] * (MAX_ROWS + 1) for name in ("load", "heat")}
    with pytest.raises(TooManyRows) as caught:
        frame_from_columns(series | {"ts": ["2025-03-01"] * (MAX_ROWS + 1)}, _PLAN.input)
    assert caught.value.details == {"max_rows": MAX_ROWS, "rows": MAX_ROWS + 1}
