"""KServe's time-series API: series without times, on a grid that begins somewhere, one query for each of them.

`routers.timeseries` sends the whole body once for every series in it and joins the answers; `QueryOptions.series` says
which one a query is about. The router never looks into the body: how many series there are, the first answer tells it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
import orjson
from typing_extensions import override

from inference_container.errors import (
    InvalidSeries,
    InvalidTimestamps,
    IrregularGrid,
    MalformedRequest,
    NoData,
    NonNumericColumns,
)
from inference_container.forecasting.arrays import FloatArray
from inference_container.forecasting.codecs.options import MAX_LENGTH, MIN_LENGTH, checked_quantiles
from inference_container.forecasting.codecs.protocol import AnswerContext, Codec, Forecast, ForecastRequest
from inference_container.forecasting.frame import Frame, refuse_too_many, sorted_frame
from inference_container.forecasting.messages import ForecastQuery, HeadedReply, QueryOptions
from inference_container.forecasting.plan import ForecastPlan, InputPlan
from inference_container.forecasting.protocol_names import MAX_SERIES, MULTIVARIATE, SERIES_COUNT, UNIVARIATE
from inference_container.forecasting.timestamps import parse_times
from serving.errors import NotFound

#: Months, quarters and years have no fixed length: no grid of seconds is theirs.
_SECONDS: Mapping[str, int | None] = {
    **{"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800, "month": None, "quarter": None},
    **{"S": 1, "T": 60, "H": 3600, "D": 86_400, "W": 604_800, "M": None, "Q": None, "Y": None, "year": None},
}
#: A number in front is ours: KServe's list has no name for five minutes.
_FREQUENCY = re.compile(r"([1-9][0-9]{0,5})?([A-Za-z]{1,7})")
_NUMBER_TYPES = frozenset({int, float, type(None)})
_NO_OPTIONS = QueryOptions()


class TimeseriesCodec(Codec):
    """Values of a row stand in the order of the model's columns; a model with one column takes bare numbers."""

    @override
    def decode(self, query: ForecastQuery, plan: ForecastPlan) -> ForecastRequest:
        options = query.options or _NO_OPTIONS
        asked = _asked(query.body)
        if options.model not in (None, asked.model):
            raise NotFound("The model that the request names is not served here.")
        return ForecastRequest(_frame(asked.series[options.series], plan.input), asked.horizon, asked.quantiles)

    @override
    def encode(self, query: ForecastQuery, forecast: Forecast, context: AnswerContext) -> HeadedReply:
        options = query.options or _NO_OPTIONS
        asked = _asked(query.body)
        series = asked.series[options.series]
        content: dict[str, object] = {
            "type": UNIVARIATE if len(forecast.targets) == 1 else MULTIVARIATE,
            "name": series.name,
            "mean_forecast": _series(forecast.values),
            "frequency": series.frequency,
            "start_timestamp": f"{forecast.times[0].item().isoformat()}Z",
            "columns": forecast.targets,
        }
        if forecast.quantiles is not None:
            content["quantiles"] = {
                str(level): _series(forecast.quantiles[..., at]) for at, level in enumerate(forecast.levels)
            }
        output = {
            "type": "time_series_forecast",
            "id": f"ts_{query.req_id}",
            "status": "completed",
            "content": [content],
            "error": None,
            "run_id": context.plan.bundle_id,
        }
        return HeadedReply(orjson.dumps(output), ((SERIES_COUNT, str(len(asked.series))),))


TIMESERIES = TimeseriesCodec()


@dataclass(frozen=True, slots=True, eq=False)
class _Series:
    name: str
    multivariate: bool
    values: list[object]
    frequency: str
    start: str | None


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    model: str
    series: list[_Series]
    horizon: int
    quantiles: tuple[float, ...]


# The series of one body mostly meet in one batch, as one object: they are decoded once, and not again for the answer.
@lru_cache(maxsize=1)
def _asked(body: bytes) -> _Asked:
    try:
        fields: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedRequest(f"The request body is not valid JSON: {error.msg}.") from None
    if not isinstance(fields, dict):
        raise MalformedRequest("The request body must be a JSON object.")
    model, inputs, options = fields.get("model"), fields.get("inputs"), fields.get("options")
    if not isinstance(model, str):
        raise MalformedRequest("model must be a string.", field="model")
    if not isinstance(inputs, list):
        raise MalformedRequest("inputs must be an array of time series.", field="inputs")
    if not inputs:
        raise NoData("The request holds no time series.")
    if len(inputs) > MAX_SERIES:
        raise MalformedRequest(f"A request may hold at most {MAX_SERIES} time series.", field="inputs")
    if not isinstance(options, dict):
        raise MalformedRequest("options must be an object with a horizon.", field="options")
    if not isinstance(fields.get("metadata", {}), dict | None):
        raise MalformedRequest("metadata must be an object.", field="metadata")
    series = [_described(described) for described in inputs]
    if len({each.name for each in series}) != len(series):
        raise MalformedRequest("Two time series have the same name.", field="name")
    return _Asked(model, series, _horizon(options.get("horizon")), checked_quantiles(options.get("quantiles")))


def _described(described: object) -> _Series:
    if not isinstance(described, dict):
        raise MalformedRequest("Each of inputs must be an object.", field="inputs")
    kind, name, values = described.get("type"), described.get("name"), described.get("series")
    frequency, start = described.get("frequency"), described.get("start_timestamp")
    if kind not in (UNIVARIATE, MULTIVARIATE):
        raise MalformedRequest(f"type must be {UNIVARIATE} or {MULTIVARIATE}.", field="type")
    if not isinstance(name, str):
        raise MalformedRequest("name must be a string.", field="name")
    if not isinstance(values, list):
        raise MalformedRequest("series must be an array.", field="series")
    if not isinstance(frequency, str):
        raise MalformedRequest("frequency must be a string.", field="frequency")
    if start is not None and not isinstance(start, str):
        raise MalformedRequest("start_timestamp must be ISO-8601 text.", field="start_timestamp")
    refuse_too_many(len(values))
    return _Series(name, kind == MULTIVARIATE, values, frequency, start)


def _horizon(value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not MIN_LENGTH <= value <= MAX_LENGTH:
        raise MalformedRequest(f"horizon must be an integer from {MIN_LENGTH} to {MAX_LENGTH}.", field="horizon")
    return value


def seconds_of(frequency: str) -> int | None:
    """Seconds of KServe's name for a frequency, or of a multiple like `5T`; None: no name, or of no fixed length.

    Long names are taken in any case, letters as they are: `M` is a month, and an `m` might be meant for a minute.
    """
    found = _FREQUENCY.fullmatch(frequency)
    if found is None:
        return None
    count, name = found.groups()
    unit = _SECONDS.get(name if len(name) == 1 else name.lower())
    return None if unit is None else int(count or 1) * unit


def _frame(series: _Series, plan: InputPlan) -> Frame:
    if seconds_of(series.frequency) != plan.freq_seconds:
        raise IrregularGrid(
            f"The model's rows lie {plan.freq_seconds} seconds apart; frequency says something else.",
            freq_seconds=plan.freq_seconds,
        )
    if series.start is None and plan.calendar:
        raise InvalidTimestamps("The model looks at the calendar: start_timestamp must say when the series begins.")
    begin = parse_times([series.start or "1970-01-01"])
    step = np.timedelta64(plan.freq_seconds * 1_000_000, "us")
    return sorted_frame(begin + step * np.arange(len(series.values)), _values(series, plan.columns))


def _values(series: _Series, columns: tuple[str, ...]) -> FloatArray:
    """(rows, columns), NaN for null."""
    rows: list[list[object]] = []
    for row in series.values:
        if isinstance(row, list) != series.multivariate:
            raise MalformedRequest(
                "A univariate series is an array of numbers, a multivariate one an array of arrays.", field="series"
            )
        rows.append(row if isinstance(row, list) else [row])
    if any(len(row) != len(columns) for row in rows):
        raise InvalidSeries(
            f"Each row must hold {len(columns)} values, in this order: {', '.join(columns)}.", columns=list(columns)
        )
    if not _NUMBER_TYPES.issuperset(map(type, chain.from_iterable(rows))):
        raise NonNumericColumns("A series must hold numbers or null.", columns=[series.name])
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(columns))


def _series(values: FloatArray) -> object:
    """Steps of one target as numbers, of several as arrays: the shape that a series of that type has."""
    listed: object = (values[:, 0] if values.shape[1] == 1 else values).tolist()
    return listed
