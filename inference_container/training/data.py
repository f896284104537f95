"""A CSV file to a series on the model's grid, and a report on how regular it is.

`pipeline` reads files with it. Gaps and missing values are reported before anything is trained, because a model fitted
on silently repaired data looks better than it is.
"""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference_container.errors import MissingColumns, NonNumericColumns, TooFewRows
from inference_container.forecasting.arrays import FloatArray, TimeArray
from inference_container.forecasting.frame import Frame, sorted_frame
from inference_container.forecasting.plan import InputPlan
from inference_container.forecasting.timestamps import parse_times
from inference_container.forecasting.windows import on_grid

_ABSENT = frozenset({"", "na", "nan", "null", "none"})


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The rows of a file, as they are."""

    frame: Frame
    #: Of the file's bytes.
    sha256: str


@dataclass(frozen=True, slots=True)
class GridReport:
    """How regular a series is."""

    rows: int
    first: str
    last: str
    freq_seconds: int
    #: Grid points without a row.
    missing_steps: int
    #: The longest run of them.
    longest_gap_steps: int
    #: Rows between two grid points.
    off_grid_rows: int
    #: Column name to missing values, columns without any left out.
    nan: Mapping[str, int]

    def lines(self) -> list[str]:
        """The report as a person reads it."""
        nan = ", ".join(f"{name} {count}" for name, count in self.nan.items()) or "none"
        return [
            f"{self.rows} rows from {self.first} to {self.last}, one every {self.freq_seconds} s",
            f"missing steps: {self.missing_steps}, longest gap: {self.longest_gap_steps}, "
            f"rows off the grid: {self.off_grid_rows}",
            f"missing values: {nan}",
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A file on the grid, filled by the plan's policies; NaN where it could not be."""

    grid: Frame
    #: (rows, columns): whether the value stands in the file rather than being filled in. Only these are scored.
    observed: NDArray[np.bool_]


def read_csv(path: Path, time_column: str, columns: Sequence[str]) -> Table:
    """Read the named columns of a CSV file with a header line.

    Raises:
        MissingColumns: the header lacks one of them.
        InvalidTimestamps: the time column is not ISO-8601, or repeats a time.
        NonNumericColumns: a value is neither a number nor one of the usual marks of a missing one.
        OSError: the file can not be read.
    """
    content = path.read_bytes()
    rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    missing = sorted({time_column, *columns} - set(rows.fieldnames or ()))
    if missing:
        raise MissingColumns(f"{path.name} has no column {', '.join(missing)}.", missing_columns=missing)
    times: list[str] = []
    cells: list[list[float]] = []
    for number, row in enumerate(rows, start=2):
        times.append(row[time_column])
        cells.append([_number(row[name], name, number) for name in columns])
    if not times:
        raise TooFewRows(f"{path.name} holds no rows.", rows=0)
    frame = sorted_frame(parse_times(times), np.array(cells, dtype=np.float64))
    return Table(frame, hashlib.sha256(content).hexdigest())


def common_step(times: TimeArray) -> int:
    """Seconds between rows, as most neighbours have it; at least 1."""
    if len(times) < 2:
        raise TooFewRows("Two rows at least are needed to see how far apart they are.", rows=len(times))
    steps, counts = np.unique(np.diff(times).astype("timedelta64[s]").astype(np.int64), return_counts=True)
    return max(1, int(steps[np.argmax(counts)]))


def grid_report(frame: Frame, columns: Sequence[str], freq_seconds: int) -> GridReport:
    """Gaps and missing values of a series, measured on the grid that ends at its last row."""
    behind = (frame.times[-1] - frame.times).astype(np.int64)
    step = freq_seconds * 1_000_000
    on_it = behind % step == 0
    filled = np.unique(behind[on_it] // step)
    holes = np.diff(filled) - 1
    nan = np.count_nonzero(np.isnan(frame.values), axis=0)
    return GridReport(
        rows=len(frame.times),
        first=frame.times[0].item().isoformat(),
        last=frame.times[-1].item().isoformat(),
        freq_seconds=freq_seconds,
        missing_steps=int(holes.sum()),
        longest_gap_steps=int(holes.max(initial=0)),
        off_grid_rows=int(np.count_nonzero(~on_it)),
        nan={name: int(count) for name, count in zip(columns, nan, strict=True) if count},
    )


def regularise(frame: Frame, plan: InputPlan) -> Series:
    """Put a series on the plan's grid by the plan's policies, and remember what was observed."""
    grid = on_grid(frame, plan)
    at = np.searchsorted(frame.times, grid.times)
    exact = frame.times[at] == grid.times
    known: NDArray[np.bool_] = ~np.isnan(frame.values[at]) & exact[:, np.newaxis]
    return Series(grid, known)


def write_csv(path: Path, time_column: str, times: TimeArray, columns: Mapping[str, FloatArray]) -> None:
    """Write columns with a header and UTC times; NaN becomes an empty cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        # One line ending everywhere: the sha256 of a file is part of a bundle's provenance.
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([time_column, *columns])
        moments = [f"{moment.isoformat()}Z" for moment in times.tolist()]
        for moment, *values in zip(moments, *(column.tolist() for column in columns.values()), strict=True):
            writer.writerow([moment, *("" if value != value else value for value in values)])


def _number(cell: str | None, name: str, line: int) -> float:
    if cell is None or cell.strip().lower() in _ABSENT:
        return float("nan")
    try:
        value = float(cell)
    except ValueError:
        raise NonNumericColumns(f"Line {line}: column {name} does not hold a number.", columns=[name]) from None
    if value in (float("inf"), float("-inf")):
        raise NonNumericColumns(f"Line {line}: column {name} is infinite.", columns=[name])
    return value
