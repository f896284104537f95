import struct
from datetime import datetime

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
    QuantilesUnavailable,
    TooManyRows,
    UnequalColumns,
)
from inference_container.forecasting.messages import ForecastQuery, HeadedReply, QueryOptions
from inference_container.forecasting.protocol_names import JSON_LENGTH_HEADER
from serving.errors import NotFound, SluiceError
from tests.unit.inference_container.forecasting.codecs.tensors import (
    INFERENCER,
    OPTIONS,
    binary_infer,
    infer,
    infer_body,
    json_tensors,
    outputs,
    predicted,
)
from tests.unit.inference_container.forecasting.samples import BUNDLE_ID, sample_data

DATA = sample_data(8)


@given(st.integers(6, 12), st.integers(0, 99), st.integers(1, 3), st.booleans())
def test_tensors_always_get_the_numbers_that_predict_gives(rows: int, seed: int, length: int, batched: bool) -> None:
    data = sample_data(rows, seed=seed)
    parameters = {"inference_length": length}
    in_json = outputs(infer(infer_body(data, batched, parameters=parameters)))
    (in_bytes,) = INFERENCER.answer([binary_infer(data, parameters=parameters)]).replies
    assert in_json == outputs(in_bytes) == predicted(data, length)


def test_an_answer_names_its_model_its_version_and_the_callers_id() -> None:
    reply = infer(infer_body(DATA, id="caller-7"))
    assert isinstance(reply, bytes)
    answer = orjson.loads(reply)
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("sample", BUNDLE_ID, "caller-7")
    assert [(o["name"], o["datatype"], o["shape"]) for o in answer["outputs"]] == [
        ("ts", "BYTES", [1]),
        ("load", "FP64", [1]),
    ]
    without = infer(infer_body(DATA, batched=True))
    assert isinstance(without, bytes)
    assert "id" not in orjson.loads(without)
    assert orjson.loads(without)["outputs"][1]["shape"] == [1, 1]


def test_outputs_come_as_bytes_in_their_order_where_that_is_asked_for() -> None:
    wanted = [{"name": "load", "parameters": {"binary_data": True}}, {"name": "ts"}]
    expected = predicted(DATA, 2)
    for fields in (
        {"outputs": wanted, "parameters": {"inference_length": 2}},
        {"parameters": {"inference_length": 2, "binary_data_output": True}},
    ):
        reply = infer(infer_body(DATA, **fields))
        assert isinstance(reply, HeadedReply)
        headers = dict(reply.headers)
        length = int(headers[JSON_LENGTH_HEADER])
        head, behind = orjson.loads(reply.body[:length]), reply.body[length:]
        for output in head["outputs"]:
            size = output.get("parameters", {}).get("binary_data_size", 0)
            part, behind = behind[:size], behind[size:]
            if output["name"] == "load":
                assert np.frombuffer(part, "<f8").tolist() == expected["load"]
            elif size:
                (first,) = struct.unpack_from("<I", part)
                assert part[4 : 4 + first].decode() == expected["ts"][0]
            else:
                assert output["data"] == expected["ts"]
        assert behind == b""


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
@pytest.mark.parametrize("on", ["tensor", "request"])
def test_counted_times_are_read_with_their_unit_and_refused_without(unit: str, factor: int, on: str) -> None:
    seconds = [int(datetime.fromisoformat(f"{text}+00:00").timestamp()) for text in map(str, DATA["ts"])]
    tensors = json_tensors(DATA)
    tensors[0] |= {"datatype": "INT64", "data": [second * factor for second in seconds]}
    with_unit: dict[str, object] = {"parameters": {"unit": unit}}
    named = orjson.dumps(
        {"inputs": [tensors[0] | with_unit, *tensors[1:]]} if on == "tensor" else {"inputs": tensors, **with_unit}
    )
    assert outputs(infer(named)) == predicted(DATA, 1)
    assert isinstance(infer(orjson.dumps({"inputs": tensors})), InvalidTimestamps)


@pytest.mark.parametrize("datatype", ["FP32", "INT32", "INT64", "UINT8"])
def test_narrow_numbers_mean_what_they_say(datatype: str) -> None:
    data = DATA | {"heat": list(range(8)), "load": list(range(8))}
    tensors = [tensor | ({"datatype": datatype} if tensor["name"] != "ts" else {}) for tensor in json_tensors(data)]
    assert outputs(infer(orjson.dumps({"inputs": tensors}))) == predicted(data, 1)


def changed(**change: object) -> bytes:
    tensors = json_tensors(DATA)
    tensors[1] |= change
    return orjson.dumps({"inputs": tensors})


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", MalformedRequest),
        (b"[]", MalformedRequest),
        (b'{"inputs": 3}', MalformedRequest),
        (b'{"inputs": []}', NoData),
        (infer_body({"ts": DATA["ts"]}), MissingColumns),
        (infer_body({"load": DATA["load"], "heat": DATA["heat"]}), InvalidTimestamps),
        (infer_body(DATA, id=7), MalformedRequest),
        (infer_body(DATA, parameters=[]), MalformedRequest),
        (infer_body(DATA, parameters={"inference_length": 0}), MalformedRequest),
        (infer_body(DATA, parameters={"inference_length": True}), MalformedRequest),
        (infer_body(DATA, parameters={"quantiles": "0.1,much"}), MalformedRequest),
        (infer_body(DATA, parameters={"quantiles": [0.5]}), QuantilesUnavailable),
        (infer_body(DATA, parameters={"quantiles": "0.5"}), QuantilesUnavailable),
        (infer_body(DATA, outputs=[{"name": "secret"}]), MalformedRequest),
        (infer_body(DATA, outputs=["ts"]), MalformedRequest),
        (changed(data=[1.0] * 7), MalformedRequest),
        (changed(shape=[2, 4]), MalformedRequest),
        (changed(shape=[-1]), MalformedRequest),
        (changed(shape=[10**9]), TooManyRows),
        (changed(shape=[3], data=[1.0, 2.0, 3.0]), UnequalColumns),
        (changed(datatype="BYTES", data=["1"] * 8), NonNumericColumns),
        (changed(datatype="BOOL", data=[True] * 8), NonNumericColumns),
        (changed(data=[True] * 8), NonNumericColumns),
        (changed(datatype="COMPLEX"), MalformedRequest),
        (changed(data=None), MalformedRequest),
        (changed(name="ts"), MalformedRequest),
        (changed(parameters={"shared_memory_region": "r"}), MalformedRequest),
        (changed(parameters={"binary_data_size": 64}), MalformedRequest),
    ],
    ids=lambda value: value.decode()[:50] if isinstance(value, bytes) else value.__name__,
)
def test_what_is_wrong_with_a_request_is_told_by_class(body: bytes, error: type[SluiceError]) -> None:
    assert type(infer(body)) is error


def test_another_version_than_the_one_held_is_not_found() -> None:
    assert isinstance(infer(infer_body(DATA), QueryOptions(model="sample", version="c" * 64)), NotFound)


def test_null_is_a_missing_value_and_further_tensors_are_ignored() -> None:
    data = sample_data(8)
    data["heat"][0] = None
    assert outputs(infer(infer_body(data | {"note": ["x"]}))) == predicted(data, 1)


@given(st.data())
def test_broken_bytes_never_do_more_than_fail_typed(data: st.DataObject) -> None:
    query = binary_infer(DATA)
    whole = bytearray(query.body)
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    size = data.draw(st.integers(0, len(whole) + 5))
    body = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    options = QueryOptions(model=OPTIONS.model, json_bytes=data.draw(st.sampled_from([size, None])))
    (reply,) = INFERENCER.answer([ForecastQuery("req", body, "oip", options)]).replies
    assert not isinstance(reply, SluiceError) or reply.code != "work_failed"
