from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.errors import (
    InvalidSeries,
    InvalidTimestamps,
    IrregularGrid,
    MalformedRequest,
    NoData,
    NonNumericColumns,
    QuantilesUnavailable,
    TooFewRows,
)
from inference_container.forecasting.codecs.timeseries import seconds_of
from inference_container.forecasting.messages import ForecastQuery, HeadedReply, QueryOptions
from inference_container.forecasting.protocol_names import MAX_SERIES, MULTIVARIATE, SERIES_COUNT, UNIVARIATE
from serving.errors import NotFound, SluiceError
from tests.unit.inference_container.forecasting.codecs.tensors import INFERENCER, predicted
from tests.unit.inference_container.forecasting.samples import sample_data, sample_inferencer, sample_plan

DATA = sample_data(8)
SERIES: dict[str, Any] = {
    "type": MULTIVARIATE,
    "name": "one",
    "series": [list(row) for row in zip(DATA["load"], DATA["heat"], strict=True)],
    "frequency": "H",
    "start_timestamp": DATA["ts"][0],
}


def request(*series: object, **options: object) -> bytes:
    return orjson.dumps({"model": "sample", "inputs": series, "options": {"horizon": 1, **options}})


def ask(body: bytes, series: int = 0, model: str = "sample") -> object:
    query = ForecastQuery("req", body, "timeseries", QueryOptions(model=model, series=series))
    (reply,) = INFERENCER.answer([query]).replies
    return reply


def content(reply: object) -> dict[str, Any]:
    assert isinstance(reply, HeadedReply), reply
    (found,) = orjson.loads(reply.body)["content"]
    assert isinstance(found, dict)
    return found


@given(
    st.integers(6, 12), st.integers(0, 99), st.integers(1, 3), st.sampled_from(["H", "hour", "HOUR", "60T", "3600S"])
)
def test_a_series_always_gets_the_numbers_that_predict_gives(
    rows: int, seed: int, horizon: int, frequency: str
) -> None:
    data = sample_data(rows, seed=seed)
    values = [list(row) for row in zip(data["load"], data["heat"], strict=True)]
    reply = ask(request(SERIES | {"series": values, "frequency": frequency}, horizon=horizon))
    found, expected = content(reply), predicted(data, horizon)
    assert found["mean_forecast"] == expected["load"]
    assert found["start_timestamp"] == f"{expected['ts'][0]}Z"
    assert (found["type"], found["name"], found["frequency"]) == (UNIVARIATE, "one", frequency)
    assert found["columns"] == ["load"]


def test_every_series_of_a_body_is_answered_by_its_number_and_their_count_is_told() -> None:
    other = SERIES | {"name": "two", "series": [[row[0] + 1, row[1]] for row in SERIES["series"]]}
    body = request(SERIES, other)
    first, second = ask(body), ask(body, series=1)
    assert isinstance(first, HeadedReply)
    assert dict(first.headers) == {SERIES_COUNT: "2"}
    assert (content(first)["name"], content(second)["name"]) == ("one", "two")
    assert content(second) == content(ask(request(other)))
    assert content(first)["mean_forecast"] != content(second)["mean_forecast"]


def test_a_model_of_one_column_takes_bare_numbers_and_needs_no_beginning_without_a_calendar() -> None:
    plan = sample_plan(columns=("load",))
    inputs = replace(plan.input, calendar=())
    inferencer = sample_inferencer(replace(plan, input=inputs, network=replace(plan.network, features=1)))
    series = SERIES | {"type": UNIVARIATE, "series": [1, 2.5, 3, 4, 5, 6]}
    bodies = [request(series), request(series | {"start_timestamp": None}), request(SERIES | {"start_timestamp": None})]
    dated, undated, refused = inferencer.answer([ForecastQuery("req", body, "timeseries") for body in bodies]).replies
    assert content(dated)["mean_forecast"] == content(undated)["mean_forecast"]
    assert content(undated)["start_timestamp"] == "1970-01-01T06:00:00Z"
    assert isinstance(refused, InvalidSeries)
    assert isinstance(ask(bodies[2]), InvalidTimestamps)


def test_several_targets_come_back_as_rows() -> None:
    plan = sample_plan(targets=("heat", "load"))
    query = ForecastQuery("req", request(SERIES, horizon=2), "timeseries")
    (reply,) = sample_inferencer(plan).answer([query]).replies
    found = content(reply)
    assert (found["type"], found["columns"]) == (MULTIVARIATE, ["heat", "load"])
    assert [len(row) for row in found["mean_forecast"]] == [2, 2]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{", MalformedRequest),
        (b"[]", MalformedRequest),
        (orjson.dumps({"inputs": [SERIES], "options": {"horizon": 1}}), MalformedRequest),
        (orjson.dumps({"model": "sample", "inputs": [SERIES]}), MalformedRequest),
        (request(), NoData),
        (request(*[SERIES | {"name": str(n)} for n in range(MAX_SERIES + 1)]), MalformedRequest),
        (request(SERIES, SERIES), MalformedRequest),
        (request(SERIES, horizon=0), MalformedRequest),
        (request(SERIES, horizon=None), MalformedRequest),
        (request(SERIES, horizon=True), MalformedRequest),
        (request(SERIES, quantiles=[0.5, 0.5]), MalformedRequest),
        (request(SERIES, quantiles=[0.5]), QuantilesUnavailable),
        (request(SERIES | {"type": "time_series"}), MalformedRequest),
        (request(SERIES | {"type": UNIVARIATE}), MalformedRequest),
        (request(SERIES | {"frequency": "T"}), IrregularGrid),
        (request(SERIES | {"frequency": "M"}), IrregularGrid),
        (request(SERIES | {"frequency": "h"}), IrregularGrid),
        (request(SERIES | {"frequency": 3600}), MalformedRequest),
        (request(SERIES | {"start_timestamp": "soon"}), InvalidTimestamps),
        (request(SERIES | {"start_timestamp": 0}), MalformedRequest),
        (request(SERIES | {"start_timestamp": "9999-12-31T20:00:00"}), InvalidTimestamps),
        (request(SERIES | {"series": [[1, 2, 3]] * 8}), InvalidSeries),
        (request(SERIES | {"series": [["1", 2]] * 8}), NonNumericColumns),
        (request(SERIES | {"series": [[True, 2]] * 8}), NonNumericColumns),
        (request(SERIES | {"series": [[1, 2]] * 3}), TooFewRows),
        (request(SERIES | {"series": []}), TooFewRows),
    ],
    ids=lambda value: value.decode()[-60:] if isinstance(value, bytes) else value.__name__,
)
def test_what_is_wrong_with_a_series_is_told_by_class(body: bytes, error: type[SluiceError]) -> None:
    assert type(ask(body)) is error


def test_another_model_than_the_one_served_is_not_found() -> None:
    assert isinstance(ask(request(SERIES), model="other"), NotFound)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        *[("S", 1), ("minute", 60), ("5T", 300), ("D", 86_400), ("Week", 604_800), ("M", None), ("year", None)],
        *[("m", None), ("0T", None), ("T5", None), ("", None), ("1" * 30 + "S", None)],
    ],
)
def test_a_frequency_is_a_number_of_seconds_or_none(name: str, seconds: int | None) -> None:
    assert seconds_of(name) == seconds
