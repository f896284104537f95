"""Epoch counts to times. `table` and `oip` call it for columns that say which unit they count in.

Numbers without a unit are refused everywhere: seconds and milliseconds can not be told apart by looking.
"""

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference_container.errors import InvalidTimestamps
from inference_container.forecasting.arrays import TimeArray

TickUnit: TypeAlias = Literal["s", "ms", "us", "ns"]

#: Microseconds of one tick; `ns` is the one unit finer than ours.
_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_NANOSECONDS = 1_000
#: Far outside the years that an answer can express, and far inside int64.
_FURTHEST = 2**62


def times_from_ticks(ticks: NDArray[np.int64], unit: TickUnit) -> TimeArray:
    """UTC times, (rows,), `datetime64[us]`, of counts since 1970-01-01T00:00:00.

    Nanoseconds are rounded down to the microsecond, as the digits beyond the sixth of an ISO-8601 string are.

    Raises:
        InvalidTimestamps: a count so large that microseconds can not hold it.
    """
    if unit == "ns":
        return np.floor_divide(ticks, _NANOSECONDS).view("datetime64[us]")
    factor = _MICROSECONDS[unit]
    # numpy multiplies int64 past its end without a word: the past would come out of a far future.
    if len(ticks) and not -_FURTHEST // factor < int(ticks.min()) <= int(ticks.max()) < _FURTHEST // factor:
        raise InvalidTimestamps("The time column must stay within the years 1 to 9999.")
    return (ticks * factor).view("datetime64[us]")
