"""Calendar features: where a moment stands in its day, its week and its year, as a sine and a cosine each.

Vectorised over any shape of times; `windows` appends them to the scaled columns and they are never scaled themselves.
Periods are those existing models were trained with: 1440 minutes, 7 days from Monday, 365.25 days counted from 1.
"""

from collections.abc import Sequence
from typing import assert_never

import numpy as np

from inference_container.forecasting.plan import CalendarName, FloatArray, TimeArray


def calendar_features(times: TimeArray, names: Sequence[CalendarName]) -> FloatArray:
    """Sine and cosine per name, in the order of `names`, as a new last axis of length 2 * len(names)."""
    found = np.empty((*times.shape, 2 * len(names)), dtype=np.float64)
    for position, name in enumerate(names):
        angle = 2.0 * np.pi * _turns(times, name)
        found[..., 2 * position] = np.sin(angle)
        found[..., 2 * position + 1] = np.cos(angle)
    return found


def _turns(times: TimeArray, name: CalendarName) -> FloatArray:
    """How far each time is through its period; whole numbers are full turns."""
    turns: FloatArray
    days = times.astype("datetime64[D]")
    match name:
        case "minute_of_day":
            turns = (times - days).astype("timedelta64[m]").astype(np.int64) / 1440.0
        case "day_of_week":
            # Day 0 of the epoch was a Thursday, the fourth day of a week that begins on Monday.
            turns = (days.astype(np.int64) + 3) % 7 / 7.0
        case "day_of_year":
            first = times.astype("datetime64[Y]").astype("datetime64[D]")
            turns = ((days - first).astype(np.int64) + 1) / 365.25
        case _:
            assert_never(name)
    return turns
