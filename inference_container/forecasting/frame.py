"""A request body to numbers: which columns, in which order, at which times.

Worker processes call it through `inferencer`; the claims door and the tests build frames from columns directly. It
decides what a request may look like. Whether the rows fill the model's window is for `windows` to say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from inference_container.errors import (
    InvalidTimestamps,
    MalformedRequest,
    MissingColumns,
    NoData,
    NonNumericColumns,
    UnequalColumns,
)
from inference_container.forecasting.plan import FloatArray, InputPlan, TimeArray
from inference_container.forecasting.timestamps import EARLIEST, LATEST, parse_times

#: The contract's bounds of `inference_length`, whatever the model can do.
MIN_LENGTH, MAX_LENGTH, DEFAULT_LENGTH = 1, 10_000, 1

_NUMBER_TYPES = frozenset({int, float, type(None)})


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The model's columns over time: each time once, rising."""

    #: (rows,), UTC, `datetime64[us]`.
    times: TimeArray
    #: (rows, columns), raw units, columns in the order of the plan, NaN where a value was null.
    values: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ForecastRequest:
    """A decoded body: the series and how many steps to forecast."""

    frame: Frame
    inference_length: int


def parse_request(body: bytes, plan: InputPlan, inference_length: int | None = None) -> ForecastRequest:
    """Decode a JSON body; an `inference_length` given here (the query parameter) wins over the body's.

    Unknown fields and columns the model does not read are ignored.

    Raises:
        MalformedRequest: not JSON, a field of the wrong type, `inference_length` outside 1..10000.
        InvalidSeries: one of its subclasses, each naming what is wrong with `data`.
    """
    fields = _decode(body)
    in_body = _length(fields.get("inference_length"))
    length = in_body if inference_length is None else _length(inference_length)
    index_column = fields.get("index_col")
    if index_column is not None and not isinstance(index_column, str):
        raise MalformedRequest("index_col must be a string.", field="index_col")
    data = fields.get("data")
    if data is None:
        raise NoData
    if not isinstance(data, dict):
        raise MalformedRequest("data must be an object that maps column names to arrays.", field="data")
    columns: dict[str, list[object]] = {}
    for name, values in data.items():
        if not isinstance(values, list):
            raise MalformedRequest("Every column of data must be an array.", field="data")
        columns[name] = values
    return ForecastRequest(frame_from_columns(columns, plan, index_column), length)


def frame_from_columns(
    columns: Mapping[str, Sequence[object]], plan: InputPlan, index_column: str | None = None
) -> Frame:
    """Pick the time column and the plan's columns, check them, sort the rows by time.

    `index_column` names the time column; without it the first of the plan's names that exists is taken.

    Raises:
        InvalidSeries: one of its subclasses.
    """
    if not columns:
        raise NoData
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise UnequalColumns(f"The columns of data differ in length: from {min(lengths)} to {max(lengths)} rows.")
    time_column = _time_column(columns, plan, index_column)
    missing = sorted(set(plan.columns) - columns.keys())
    if missing:
        raise MissingColumns(f"Missing required columns: {', '.join(missing)}.", missing_columns=missing)
    times = parse_times(columns[time_column])
    return sorted_frame(times, _numbers([columns[name] for name in plan.columns], plan.columns))


def sorted_frame(times: TimeArray, values: FloatArray) -> Frame:
    """A frame of rows in any order.

    Raises:
        InvalidTimestamps: a time stands in two rows (which of them to believe is not ours to choose), or in a year
            that an answer could not express.
    """
    if not len(times):
        return Frame(times, values)
    ticks = times.view(np.int64)
    if not bool((ticks[1:] > ticks[:-1]).all()):
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
        _refuse_repeated(times)
    if times[0] < EARLIEST or times[-1] > LATEST:
        raise InvalidTimestamps("The time column must stay within the years 1 to 9999.")
    return Frame(times, values)


def _refuse_repeated(times: TimeArray) -> None:
    if times[0] == times[-1]:
        raise InvalidTimestamps("All rows carry the same time.")
    repeated = int(np.count_nonzero(times[1:] == times[:-1]))
    if repeated:
        raise InvalidTimestamps(f"{repeated} rows repeat the time of another row.", repeated_rows=repeated)


def _decode(body: bytes) -> dict[str, object]:
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


def _length(value: object) -> int:
    if value is None:
        return DEFAULT_LENGTH
    # JSON has one kind of number: 5.0 is the integer 5. A bool is an int to Python only.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise MalformedRequest("inference_length must be an integer.", field="inference_length")
    if not MIN_LENGTH <= value <= MAX_LENGTH:
        raise MalformedRequest(
            f"inference_length must lie between {MIN_LENGTH} and {MAX_LENGTH}.", field="inference_length"
        )
    return value


def _time_column(columns: Mapping[str, Sequence[object]], plan: InputPlan, index_column: str | None) -> str:
    candidates = plan.time_columns if index_column is None else (index_column,)
    for name in candidates:
        if name in columns:
            return name
    if index_column is not None:
        raise InvalidTimestamps("The column that index_col names is not in data.")
    raise InvalidTimestamps(
        f"There is no time column: expected one of {', '.join(candidates)}.", time_columns=list(candidates)
    )


def _numbers(columns: Sequence[Sequence[object]], names: Sequence[str]) -> FloatArray:
    """(rows, columns) from JSON values."""
    # numpy would turn "7" into 7.0 and true into 1.0 without a word, so the types are looked at first.
    refused = sorted(
        name for name, values in zip(names, columns, strict=True) if not _NUMBER_TYPES.issuperset(map(type, values))
    )
    if refused:
        raise NonNumericColumns(f"Columns must hold numbers or null: {', '.join(refused)}.", columns=refused)
    return np.array(columns, dtype=np.float64).T
