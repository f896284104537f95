"""Strings to UTC times, ISO 8601 first.

`frame` reads request columns with it, `json_batch` those of many requests at once, `training.data` CSV files: one
reading of time for all. A column written in one common layout is converted as a whole; other ISO 8601 goes through the
standard library value by value, and what that refuses is left to `odd_times`.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache

import numpy as np
from numpy.typing import NDArray

from inference_container.errors import InvalidTimestamps
from inference_container.forecasting.arrays import TimeArray
from inference_container.forecasting.odd_times import parse_odd_times, unreadable

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
        InvalidTimestamps: something other than strings, a time that can mean two moments, or one that does not exist.
    """
    strings = [value for value in values if isinstance(value, str)]
    if len(strings) != len(values):
        raise InvalidTimestamps("The time column must hold ISO-8601 strings only; null and epoch numbers are refused.")
    if not strings:
        return np.empty(0, dtype="datetime64[us]")
    times = _parse_uniform(strings)
    return _parse_each(strings) if times is None else times


def parse_chars(chars: NDArray[np.uint8]) -> TimeArray | None:
    """Times, `datetime64[us]`, of ASCII characters (rows, width), all rows in the layout of the first.

    None when they are not, or when one of them is a time that does not exist: which one, and why, is for `parse_times`.
    """
    suffix = _suffix_length(chars[0])
    body = chars.shape[1] - suffix
    if body not in _LAYOUTS or (suffix and body == 10) or not _matches(chars[:, :body], _PATTERN[:body]):
        return None
    shift: NDArray[np.int64] | None = None
    if suffix == 1 and not bool((chars[:, -1] == ord("Z")).all()):
        return None
    if suffix == 6:
        zone = chars[:, body:]
        if not _matches(zone, _OFFSET) or bool((zone[:, 0] == ord(",")).any()):
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
    if shift is None:
        return local
    utc: TimeArray = local - shift.astype("timedelta64[m]")
    return utc


def _parse_uniform(strings: list[str]) -> TimeArray | None:
    """The whole column at once, or None when it has no single layout."""
    try:
        raw = np.array(strings, dtype=np.bytes_)
    except UnicodeEncodeError:
        return None
    # Shorter strings are padded with NUL, which no layout contains: a mixed column falls through by itself.
    return parse_chars(raw.view(np.uint8).reshape(len(strings), raw.itemsize)) if raw.itemsize else None


def _suffix_length(first: NDArray[np.uint8]) -> int:
    if first[-1] == ord("Z"):
        return 1
    return 6 if len(first) > 16 and first[-6] in (ord("+"), ord("-")) else 0


@cache
def _bounds(pattern: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The lowest character each position may hold, and how far above it the highest lies."""
    lowest = {"d": "0", "s": "+", "T": " "}
    highest = {"d": "9", "s": "-", "T": "T"}
    letters = pattern.decode()
    low = np.array([ord(lowest.get(letter, letter)) for letter in letters], dtype=np.uint8)
    high = np.array([ord(highest.get(letter, letter)) for letter in letters], dtype=np.uint8)
    return low, high - low


def _matches(chars: NDArray[np.uint8], pattern: bytes) -> bool:
    """Whether every row has digits and separators where `pattern` has them.

    Ranges are a little wide where two characters are allowed; numpy refuses what lies between a space and a T, and the
    comma between the signs is looked for by the caller.
    """
    low, span = _bounds(pattern)
    # Unsigned: what lies below the lowest wraps to a large number, so one comparison checks both ends.
    return bool((chars - low <= span).all())


def _parse_each(strings: list[str]) -> TimeArray:
    moments = []
    for row, string in enumerate(strings):
        try:
            moment = datetime.fromisoformat(string)
            offset = moment.utcoffset()
            moments.append(moment if offset is None else moment.replace(tzinfo=None) - offset)
        except (ValueError, OverflowError):
            # A column has one format: where the first row is ISO 8601, a later one that is not is a mistake.
            if row:
                raise unreadable(row) from None
            return parse_odd_times(strings)
    return np.array(moments, dtype="datetime64[us]")
