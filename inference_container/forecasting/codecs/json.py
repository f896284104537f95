"""JSON, the format of `POST /predict`: column name to array one way, a row per step back.

`inferencer` uses the codec for what takes the careful road, and `encode_batch` for what `json_batch` took.
Arrow and parquet bodies are answered in the same words.
"""

from collections.abc import Iterable

import orjson
from typing_extensions import override

from inference_container.errors import MalformedRequest, NoData
from inference_container.forecasting.arrays import FloatArray, TimeArray
from inference_container.forecasting.codecs.options import checked_length, checked_quantiles
from inference_container.forecasting.codecs.protocol import AnswerContext, Codec, Forecast, ForecastRequest
from inference_container.forecasting.frame import frame_from_columns
from inference_container.forecasting.messages import ForecastQuery, QueryOptions, StageTimings
from inference_container.forecasting.plan import ForecastPlan

_NO_OPTIONS = QueryOptions()


class JsonCodec(Codec):
    """`{"data": {column: [values]}, "inference_length": 1, "index_col": "ts", "quantiles": [0.1, 0.9]}`.

    Everything but `data` may be left out. Unknown fields, and columns the model does not read, are ignored.
    """

    @override
    def decode(self, query: ForecastQuery, plan: ForecastPlan) -> ForecastRequest:
        fields = _fields(query.body)
        options = query.options or _NO_OPTIONS
        # A wrong field is refused even where the head of the request outvotes it.
        in_body = checked_length(fields.get("inference_length"))
        length = in_body if options.inference_length is None else checked_length(options.inference_length)
        quantiles = checked_quantiles(fields.get("quantiles"))
        if options.quantiles is not None:
            quantiles = checked_quantiles(options.quantiles)
        index_column = fields.get("index_col")
        if index_column is not None and not isinstance(index_column, str):
            raise MalformedRequest("index_col must be a string.", field="index_col")
        frame = frame_from_columns(_columns(fields.get("data")), plan.input, options.index_col or index_column)
        return ForecastRequest(frame, length, quantiles)

    @override
    def encode(self, query: ForecastQuery, forecast: Forecast, context: AnswerContext) -> bytes:
        # datetimes without a zone come out of orjson as naive ISO-8601, which is what the contract promises.
        columns: dict[str, Iterable[object]] = {"ts": forecast.times.tolist()}
        columns.update(zip(forecast.targets, forecast.values.T.tolist(), strict=True))
        if forecast.quantiles is not None:
            columns["quantiles"] = _quantile_cells(forecast)
        rows = zip(*columns.values(), strict=True)
        return encode_answer(query.req_id, [dict(zip(columns, row, strict=True)) for row in rows], context)


JSON = JsonCodec()


def encode_answer(req_id: str, predictions: list[dict[str, object]], context: AnswerContext) -> bytes:
    """The answer's envelope around its rows."""
    return orjson.dumps(
        {
            "status": "SUCCESS",
            "identifier": context.identifier,
            "run_id": context.plan.bundle_id,
            "predictions": predictions,
            "req_id": req_id,
            "cached": False,
        }
    )


def encode_batch(req_ids: Iterable[str], times: TimeArray, values: FloatArray, context: AnswerContext) -> list[bytes]:
    """Answers of the same number of steps and without quantiles, word for word those of `JsonCodec.encode`.

    Args:
        req_ids: one per answer.
        times: (answers, steps).
        values: (answers, steps, targets).
    """
    names = ("ts", *context.plan.output.targets)
    columns = [times.ravel().tolist(), *values.reshape(-1, values.shape[-1]).T.tolist()]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    steps = times.shape[1]
    return [encode_answer(req_id, rows[at * steps : at * steps + steps], context) for at, req_id in enumerate(req_ids)]


def with_timings(answer: bytes, timings: StageTimings) -> bytes:
    """The same answer with `timings_ms` as its last member.

    Added to the finished bytes, because encoding is one of the stages that are timed.
    """
    return answer[:-1] + b',"timings_ms":' + orjson.dumps(timings._asdict()) + b"}"


def _fields(body: bytes) -> dict[str, object]:
    if not body.strip():
        return {}
    try:
        decoded: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedRequest(f"The request body is not valid JSON: {error.msg}.") from None
    if decoded is None:
        return {}
    if not isinstance(decoded, dict):
        raise MalformedRequest("The request body must be a JSON object.")
    return decoded


def _columns(data: object) -> dict[str, list[object]]:
    if data is None:
        raise NoData
    if not isinstance(data, dict):
        raise MalformedRequest("data must be an object that maps column names to arrays.", field="data")
    columns: dict[str, list[object]] = {}
    for name, values in data.items():
        if not isinstance(values, list):
            raise MalformedRequest("Every column of data must be an array.", field="data")
        columns[name] = values
    return columns


def _quantile_cells(forecast: Forecast) -> list[dict[str, dict[str, float]]]:
    """Per step: target to level to value."""
    names = [str(level) for level in forecast.levels]
    table: list[list[list[float]]] = [] if forecast.quantiles is None else forecast.quantiles.tolist()
    return [
        {target: dict(zip(names, values, strict=True)) for target, values in zip(forecast.targets, step, strict=True)}
        for step in table
    ]
