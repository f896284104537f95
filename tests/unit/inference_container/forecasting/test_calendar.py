import math
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.forecasting.calendar import calendar_features
from inference_container.forecasting.plan import CalendarName

_ALL: tuple[CalendarName, ...] = ("minute_of_day", "day_of_week", "day_of_year")


def _times(*moments: datetime) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    return np.array(moments, dtype="datetime64[us]")


@given(st.lists(st.datetimes(min_value=datetime(1900, 1, 1)), min_size=1, max_size=5))
def test_features_are_always_those_of_the_calendar(moments: list[datetime]) -> None:
    found = calendar_features(_times(*moments), _ALL)
    for moment, row in zip(moments, found, strict=True):
        turns = (
            (moment.hour * 60 + moment.minute) / 1440,
            moment.weekday() / 7,
            moment.timetuple().tm_yday / 365.25,
        )
        expected = [part(2 * math.pi * turn) for turn in turns for part in (math.sin, math.cos)]
        assert row == pytest.approx(expected, abs=1e-12)


def test_six_in_the_morning_of_a_monday_is_a_quarter_of_the_day_and_the_start_of_the_week() -> None:
    found = calendar_features(_times(datetime(2025, 3, 3, 6)), ("minute_of_day", "day_of_week"))
    assert found[0] == pytest.approx([1.0, 0.0, 0.0, 1.0], abs=1e-12)


def test_features_come_in_the_order_of_the_names_for_any_shape() -> None:
    times = _times(*(datetime(2025, 1, 1 + day, 3) for day in range(6))).reshape(2, 3)
    both = calendar_features(times, ("day_of_year", "minute_of_day"))
    assert both.shape == (2, 3, 4)
    np.testing.assert_array_equal(both[..., 2:], calendar_features(times, ("minute_of_day",)))


def test_no_names_make_no_features() -> None:
    assert calendar_features(_times(datetime(2025, 1, 1)), ()).shape == (1, 0)
