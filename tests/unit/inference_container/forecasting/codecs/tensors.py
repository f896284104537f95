"""Bodies of the Open Inference Protocol as clients write them."""

import struct
from collections.abc import Mapping, Sequence

import numpy as np
import orjson

from inference_container.forecasting.messages import ForecastQuery, HeadedReply, QueryOptions
from serving.errors import SluiceError
from tests.unit.inference_container.forecasting.samples import BUNDLE_ID, sample_inferencer, sample_plan

PLAN = sample_plan()
INFERENCER = sample_inferencer(PLAN)
OPTIONS = QueryOptions(model="sample", version=BUNDLE_ID)


def json_tensors(data: Mapping[str, Sequence[object]], batched: bool = False) -> list[dict[str, object]]:
    return [
        {
            "name": name,
            "shape": [1, len(values)] if batched else [len(values)],
            "datatype": "BYTES" if isinstance(values[0], str) else "FP64",
            "data": [list(values)] if batched else list(values),
        }
        for name, values in data.items()
    ]


def infer_body(data: Mapping[str, Sequence[object]], batched: bool = False, **fields: object) -> bytes:
    return orjson.dumps({"inputs": json_tensors(data, batched), **fields})


def binary_infer(data: Mapping[str, Sequence[object]], **fields: object) -> ForecastQuery:
    """The same request with its values as bytes behind the JSON."""
    inputs, behind = [], b""
    for tensor in json_tensors(data):
        values = data[str(tensor["name"])]
        raw = (
            b"".join(struct.pack("<I", len(str(text))) + str(text).encode() for text in values)
            if tensor["datatype"] == "BYTES"
            else np.array(values, dtype="<f8").tobytes()
        )
        behind += raw
        inputs.append({k: v for k, v in tensor.items() if k != "data"} | {"parameters": {"binary_data_size": len(raw)}})
    head = orjson.dumps({"inputs": inputs, **fields})
    options = QueryOptions(model="sample", version=BUNDLE_ID, json_bytes=len(head))
    return ForecastQuery("req", head + behind, "oip", options)


def infer(body: bytes, options: QueryOptions = OPTIONS) -> bytes | HeadedReply | SluiceError:
    (reply,) = INFERENCER.answer([ForecastQuery("req", body, "oip", options)]).replies
    return reply


def outputs(reply: object) -> dict[str, list[object]]:
    assert isinstance(reply, bytes), reply
    return {output["name"]: output["data"] for output in orjson.loads(reply)["outputs"]}


def predicted(data: Mapping[str, object], length: int) -> dict[str, list[object]]:
    """What `POST /predict` answers for the same series, column by column."""
    query = ForecastQuery("req", orjson.dumps({"data": data, "inference_length": length}))
    (reply,) = INFERENCER.answer([query]).replies
    assert isinstance(reply, bytes), reply
    rows = orjson.loads(reply)["predictions"]
    return {name: [row[name] for row in rows] for name in rows[0]}
