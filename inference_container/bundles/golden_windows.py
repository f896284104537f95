"""Which windows become golden ones: cut from a series that somebody has, or made up where there is none.

`training` and `importer` record what these functions return. Windows hold what a client would send: times, raw units.
"""

from collections.abc import Sequence

import numpy as np

from inference_container.bundles.sealed import Cell
from inference_container.errors import TooFewRows
from inference_container.forecasting.arrays import FloatArray, TimeArray
from inference_container.forecasting.frame import Frame, frame_from_columns
from inference_container.forecasting.plan import ForecastPlan
from inference_container.forecasting.windows import MAX_GAP_STEPS, cut_window
from serving.errors import SluiceError

#: How many are taken; a bundle holds two at least.
COUNT, _AT_LEAST = 4, 2

#: Made-up windows begin here, and each later one this much later: another hour, weekday and season every time.
_BEGIN, _APART = np.datetime64("2025-01-06T00:00:00", "us"), np.timedelta64(61 * 86_400 + 5 * 3600 + 37 * 60, "s")


def cut_golden_windows(frame: Frame, plan: ForecastPlan) -> list[dict[str, list[Cell]]]:
    """Windows of a series, from its tail backwards.

    Raises:
        TooFewRows: fewer than two windows can be forecast from.
    """
    reach = (plan.input.input_len - 1 + MAX_GAP_STEPS) * plan.step
    found: list[dict[str, list[Cell]]] = []
    # Spread over the last part of the series, so that they do not all show the same weather.
    stride = max(1, len(frame.times) // (8 * COUNT))
    for end in range(len(frame.times) - 1, -1, -stride):
        start = int(np.searchsorted(frame.times, frame.times[end] - reach))
        rows = slice(start, end + 1)
        data = _as_sent(plan, frame.times[rows], frame.values[rows])
        try:
            cut_window(frame_from_columns(data, plan.input), plan.input)
        except SluiceError:
            continue  # a hole: such a window would be refused in production too
        found.append(data)
        if len(found) == COUNT:
            return found
    if len(found) < _AT_LEAST:
        raise TooFewRows("Fewer than two windows of the file can serve as golden windows.", rows=len(frame.times))
    return found


def made_up_windows(plan: ForecastPlan, ranges: Sequence[tuple[float, float]]) -> list[dict[str, list[Cell]]]:
    """Waves of other lengths in every column and window, the same at every call.

    Args:
        plan: what the windows are for.
        ranges: the lowest and the highest value of each input column, in their order.
    """
    length, columns = plan.input.input_len, len(plan.input.columns)
    low, high = np.array(ranges, dtype=np.float64).T
    rows, positions = np.arange(length)[:, np.newaxis], np.arange(columns)[np.newaxis, :]
    found = []
    for number in range(COUNT):
        waves = np.sin(0.9 * rows + 1.7 * positions + 2.3 * number + 0.13 * rows * positions)
        # Halves before the difference: the range of a column may be as wide as floats go.
        values = (0.5 * low + 0.5 * high) + waves * (0.5 * high - 0.5 * low)
        times = _BEGIN + number * _APART + np.arange(length) * plan.step
        found.append(_as_sent(plan, times, _short(values)))
    return found


def _short(values: FloatArray) -> FloatArray:
    """Six digits are enough to read, and leave out those that differ between machines."""
    return np.array([[float(f"{value:.6g}") for value in row] for row in values.tolist()])


def _as_sent(plan: ForecastPlan, times: TimeArray, values: FloatArray) -> dict[str, list[Cell]]:
    data: dict[str, list[Cell]] = {plan.input.time_columns[0]: [moment.isoformat() for moment in times.tolist()]}
    for position, name in enumerate(plan.input.columns):
        data[name] = [None if value != value else value for value in values[:, position].tolist()]
    return data
