"""Columns to numbers: which of them, in which order, at which times.

Codecs call it with the columns they found in a body; the golden check and the tests build frames from columns directly.
It decides what a series may look like. Whether the rows fill the model's window is for `windows` to say.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from inference_container.errors import (
    InvalidTimestamps,
    MissingColumns,
    NoData,
    NonNumericColumns,
    TooManyRows,
    UnequalColumns,
)
from inference_container.forecasting.arrays import FloatArray, TimeArray
from inference_container.forecasting.plan import InputPlan
from inference_container.forecasting.timestamps import EARLIEST, LATEST, parse_times

#: Most rows of one request. Ten years of hours fit; what a worker holds while it decodes one body stays bounded.
MAX_ROWS = 100_000

_NUMBER_TYPES = frozenset({int, float, type(None)})


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The model's columns over time: each time once, rising."""

    #: (rows,), UTC, `datetime64[us]`.
    times: TimeArray
    #: (rows, columns), raw units, columns in the order of the plan, NaN where a value was null.
    values: FloatArray


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
    refuse_too_many(max(lengths))
    time_column = time_column_of(columns, plan, index_column)
    missing = sorted(set(plan.columns) - columns.keys())
    if missing:
        raise MissingColumns(f"Missing required columns: {', '.join(missing)}.", missing_columns=missing)
    times = parse_times(columns[time_column])
    return sorted_frame(times, _numbers([columns[name] for name in plan.columns], plan.columns))


def refuse_too_many(rows: int) -> None:
    """Bound the rows of a request; codecs that know the number before they decode a value call it first.

    Raises:
        TooManyRows: more than `MAX_ROWS`.
    """
    if rows > MAX_ROWS:
        raise TooManyRows(
            f"A request holds at most {MAX_ROWS} rows; this one has {rows}.", max_rows=MAX_ROWS, rows=rows
        )


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


def time_column_of(columns: Container[str], plan: InputPlan, index_column: str | None) -> str:
    """The name of the time column among `columns`, which need be nothing but names.

    Raises:
        InvalidTimestamps: there is none.
    """
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
