"""What a client sees of a forecast: the default bundle behind the real door."""

import random
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from inference_container.bundles.loader import read_manifest
from inference_container.defaults import default_bundle_path
from tests.fakes.weather import COLUMNS, Column, weather
from tests.integration.processes import ServiceProcess

ROWS = 120


def forecast(service: ServiceProcess, data: dict[str, Column], **extra: Any) -> list[dict[str, Any]]:
    with service.client() as client:
        answer = client.post("/predict", json={"data": data, "inference_length": 6, **extra})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["status"] == "SUCCESS"
    assert body["cached"] is False
    predictions: list[dict[str, Any]] = body["predictions"]
    return predictions


def test_a_forecast_starts_one_step_after_the_last_row_and_holds_the_target_only(service: ServiceProcess) -> None:
    data = weather(ROWS)
    predictions = forecast(service, data)
    last = datetime.fromisoformat(str(data["time"][-1])).replace(tzinfo=None)
    assert [p["ts"] for p in predictions] == [(last + timedelta(hours=h)).isoformat() for h in range(1, 7)]
    assert all(set(p) == {"ts", "temp"} for p in predictions)
    assert all(-40 < p["temp"] < 120 for p in predictions)


def test_the_same_series_gives_the_same_forecast_however_it_is_written(service: ServiceProcess) -> None:
    data = weather(ROWS)
    plain = forecast(service, data)
    order = list(range(ROWS))
    random.Random(3).shuffle(order)
    shuffled_keys = {name: data[name] for name in ("wind_speed", "temp", "time", "humid", "dewp")}
    zones = (timezone(timedelta(hours=-5)), timezone(timedelta(hours=5, minutes=45)))
    moments = [datetime.fromisoformat(str(t)) for t in data["time"]]
    local = [moment.astimezone(zones[i % 2]).isoformat() for i, moment in enumerate(moments)]
    naive = [str(t).removesuffix("Z") for t in data["time"]]
    assert forecast(service, shuffled_keys) == plain
    assert forecast(service, {**data, "pressure": [1012.0] * ROWS, "note": ["x"] * ROWS}) == plain
    assert forecast(service, {**data, "time": list(local)}) == plain
    assert forecast(service, {**data, "time": list(naive)}) == plain
    assert forecast(service, {name: [data[name][i] for i in order] for name in data}) == plain
    renamed = {("when" if name == "time" else name): column for name, column in data.items()}
    assert forecast(service, renamed, index_col="when") == plain


def test_rows_before_the_window_change_nothing(service: ServiceProcess) -> None:
    assert forecast(service, weather(ROWS)) == forecast(service, weather(ROWS + 100))


def test_the_query_parameter_wins_over_the_body(service: ServiceProcess) -> None:
    with service.client() as client:
        answer = client.post("/predict?inference_length=2", json={"data": weather(ROWS), "inference_length": 5})
    assert len(answer.json()["predictions"]) == 2


def refused(service: ServiceProcess, status: int, **body: Any) -> dict[str, Any]:
    with service.client() as client:
        answer = client.post("/predict", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["trace_id"] == answer.headers["x-request-id"]
    return problem


def test_five_rows_are_refused_with_the_number_that_is_needed(service: ServiceProcess) -> None:
    problem = refused(service, 400, data=weather(5))
    assert problem["code"] == "too_few_rows"
    assert problem["rows"] == 5
    assert problem["min_rows"] > 5
    with service.client() as client:
        assert client.get("/predict_ping").json()["input_seq_len"] == problem["min_rows"]


def test_missing_columns_are_named_sorted(service: ServiceProcess) -> None:
    data = weather(ROWS)
    problem = refused(service, 400, data={"time": data["time"], "dewp": data["dewp"]})
    assert problem["code"] == "missing_columns"
    assert problem["missing_columns"] == ["humid", "temp", "wind_speed"]


@pytest.mark.parametrize(
    ("status", "code", "change"),
    [
        (400, "unequal_columns", {"temp": [1.0]}),
        (400, "invalid_timestamps", {"time": ["yesterday"] * ROWS}),
        (400, "invalid_timestamps", {"time": ["2013-01-01T00:00:00Z"] * ROWS}),
        (400, "non_numeric_columns", {"temp": ["warm"] * ROWS}),
    ],
)
def test_a_series_that_can_not_be_forecast_says_why(
    service: ServiceProcess, status: int, code: str, change: dict[str, Column]
) -> None:
    assert refused(service, status, data=weather(ROWS) | change)["code"] == code


@pytest.mark.parametrize("length", [0, 10_001, "three"])
def test_a_length_out_of_range_does_not_fit_the_schema(service: ServiceProcess, length: object) -> None:
    refused(service, 422, data=weather(ROWS), inference_length=length)


def test_a_body_that_is_not_json_does_not_fit_the_schema(service: ServiceProcess) -> None:
    with service.client() as client:
        assert client.post("/predict", content=b"{").status_code == 422
        assert client.post("/predict", content=b"").status_code in (400, 422)


def test_an_oversized_body_is_refused_whether_it_says_its_length_or_not(service: ServiceProcess) -> None:
    with service.client() as client:
        big = b" " * (2 * 1024 * 1024)
        assert client.post("/predict", content=big).status_code == 413
        assert client.post("/predict", content=iter([big[:900_000], big[900_000:]])).status_code == 413
        assert client.post("/predict", json={"data": weather(ROWS)}).status_code == 200


def test_no_column_that_the_default_bundle_does_not_read_is_asked_for(service: ServiceProcess) -> None:
    columns = read_manifest(default_bundle_path()).input.columns
    assert set(COLUMNS) == set(columns)
    assert refused(service, 400, data={"time": weather(ROWS)["time"], "x": [1.0] * ROWS})["missing_columns"] == sorted(
        columns
    )
