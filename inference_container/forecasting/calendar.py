"""Calendar features: where a moment stands in its day, its week and its year, as a sine and a cosine each.

Vectorised over any shape of times; `windows` appends them to the scaled columns and they are never scaled themselves.
Periods are those existing models were trained with: 1440 minutes, 7 days from Monday, 365.25 days counted from 1.
"""

from collections.abc import Sequence
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from inference_container.forecasting.arrays import FloatArray, TimeArray
from inference_container.forecasting.plan import CalendarName

_MICROSECONDS_PER_MINUTE = 60_000_000
_MINUTES_PER_DAY = 1440


def calendar_features(times: TimeArray, names: Sequence[CalendarName]) -> FloatArray:
    """Sine and cosine per name, in the order of `names`, as a new last axis of length 2 * len(names)."""
    found = np.empty((*times.shape, len(names)), dtype=np.complex128)
    # Integers from here on: on a small batch every cast between units of datetime64 costs more than the arithmetic.
    minutes = times.astype("datetime64[us]", copy=False).view(np.int64) // _MICROSECONDS_PER_MINUTE
    days = minutes // _MINUTES_PER_DAY
    for position, name in enumerate(names):
        found[..., position] = _TURNS[name][_place(minutes, days, name)]
    # A complex number is two floats side by side, and one look-up instead of two.
    return found.view(np.float64)


def _place(minutes: NDArray[np.int64], days: NDArray[np.int64], name: CalendarName) -> NDArray[np.int64]:
    """The row of the name's table, for times in whole minutes and whole days since 1970, both rounded down."""
    place: NDArray[np.int64]
    match name:
        case "minute_of_day":
            place = minutes % _MINUTES_PER_DAY
        case "day_of_week":
            place = days % 7
        case "day_of_year":
            first = days.view("datetime64[D]").astype("datetime64[Y]").astype("datetime64[D]")
            place = days - first.view(np.int64)
        case _:
            assert_never(name)
    return place


def _table(units: NDArray[np.int64], period: float) -> NDArray[np.complex128]:
    """Sine (as real part) and cosine (as imaginary part) of `units / period` turns."""
    angle = 2.0 * np.pi * (units / period)
    table: NDArray[np.complex128] = np.sin(angle) + 1j * np.cos(angle)
    return table


#: A day has 1440 minutes and a year at most 366 days: looking them up costs a tenth of computing them anew.
_TURNS: dict[CalendarName, NDArray[np.complex128]] = {
    "minute_of_day": _table(np.arange(_MINUTES_PER_DAY), 1440.0),
    # Day 0 of the epoch was a Thursday, the fourth day of a week that begins on Monday.
    "day_of_week": _table((np.arange(7) + 3) % 7, 7.0),
    "day_of_year": _table(np.arange(366) + 1, 365.25),
}
