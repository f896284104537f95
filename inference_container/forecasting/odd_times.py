"""Times that are no ISO 8601 but can mean only one moment: year first, a month by name, the dates of e-mail headers.

`timestamps` calls it with a column that the standard library refused. pandas is imported here and nowhere else on the
way of a request, and only for such a column: it costs a worker a second and some 50 MB once. `02/05/2018` is refused,
since the second of May and the fifth of February look alike.
"""

import re
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inference_container.errors import InvalidTimestamps
from inference_container.forecasting.arrays import TimeArray

#: Longer strings are no times, and not worth a parser's attention.
_MAX_LENGTH = 64

_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)", re.ASCII)
_DAY_OR_MONTH_FIRST = re.compile(r"\d{1,2}\D\d{1,2}\D(\d{4}|\d{2})(?!\d)", re.ASCII)
_YEAR_FIRST_OR_NAMES = re.compile(r"\d{4}\D|.*[A-Za-z]{3}", re.ASCII)

_AMBIGUOUS = "Day and month of the time column can not be told apart: write the year first, or ISO 8601."


def parse_odd_times(strings: Sequence[str]) -> TimeArray:
    """UTC times of a column written in one format throughout, `datetime64[us]`; finer digits are cut off.

    Raises:
        InvalidTimestamps: no format that means one moment only, or a row that is not written in the format of the rest.
    """
    if _DAY_OR_MONTH_FIRST.match(strings[0]):
        raise InvalidTimestamps(_AMBIGUOUS, row=0)
    # Every row must hold a year: pandas would take "now", "today" and "" for times of a kind.
    for row, string in enumerate(strings):
        if len(string) > _MAX_LENGTH or not _YEAR.search(string) or not _YEAR_FIRST_OR_NAMES.match(string):
            raise unreadable(row)
    return _in_format(strings, _common_format(strings))


def unreadable(row: int) -> InvalidTimestamps:
    """The error for a row that can not be read. The value stays out of it: messages are logged, values are data."""
    return InvalidTimestamps(f"Row {row} of the time column is not an ISO-8601 time.", row=row)


def _common_format(strings: Sequence[str]) -> str:
    from pandas.tseries.api import guess_datetime_format

    # May is its own abbreviation: guessed from it, the format would refuse "Jun" in the row below.
    sample = next((string for string in strings if "may" not in string.lower()), strings[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: str | None = guess_datetime_format(sample)
    if found is None or "%Y" not in found or "%d" not in found:
        raise unreadable(0)
    named = "%b" in found or "%B" in found
    if not named and not found.startswith(("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y %m %d")):
        raise InvalidTimestamps(_AMBIGUOUS, row=0)
    # Other names of zones mean different offsets in different countries, or the zone of this machine.
    if "%Z" in found and not all(string.endswith(("GMT", "UTC")) for string in strings):
        raise unreadable(0)
    return found


def _in_format(strings: Sequence[str], written: str) -> TimeArray:
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        moments = pd.to_datetime(list(strings), format=written, utc=True, errors="coerce")
    absent: NDArray[np.bool_] = np.asarray(moments.isna())
    if bool(absent.any()):
        raise unreadable(int(absent.argmax()))
    # pandas chooses the unit from the digits it meets; every layout must compare, so it is always microseconds here.
    times: TimeArray = moments.as_unit("us").tz_convert(None).to_numpy()
    return times
