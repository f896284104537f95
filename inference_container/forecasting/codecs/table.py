"""A table in Arrow's memory to a frame. `arrow` and `parquet` read the body, each within its bounds, and come here.

The only columns looked at are the time column and those of the plan. A moment is the same in every unit: seconds,
milliseconds, microseconds, nanoseconds, days or ISO-8601 strings. A zone changes nothing, because Arrow counts in UTC
and keeps the zone for display.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types; what leaves this room is numpy
from numpy.typing import NDArray
from pyarrow import types

from inference_container.errors import InvalidTimestamps, MalformedRequest, MissingColumns, NonNumericColumns
from inference_container.forecasting.arrays import FloatArray, TimeArray
from inference_container.forecasting.codecs.options import checked_length, checked_quantiles
from inference_container.forecasting.codecs.protocol import ForecastRequest
from inference_container.forecasting.codecs.ticks import times_from_ticks
from inference_container.forecasting.frame import refuse_too_many, sorted_frame, time_column_of
from inference_container.forecasting.messages import QueryOptions
from inference_container.forecasting.plan import InputPlan
from inference_container.forecasting.timestamps import parse_times

#: What the columns of one body may take once they are decompressed: 100 000 rows of 80 numbers, and some text.
MAX_TABLE_BYTES = 64 * 1024 * 1024

_DAY_S = 86_400
_DTYPES = {
    **{name: np.dtype(name) for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")},
    "halffloat": np.dtype(np.float16),
    "float": np.dtype(np.float32),
    "double": np.dtype(np.float64),
}
_LONGEST_TIME = 64
_DOUBLE = pa.float64()

T = TypeVar("T")


def readable(read: Callable[[], T], what: str) -> T:
    """What `read` gives; whatever Arrow says of bytes it can not read becomes one error.

    Raises:
        MalformedRequest: `what` could not be read.
    """
    try:
        return read()
    except (pa.ArrowException, OSError, EOFError, ValueError, KeyError):
        # Arrow's own words may quote the bytes, which are the caller's data.
        raise MalformedRequest(f"The request body is not {what} that can be read.") from None


def needed_columns(schema: "pa.Schema", plan: InputPlan, index_column: str | None) -> tuple[str, tuple[str, ...]]:
    """The name of the time column, then the plan's columns. Types are checked here, before a value is read.

    Raises:
        MalformedRequest: a needed name stands there twice.
        InvalidSeries: a needed column is not there, or is of a type that holds no times or numbers.
    """
    names = Counter(schema.names)
    time = time_column_of(names, plan, index_column)
    missing = sorted(set(plan.columns) - names.keys())
    if missing:
        raise MissingColumns(f"Missing required columns: {', '.join(missing)}.", missing_columns=missing)
    twice = sorted(name for name in {time, *plan.columns} if names[name] > 1)
    if twice:
        raise MalformedRequest(f"Columns stand in the table more than once: {', '.join(twice)}.", columns=twice)
    if not _holds_times(schema.field(time).type):
        raise InvalidTimestamps(
            "The time column must hold timestamps, dates or ISO-8601 strings; whether a bare number counts seconds or"
            " milliseconds can not be told from it."
        )
    refused = sorted(name for name in plan.columns if not _holds_numbers(schema.field(name).type))
    if refused:
        raise NonNumericColumns(f"Columns must hold numbers or null: {', '.join(refused)}.", columns=refused)
    return time, plan.columns


def request_from_table(
    table: "pa.Table", time: str, columns: Sequence[str], options: QueryOptions | None
) -> ForecastRequest:
    """A request of the named columns, which `needed_columns` has passed. Bare tables ask for nothing: `options` does.

    Raises:
        MalformedRequest: `options` asks for too much, or a value is not what its type says.
        InvalidSeries: the rows do not make a series.
    """
    asked = options or QueryOptions()
    length, quantiles = checked_length(asked.inference_length), checked_quantiles(asked.quantiles)
    refuse_too_many(table.num_rows)
    # Offsets of text that comes from outside may point anywhere: unchecked, reading it ends the process.
    readable(lambda: table.validate(full=True), "a table")
    times = _times(table.column(time))
    values = readable(lambda: _values([table.column(name) for name in columns], table.num_rows), "a table")
    return ForecastRequest(sorted_frame(times, values), length, quantiles)


def is_text(kind: "pa.DataType") -> bool:
    """Whether the type holds text, packed by a dictionary or not."""
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _holds_times(kind: "pa.DataType") -> bool:
    return bool(types.is_timestamp(kind) or types.is_date(kind)) or is_text(kind)


def _holds_numbers(kind: "pa.DataType") -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind))


def _times(column: "pa.ChunkedArray") -> TimeArray:
    if column.null_count:
        raise InvalidTimestamps("The time column must not hold null.")
    if is_text(column.type):
        return parse_times([text for chunk in column.chunks for text in _texts(chunk)])
    return np.concatenate([np.empty(0, "datetime64[us]"), *map(_moments, column.chunks)])


def _texts(chunk: "pa.Array") -> list[object]:
    if not types.is_dictionary(chunk.type):
        values: list[object] = chunk.to_pylist()
        return values
    # One long entry that many rows name would be written out for each of them by a cast; these are references.
    entries: list[object] = chunk.dictionary.to_pylist()
    if any(isinstance(entry, str) and len(entry) > _LONGEST_TIME for entry in entries):
        raise InvalidTimestamps("The time column holds text that is too long for a time.")
    return [entries[position] for position in chunk.indices.to_pylist()]


def _moments(chunk: "pa.Array") -> TimeArray:
    if types.is_date32(chunk.type):
        return times_from_ticks(_cells(chunk, np.dtype(np.int32)).astype(np.int64) * _DAY_S, "s")
    ticks = _cells(chunk, np.dtype(np.int64)).astype(np.int64)
    return times_from_ticks(ticks, "ms" if types.is_date64(chunk.type) else chunk.type.unit)


def _values(columns: Sequence["pa.ChunkedArray"], rows: int) -> FloatArray:
    """(rows, columns), NaN where a value is null."""
    values = np.empty((rows, len(columns)))
    for at, column in enumerate(columns):
        row = 0
        for chunk in column.chunks:
            rows_here = len(chunk)
            values[row : row + rows_here, at] = _numbers(chunk)
            row += rows_here
    return values


def _numbers(chunk: "pa.Array") -> FloatArray | float:
    kind = chunk.type
    if kind == _DOUBLE and not chunk.null_count:  # as nearly all are: no more is asked of it than it takes to read it
        return _cells(chunk, _DTYPES["double"])
    if types.is_null(kind):
        return np.nan
    if types.is_decimal(kind):
        chunk = chunk.cast(_DOUBLE)
    values: FloatArray = _cells(chunk, _DTYPES[str(chunk.type)]).astype(np.float64)
    if chunk.null_count:
        bits = np.unpackbits(np.frombuffer(chunk.buffers()[0], np.uint8), bitorder="little")
        values[bits[chunk.offset : chunk.offset + len(chunk)] == 0] = np.nan
    return values


def _cells(chunk: "pa.Array", dtype: np.dtype[Any]) -> NDArray[Any]:
    """The memory of a column of fixed width, with whatever stands where a value is null.

    Arrow's own `to_numpy` imports pandas on its first call: a second of a worker's time, and 60 MB for the rest of it.
    """
    memory = chunk.buffers()[1]
    if memory is None or not len(chunk):
        return np.empty(0, dtype)
    return np.frombuffer(memory, dtype, len(chunk), chunk.offset * dtype.itemsize)
