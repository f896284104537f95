"""The Open Inference Protocol, version 2: a tensor per column one way, a tensor per target back.

`routers.oip` serves it. Requests may carry their values in the JSON or as bytes behind it (`binary_data_size`, with the
length of the JSON in a header), and ask for either in the answer. `id` comes back as it was sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import orjson
from typing_extensions import override

from inference_container.errors import MalformedRequest, MissingColumns, NoData, UnequalColumns
from inference_container.forecasting.codecs.oip_tensors import (
    Tensor,
    packed_texts,
    parameters_of,
    read_tensors,
)
from inference_container.forecasting.codecs.options import checked_length, checked_quantiles
from inference_container.forecasting.codecs.protocol import AnswerContext, Codec, Forecast, ForecastRequest
from inference_container.forecasting.frame import sorted_frame, time_column_of
from inference_container.forecasting.messages import ForecastQuery, HeadedReply, QueryOptions
from inference_container.forecasting.plan import ForecastPlan
from inference_container.forecasting.protocol_names import JSON_LENGTH_HEADER, TEXT, TIMES
from serving.errors import NotFound

_NO_OPTIONS = QueryOptions()


class OipCodec(Codec):
    """Tensors beyond the needed ones are ignored, as further columns are everywhere."""

    @override
    def decode(self, query: ForecastQuery, plan: ForecastPlan) -> ForecastRequest:
        options = query.options or _NO_OPTIONS
        if options.version not in (None, plan.bundle_id):
            raise NotFound("That version of the model is not served any more.")
        asked = _asked(query)
        if not asked.tensors:
            raise NoData("The request holds no data: send a tensor for the times and one for each column.")
        time, columns = _needed(asked.tensors, plan, asked.index_column)
        _refuse_unknown_outputs(asked, plan)
        lengths = {tensor.rows for tensor in (time, *columns)}
        if len(lengths) > 1:
            raise UnequalColumns(f"The tensors differ in length: from {min(lengths)} to {max(lengths)} rows.")
        times = time.times(asked.parameters.get("unit"))
        values = np.stack([tensor.numbers() for tensor in columns], axis=-1)
        return ForecastRequest(sorted_frame(times, values), asked.length, asked.quantiles)

    @override
    def encode(self, query: ForecastQuery, forecast: Forecast, context: AnswerContext) -> bytes | HeadedReply:
        options = query.options or _NO_OPTIONS
        asked = _asked(query)
        columns = _columns(forecast)
        time = next(
            (t for t in asked.tensors if t.name in (asked.index_column, *context.plan.input.time_columns)), None
        )
        shape = [1, len(forecast.times)] if time is not None and time.batched else [len(forecast.times)]
        outputs: list[dict[str, object]] = []
        behind: list[bytes] = []
        for name, binary in (asked.outputs or dict.fromkeys(columns, asked.binary)).items():
            values = columns[name]
            described: dict[str, object] = {"name": name, "datatype": TEXT if name == TIMES else "FP64", "shape": shape}
            if binary:
                packed = _packed(values)
                behind.append(packed)
                described["parameters"] = {"binary_data_size": len(packed)}
            else:
                described["data"] = values
            outputs.append(described)
        head = orjson.dumps(
            {
                "model_name": options.model or context.identifier,
                "model_version": context.plan.bundle_id,
                **({} if asked.id is None else {"id": asked.id}),
                "outputs": outputs,
            }
        )
        if not behind:
            return head
        headers = (("Content-Type", "application/octet-stream"), (JSON_LENGTH_HEADER, str(len(head))))
        return HeadedReply(b"".join((head, *behind)), headers)


OIP = OipCodec()


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A request as far as the protocol goes; what the tensors mean is not known yet."""

    id: str | None
    tensors: list[Tensor]
    parameters: Mapping[str, object]
    index_column: str | None
    length: int
    quantiles: tuple[float, ...]
    #: Name to whether its values are wanted as bytes, in the order of the answer; empty: all outputs.
    outputs: Mapping[str, bool]
    #: Whether outputs that say nothing of it are wanted as bytes.
    binary: bool


def _asked(query: ForecastQuery) -> _Asked:
    options = query.options or _NO_OPTIONS
    length = len(query.body) if options.json_bytes is None else options.json_bytes
    if not 0 <= length <= len(query.body):
        raise MalformedRequest(f"{JSON_LENGTH_HEADER} says more bytes than the body has.")
    fields = _fields(query.body[:length])
    identity = fields.get("id")
    if identity is not None and not isinstance(identity, str):
        raise MalformedRequest("id must be a string.", field="id")
    parameters = parameters_of(fields)
    index_column = parameters.get("index_col")
    if index_column is not None and not isinstance(index_column, str):
        raise MalformedRequest("index_col must be a string.", field="index_col")
    binary = parameters.get("binary_data_output", False)
    if not isinstance(binary, bool):
        raise MalformedRequest("binary_data_output must be true or false.", field="binary_data_output")
    return _Asked(
        identity,
        read_tensors(fields.get("inputs"), memoryview(query.body)[length:]),
        parameters,
        index_column,
        checked_length(parameters.get("inference_length")),
        checked_quantiles(_levels(parameters.get("quantiles"))),
        _outputs(fields.get("outputs"), binary),
        binary,
    )


def _fields(body: bytes) -> dict[str, object]:
    try:
        decoded: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedRequest(f"The request body is not valid JSON: {error.msg}.") from None
    if not isinstance(decoded, dict):
        raise MalformedRequest("The request body must be a JSON object.")
    return decoded


def _levels(value: object) -> object:
    """Quantile levels: a list, or text with commas for clients whose parameters must be plain values."""
    if not isinstance(value, str):
        return value
    try:
        return [float(level) for level in value.split(",")]
    except ValueError:
        raise MalformedRequest("quantiles must be numbers with commas between them.", field="quantiles") from None


def _outputs(wanted: object, binary: bool) -> Mapping[str, bool]:
    if wanted is None:
        return {}
    if not isinstance(wanted, list):
        raise MalformedRequest("outputs must be an array.", field="outputs")
    found: dict[str, bool] = {}
    for described in wanted:
        name = described.get("name") if isinstance(described, dict) else None
        if not isinstance(name, str):
            raise MalformedRequest("Each of outputs must have a name.", field="outputs")
        parameters = parameters_of(described)
        if any(key == "classification" or key.startswith("shared_memory") for key in parameters):
            raise MalformedRequest("Classification and shared memory are not offered.", field="outputs")
        found[name] = bool(parameters.get("binary_data", binary))
    return found


def _needed(tensors: list[Tensor], plan: ForecastPlan, index_column: str | None) -> tuple[Tensor, list[Tensor]]:
    named = {tensor.name: tensor for tensor in tensors}
    # The model's metadata says `ts`, whatever the bundle calls its times.
    time = named[TIMES if index_column is None and TIMES in named else time_column_of(named, plan.input, index_column)]
    missing = sorted(set(plan.input.columns) - named.keys())
    if missing:
        raise MissingColumns(f"Missing required tensors: {', '.join(missing)}.", missing_columns=missing)
    return time, [named[name] for name in plan.input.columns]


def _refuse_unknown_outputs(asked: _Asked, plan: ForecastPlan) -> None:
    """Before the forecast: an answer that can not be given is not worth computing."""
    targets = plan.output.targets
    given = (TIMES, *targets, *(_quantile_name(target, level) for target in targets for level in asked.quantiles))
    if not asked.outputs.keys() <= set(given):
        raise MalformedRequest(f"The outputs of this request are: {', '.join(given)}.", field="outputs")


def _quantile_name(target: str, level: float) -> str:
    return f"{target}@{level}"


def _columns(forecast: Forecast) -> dict[str, list[object]]:
    """Output name to values: the times, the targets, then each level of each target."""
    columns: dict[str, list[object]] = {TIMES: [moment.isoformat() for moment in forecast.times.tolist()]}
    for at, target in enumerate(forecast.targets):
        columns[target] = forecast.values[:, at].tolist()
    if forecast.quantiles is not None:
        for at, target in enumerate(forecast.targets):
            for number, level in enumerate(forecast.levels):
                columns[_quantile_name(target, level)] = forecast.quantiles[:, at, number].tolist()
    return columns


def _packed(values: list[object]) -> bytes:
    texts = [value for value in values if isinstance(value, str)]
    return packed_texts(texts) if texts else np.array(values, dtype="<f8").tobytes()
