"""The other doors to the same forecast, each with a client that others wrote."""

import io
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pytest
from tritonclient import http as triton  # type: ignore[import-untyped]  # ships no types
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # ships no types

from inference_container.bundles.loader import read_manifest
from inference_container.defaults import default_bundle_path
from tests.fakes.weather import COLUMNS, weather
from tests.integration.processes import ServiceProcess

ROWS = 120
DATA = weather(ROWS)
MANIFEST = read_manifest(default_bundle_path())


@pytest.fixture(scope="module")
def expected(service: ServiceProcess) -> list[dict[str, Any]]:
    """What `/predict` says of the same rows."""
    with service.client() as client:
        answer = client.post("/predict", json={"data": DATA, "inference_length": 3, "quantiles": [0.1, 0.9]})
    assert answer.status_code == 200, answer.text
    predictions: list[dict[str, Any]] = answer.json()["predictions"]
    return predictions


@pytest.fixture
def client(service: ServiceProcess) -> Iterator[Any]:
    with triton.InferenceServerClient(service.url.removeprefix("http://")) as client:
        yield client


def frame() -> pd.DataFrame:
    """The rows as an analyst holds them: times as the index, with a zone."""
    table = pd.DataFrame({name: DATA[name] for name in COLUMNS})
    table.index = pd.DatetimeIndex([datetime.fromisoformat(str(text)) for text in DATA["time"]], name="time")
    return table


def as_parquet(table: pd.DataFrame) -> bytes:
    sink = io.BytesIO()
    table.to_parquet(sink)
    return sink.getvalue()


def as_arrow(table: pd.DataFrame, feather: bool) -> bytes:
    sink = pa.BufferOutputStream()
    if feather:
        table.reset_index().to_feather(sink)
    else:
        whole = pa.Table.from_pandas(table)
        with pa.ipc.new_stream(sink, whole.schema) as writer:
            writer.write_table(whole)
    written: bytes = sink.getvalue().to_pybytes()
    return written


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("how", ["parquet", "stream", "file"])
def test_a_data_frame_is_forecast_as_it_is_whatever_unit_its_index_counts_in(
    service: ServiceProcess, expected: list[dict[str, Any]], how: str, unit: str
) -> None:
    table = frame()
    table.index = pd.DatetimeIndex(table.index).as_unit(unit)  # type: ignore[arg-type]
    body = as_parquet(table) if how == "parquet" else as_arrow(table, how == "file")
    media_type = "application/vnd.apache.parquet" if how == "parquet" else f"application/vnd.apache.arrow.{how}"
    with service.client() as client:
        answer = client.post(
            "/predict?inference_length=3&quantiles=0.1,0.9", content=body, headers={"Content-Type": media_type}
        )
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == expected


def test_a_broken_table_is_a_422_and_the_next_good_one_is_served(service: ServiceProcess) -> None:
    headers = {"Content-Type": "application/x-parquet"}
    body = as_parquet(frame())
    with service.client() as client:
        assert client.post("/predict", content=body[:-30], headers=headers).status_code == 422
        assert client.post("/predict", content=b"PAR1" * 100, headers=headers).status_code == 422
        assert client.post("/predict", content=body, headers=headers).status_code == 200
        assert client.post("/predict", content=body, headers={"Content-Type": "text/csv"}).status_code == 415


def test_a_triton_client_finds_the_server_and_the_model(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MANIFEST.name)
    assert not client.is_model_ready("another")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    metadata = client.get_model_metadata(MANIFEST.name)
    assert [tensor["name"] for tensor in metadata["inputs"]] == ["ts", *MANIFEST.input.columns]
    assert [tensor["name"] for tensor in metadata["outputs"]] == ["ts", *MANIFEST.output.targets]
    assert client.is_model_ready(MANIFEST.name, metadata["versions"][0])
    with pytest.raises(InferenceServerException, match="not_found"):
        client.get_model_metadata(MANIFEST.name, "1")


def tensors(binary: bool, batched: bool, counted: bool) -> list[Any]:
    texts = [str(text) for text in DATA["time"]]
    seconds = [int(datetime.fromisoformat(text).timestamp()) for text in texts]
    times = np.array(seconds, dtype=np.int64) if counted else np.array(texts, dtype=np.object_)
    columns: dict[str, Any] = {"ts": times}
    columns |= {name: np.array(DATA[name], dtype=np.float64) for name in COLUMNS}
    made = []
    for name, values in columns.items():
        values = values[np.newaxis] if batched else values
        datatype = "FP64" if name != "ts" else "INT64" if counted else "BYTES"
        tensor = triton.InferInput(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        made.append(tensor)
    return made


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize("batched", [True, False], ids=["batched", "flat"])
@pytest.mark.parametrize("counted", [True, False], ids=["epoch", "text"])
def test_a_triton_client_gets_the_numbers_of_predict(
    client: Any, expected: list[dict[str, Any]], binary: bool, batched: bool, counted: bool
) -> None:
    target = MANIFEST.output.targets[0]
    names = ["ts", target, f"{target}@0.1", f"{target}@0.9"]
    parameters: dict[str, object] = {"inference_length": 3, "quantiles": "0.1,0.9"}
    result = client.infer(
        MANIFEST.name,
        tensors(binary, batched, counted),
        model_version=client.get_model_metadata(MANIFEST.name)["versions"][0],
        outputs=[triton.InferRequestedOutput(name, binary_data=binary) for name in names],
        request_id="mine",
        parameters=parameters | ({"unit": "s"} if counted else {}),
    )
    answer = result.get_response()
    assert (answer["id"], answer["model_name"]) == ("mine", MANIFEST.name)
    got = {name: result.as_numpy(name) for name in names}
    assert all(values.shape == ((1, 3) if batched else (3,)) for values in got.values())
    assert [text.decode() if binary else text for text in got["ts"].ravel()] == [row["ts"] for row in expected]
    assert got[target].ravel().tolist() == [row[target] for row in expected]
    for level in ("0.1", "0.9"):
        bands = [row["quantiles"][target][level] for row in expected]
        assert got[f"{target}@{level}"].ravel().tolist() == bands


def test_a_triton_client_without_wishes_gets_all_outputs_as_bytes(client: Any, expected: list[dict[str, Any]]) -> None:
    result = client.infer(MANIFEST.name, tensors(binary=True, batched=False, counted=False))
    target = MANIFEST.output.targets[0]
    assert result.as_numpy(target).tolist() == [expected[0][target]]
    assert result.get_output(target)["parameters"] == {"binary_data_size": 8}


def test_a_triton_client_reads_why_it_is_refused(client: Any) -> None:
    with pytest.raises(InferenceServerException, match="not_found") as refusal:
        client.infer("another", tensors(binary=True, batched=False, counted=False))
    assert refusal.value.status() == "404"
    with pytest.raises(InferenceServerException, match="not_found"):
        client.infer(MANIFEST.name, tensors(binary=True, batched=False, counted=False), model_version="1")
    with pytest.raises(InferenceServerException, match="missing_columns") as refusal:
        client.infer(MANIFEST.name, tensors(binary=True, batched=False, counted=False)[:2])
    assert refusal.value.status() == "400"
    with pytest.raises(InferenceServerException, match="invalid_timestamps"):
        client.infer(MANIFEST.name, tensors(binary=True, batched=False, counted=True))


def test_series_without_times_get_the_numbers_of_predict(
    service: ServiceProcess, expected: list[dict[str, Any]]
) -> None:
    columns = [DATA[name] for name in MANIFEST.input.columns]
    series = {
        "type": "multivariate_time_series",
        "name": "here",
        "series": [list(row) for row in zip(*columns, strict=True)],
        "frequency": "H",
        "start_timestamp": DATA["time"][0],
    }
    later = weather(ROWS, before_end=24)
    there = series | {
        "name": "there",
        "series": [list(row) for row in zip(*(later[name] for name in MANIFEST.input.columns), strict=True)],
        "start_timestamp": later["time"][0],
    }
    body: dict[str, Any] = {
        "model": MANIFEST.name,
        "inputs": [series, there],
        "options": {"horizon": 3, "quantiles": [0.1, 0.9]},
        "metadata": {"request_id": "mine"},
    }
    with service.client() as client:
        answer = client.post("/v1/timeseries/forecast", json=body)
        other = client.post("/predict", json={"data": later, "inference_length": 3}).json()["predictions"]
        wrong = client.post("/v1/timeseries/forecast", json=body | {"model": "another"})
    assert answer.status_code == 200, answer.text
    (first,), (second,) = (output["content"] for output in answer.json()["outputs"])
    target = MANIFEST.output.targets[0]
    assert first["start_timestamp"] == f"{expected[0]['ts']}Z"
    assert first["mean_forecast"] == [row[target] for row in expected]
    assert first["quantiles"]["0.9"] == [row["quantiles"][target]["0.9"] for row in expected]
    assert second["mean_forecast"] == [row[target] for row in other]
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (404, "not_found")
