import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_container.errors import InvalidTimestamps
from inference_container.forecasting.timestamps import parse_times

_MOMENT = datetime(2018, 2, 5, 23, 40)
_moments = st.lists(
    st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2199, 12, 31)).map(
        lambda moment: moment.replace(microsecond=0)
    ),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize(
    "value",
    [
        "2018/02/05 23:40",
        "2018/02/05 23:40:00",
        "2018.02.05 23:40",
        "2018-2-5 23:40",
        "5 Feb 2018 23:40",
        "05-Feb-2018 23:40:00",
        "Feb 5, 2018 23:40",
        "5 February 2018 23:40",
        "2018/02/05 23:40:00Z",
        "2018/02/06 01:40:00+02:00",
        "Mon, 05 Feb 2018 23:40:00 GMT",
        "Mon, 05 Feb 2018 18:40:00 -0500",
    ],
)
def test_formats_that_mean_one_moment_are_read(value: str) -> None:
    times = parse_times([value, value])
    assert times.tolist() == [_MOMENT, _MOMENT]
    assert times.dtype == np.dtype("datetime64[us]")


@settings(max_examples=40)
@given(_moments, st.sampled_from(["%Y/%m/%d %H:%M:%S", "%d-%b-%Y %H:%M:%S", "%Y.%m.%d %H:%M:%S", "%b %d, %Y %H:%M:%S"]))
def test_an_odd_column_always_means_what_iso_would(moments: list[datetime], written: str) -> None:
    # Order, May among other months, centuries: none may change the reading.
    odd = parse_times([moment.strftime(written) for moment in moments])
    iso = parse_times([moment.isoformat() for moment in moments])
    np.testing.assert_array_equal(odd, iso)


@settings(max_examples=40)
@given(_moments, st.integers(-14 * 60, 14 * 60))
def test_dates_of_mail_headers_are_always_converted_to_utc(moments: list[datetime], minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    zoned = [moment.replace(tzinfo=zone) for moment in moments]
    expected = [moment.astimezone(UTC).replace(tzinfo=None) for moment in zoned]
    assert parse_times([format_datetime(moment) for moment in zoned]).tolist() == expected


@pytest.mark.parametrize("value", ["02/05/2018", "13/02/2018 10:00", "5.2.2018", "05-02-18", "5/2/2018 11:40 PM"])
def test_where_day_and_month_can_not_be_told_apart_the_error_says_so(value: str) -> None:
    with pytest.raises(InvalidTimestamps, match="can not be told apart"):
        parse_times([value, value])


@pytest.mark.parametrize(
    "value",
    [
        "1517874000",
        "1517874000000",
        "2018/13/02",
        "2018/02/30",
        "2018/02",
        "Feb 2018",
        "May",
        "2018/02/05 23:40 EST",
        "2018",
        "2018 something else entirely",
        "5 Feb 2018 " + "x" * 80,
    ],
)
def test_what_is_no_moment_in_any_format_is_refused(value: str) -> None:
    with pytest.raises(InvalidTimestamps):
        parse_times([value, value])


@pytest.mark.parametrize("value", ["now", "today", "", "NaT", "6 Feb 2018 23:40", "2018/02/30 00:00", "2018-02-05"])
def test_a_row_in_another_format_is_named(value: str) -> None:
    with pytest.raises(InvalidTimestamps) as caught:
        parse_times(["2018/02/05 23:40", "2018/02/05 23:42", value])
    assert caught.value.details == {"row": 2}


@settings(max_examples=200)
@given(st.lists(st.text("0123456789/-.:, TZFebMay+", max_size=24), min_size=1, max_size=3))
def test_text_that_looks_like_times_is_read_or_refused_and_never_breaks_the_reader(strings: list[str]) -> None:
    try:
        times = parse_times(strings)
    except InvalidTimestamps:
        return
    assert not bool(np.isnat(times).any())


def test_iso_times_and_ambiguous_ones_never_import_pandas() -> None:
    script = (
        "import sys\n"
        "from inference_container.errors import InvalidTimestamps\n"
        "from inference_container.forecasting.timestamps import parse_times\n"
        "parse_times(['2018-02-05', '2018-02-05T23:40:00+01:00'])\n"
        "for odd in ('02/05/2018', '1517874000', 'hello', ''):\n"
        "    try:\n"
        "        parse_times([odd])\n"
        "    except InvalidTimestamps:\n"
        "        pass\n"
        "sys.exit('pandas' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
