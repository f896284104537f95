"""The window the model reads: the last rows of a series on the model's own time grid, then features of a batch.

`inferencer` cuts one window per query; `training` puts a whole file on the grid with the same arithmetic. The grid ends
at the last row, so that the first forecast is exactly one step after it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference_container.errors import IrregularGrid, MissingValues, TooFewRows
from inference_container.forecasting.arrays import Float32Array, FloatArray, TimeArray
from inference_container.forecasting.calendar import calendar_features
from inference_container.forecasting.frame import Frame
from inference_container.forecasting.plan import InputPlan
from inference_container.forecasting.scaling import Scaler

#: Longest bridge, in steps of the grid: interpolation joins rows at most this far apart, and a forward fill carries a
#: value at most this far. Six steps bridge five missing rows; beyond that a line says more about us than the weather.
MAX_GAP_STEPS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """What one forecast starts from."""

    #: Time of the last row.
    last: np.datetime64
    #: (input_len, columns), raw units, finite.
    values: FloatArray


def cut_window(frame: Frame, plan: InputPlan) -> Window:
    """The last `input_len` steps of a series, under the plan's gap and NaN policies.

    Raises:
        TooFewRows: the series does not reach back far enough.
        IrregularGrid: rows off the grid under `reject`, or a gap of more than `MAX_GAP_STEPS` under `resample`.
        MissingValues: a value is null inside the window and may not, or can not, be filled.
    """
    length, step = plan.input_len, _step(plan)
    covered = _steps_covered(frame.times, plan)
    if covered < length:
        raise TooFewRows(
            f"The model reads {length} rows, {plan.freq_seconds} seconds apart; the series holds {covered}.",
            min_rows=length,
            rows=covered,
        )
    last = frame.times[-1]
    grid = last - step * np.arange(length - 1, -1, -1)
    values = forward_fill(frame, step) if plan.nan_policy == "ffill" else frame.values
    if len(frame.times) >= length and np.array_equal(frame.times[-length:], grid):
        window = values[-length:]
    elif plan.gap_policy == "reject":
        raise IrregularGrid(
            f"The last {length} rows must lie exactly {plan.freq_seconds} seconds apart.",
            freq_seconds=plan.freq_seconds,
        )
    else:
        window, bridges = _interpolate(frame.times, values, grid)
        longest = int(bridges.max() / step)
        if bridges.max() > MAX_GAP_STEPS * step:
            raise IrregularGrid(
                f"The window has a gap of {longest} steps; at most {MAX_GAP_STEPS} are bridged.",
                gap_steps=longest,
                max_gap_steps=MAX_GAP_STEPS,
            )
    absent = np.isnan(window)
    if bool(absent.any()):
        names = sorted(name for at, name in enumerate(plan.columns) if bool(absent[:, at].any()))
        raise MissingValues(f"Values are missing inside the window: {', '.join(names)}.", columns=names)
    return Window(last, window)


def on_grid(frame: Frame, plan: InputPlan) -> Frame:
    """A whole series on the grid that ends at its last row; NaN where a gap is too long to bridge.

    For training, where a hole costs the windows that touch it and not the file.
    """
    step = _step(plan)
    length = int((frame.times[-1] - frame.times[0]) / step) + 1
    grid = frame.times[-1] - step * np.arange(length - 1, -1, -1)
    filled = forward_fill(frame, step) if plan.nan_policy == "ffill" else frame.values
    values, bridges = _interpolate(frame.times, filled, grid)
    allowed = MAX_GAP_STEPS if plan.gap_policy == "resample" else 0
    return Frame(grid, np.where((bridges > allowed * step)[:, np.newaxis], np.nan, values))


def forward_fill(frame: Frame, step: np.timedelta64) -> FloatArray:
    """Values with each null replaced by the last one before it, if that is at most `MAX_GAP_STEPS` steps old."""
    known = ~np.isnan(frame.values)
    if bool(known.all()):
        return frame.values
    rows = np.arange(len(frame.times))[:, np.newaxis]
    # The row each value comes from; 0 where there is none yet, which is NaN itself and stays so.
    source = np.maximum.accumulate(np.where(known, rows, 0), axis=0)
    filled = np.take_along_axis(frame.values, source, axis=0)
    age = frame.times[:, np.newaxis] - frame.times[source]
    filled[age > MAX_GAP_STEPS * step] = np.nan
    return filled


def features(values: FloatArray, times: TimeArray, plan: InputPlan, scaler: Scaler) -> Float32Array:
    """What the network reads, (batch, rows, features): scaled columns first, then the calendar.

    Args:
        values: (batch, rows, columns), raw units.
        times: (batch, rows).
    """
    columns = len(plan.columns)
    found = np.empty((*times.shape, plan.features), dtype=np.float32)
    # A value beyond float32 becomes infinite here and is refused by the caller; numpy need not warn as well.
    with np.errstate(over="ignore"):
        found[..., :columns] = scaler.apply(values)
    if plan.calendar:
        found[..., columns:] = calendar_features(times, plan.calendar)
    return found


def _step(plan: InputPlan) -> np.timedelta64:
    return np.timedelta64(plan.freq_seconds * 1_000_000, "us")


def _steps_covered(times: TimeArray, plan: InputPlan) -> int:
    """Rows under `reject`; under `resample` the grid points between the first row and the last."""
    if plan.gap_policy == "reject" or not len(times):
        return len(times)
    return int((times[-1] - times[0]) // _step(plan)) + 1


def _interpolate(times: TimeArray, values: FloatArray, grid: TimeArray) -> tuple[FloatArray, NDArray[np.timedelta64]]:
    """Values on `grid`, linear between neighbouring rows, and how far apart those rows are (0 on a row itself).

    The grid must lie within the times.
    """
    right = np.searchsorted(times, grid)
    # A grid point on a row is that row on both sides: no neighbour's NaN reaches it.
    left = np.where(times[right] == grid, right, right - 1)
    bridges = times[right] - times[left]
    nothing = np.timedelta64(0, "us")
    share = (grid - times[left]) / np.where(bridges > nothing, bridges, np.timedelta64(1, "us"))
    weight = share[:, np.newaxis]
    return values[left] * (1.0 - weight) + values[right] * weight, bridges
