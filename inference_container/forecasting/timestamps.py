"""ISO-8601 strings to UTC times and back.

`frame` reads request columns with it, `training.data` reads CSV files with it: one reading of time for both. A column
written in one common layout is converted as a whole; anything else goes through the standard library value by value.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache

import numpy as np
from numpy.typing import NDArray

from inference_container.errors import InvalidTimestamps
from inference_container.forecasting.plan import TimeArray

#: The range that a naive ISO-8601 answer can express.
EARLIEST = np.datetime64("0001-01-01T00:00:00", "us")
LATEST = np.datetime64("9999-12-31T23:59:59", "us")

_PATTERN = b"dddd-dd-ddTdd:dd:dd.dddddd"
#: A date, minutes, seconds, milliseconds, microseconds.
_LAYOUTS = frozenset({10, 16, 19, 23, 26})
_OFFSET = b"sdd:dd"


def parse_times(values: Sequence[object]) -> TimeArray:
    """UTC times of a column, `datetime64[us]`, in the order given.

    Strings with `Z` or an offset are converted to UTC, others are taken as UTC. Numbers are refused: whether an epoch
    counts seconds or milliseconds can not be told from the value.

    Raises:
        InvalidTimestamps: something other than an ISO-8601 string, or a date that does not exist.
    """
    strings = [value for value in values if isinstance(value, str)]
    if len(strings) != len(values):
        raise InvalidTimestamps("The time column must hold ISO-8601 strings only; null and epoch numbers are refused.")
    if not strings:
        return np.empty(0, dtype="datetime64[us]")
    times = _parse_uniform(strings)
    if times is None:
        times = np.array([_parse_one(value, row) for row, value in enumerate(strings)], dtype="datetime64[us]")
    if times.min() < EARLIEST or times.max() > LATEST:
        raise InvalidTimestamps("The time column must stay within the years 1 to 9999.")
    return times


def _parse_uniform(strings: list[str]) -> TimeArray | None:
    """The whole column at once, or None when it has no single layout (or an impossible date, to be named later)."""
    try:
        raw = np.array(strings, dtype=np.bytes_)
    except UnicodeEncodeError:
        return None
    # Shorter strings are padded with NUL, which no layout contains: a mixed column falls through by itself.
    chars = raw.view(np.uint8).reshape(len(strings), raw.itemsize)
    suffix = _suffix_length(strings[0])
    body = chars.shape[1] - suffix
    if body not in _LAYOUTS or (suffix and body == 10) or not _matches(chars[:, :body], _PATTERN[:body]):
        return None
    shift = np.zeros(len(strings), dtype=np.int64)
    if suffix == 1 and not bool(np.all(chars[:, -1] == ord("Z"))):
        return None
    if suffix == 6:
        zone = chars[:, body:]
        if not _matches(zone, _OFFSET):
            return None
        digits = zone.astype(np.int64) - ord("0")
        hours, minutes = digits[:, 1] * 10 + digits[:, 2], digits[:, 4] * 10 + digits[:, 5]
        if int(hours.max()) > 23 or int(minutes.max()) > 59:
            return None
        shift = np.where(zone[:, 0] == ord("-"), -1, 1) * (hours * 60 + minutes)
    # numpy reads `Z` and offsets only with a warning, and "now" and "today" without one: it gets checked, naive text.
    naive = np.ascontiguousarray(chars[:, :body]).view(f"S{body}").ravel()
    try:
        local = naive.astype("datetime64[us]")
    except ValueError:
        return None
    utc: TimeArray = local - shift.astype("timedelta64[m]")
    return utc


def _suffix_length(first: str) -> int:
    if first.endswith("Z"):
        return 1
    return 6 if len(first) > 16 and first[-6] in "+-" else 0


@cache
def _positions(pattern: bytes) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.uint8]]:
    """Where `pattern` wants digits, where it wants a fixed character, and which."""
    letters = np.frombuffer(pattern, dtype=np.uint8)
    fixed = np.flatnonzero((letters == ord("-")) | (letters == ord(":")) | (letters == ord(".")))
    return np.flatnonzero(letters == ord("d")), fixed, letters[fixed]


def _matches(chars: NDArray[np.uint8], pattern: bytes) -> bool:
    digits, fixed, wanted = _positions(pattern)
    if not bool(np.all(chars[:, fixed] == wanted)):
        return False
    # Unsigned: what lies below "0" wraps to a large number, so one comparison checks both ends.
    if bool(np.any(chars[:, digits] - np.uint8(ord("0")) > 9)):
        return False
    if pattern == _OFFSET:
        return bool(np.all((chars[:, 0] == ord("+")) | (chars[:, 0] == ord("-"))))
    return len(pattern) == 10 or bool(np.all((chars[:, 10] == ord("T")) | (chars[:, 10] == ord(" "))))


def _parse_one(value: str, row: int) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        offset = moment.utcoffset()
        return moment if offset is None else moment.replace(tzinfo=None) - offset
    except (ValueError, OverflowError):
        # The value itself stays out of the message: messages are logged, and columns are the caller's data.
        raise InvalidTimestamps(f"Row {row} of the time column is not an ISO-8601 time.", row=row) from None
