from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.errors import InvalidTimestamps
from inference_container.forecasting.frame import frame_from_columns
from inference_container.forecasting.timestamps import parse_times
from tests.unit.inference_container.forecasting.samples import sample_plan

_moments = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31))
_zones = st.integers(min_value=-23 * 60, max_value=23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.lists(_moments, min_size=1, max_size=8), st.sampled_from(["seconds", "milliseconds", "microseconds"]))
def test_a_uniform_column_is_always_read_as_the_standard_library_reads_it(found: list[datetime], spec: str) -> None:
    strings = [moment.isoformat(timespec=spec) for moment in found]
    assert parse_times(strings).tolist() == [datetime.fromisoformat(each) for each in strings]


@given(st.lists(st.tuples(_moments, _zones), min_size=1, max_size=8))
def test_offsets_are_always_converted_to_utc(found: list[tuple[datetime, timezone]]) -> None:
    strings = [moment.replace(tzinfo=zone).isoformat(timespec="seconds") for moment, zone in found]
    expected = [datetime.fromisoformat(each).astimezone(UTC).replace(tzinfo=None) for each in strings]
    assert parse_times(strings).tolist() == expected


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_any_text_is_either_a_time_or_refused(strings: list[str]) -> None:
    try:
        times = parse_times(strings)
    except InvalidTimestamps:
        return
    assert times.tolist() == [datetime.fromisoformat(each) for each in strings]


def test_a_column_may_mix_zulu_offsets_and_naive_times() -> None:
    mixed = ["2025-03-01T12:00:00Z", "2025-03-01T14:00:00+01:00", "2025-03-01 14:00", "2025-03-01T10:00:00.5-05:00"]
    assert parse_times(mixed).tolist() == [
        datetime(2025, 3, 1, 12),
        datetime(2025, 3, 1, 13),
        datetime(2025, 3, 1, 14),
        datetime(2025, 3, 1, 15, 0, 0, 500_000),
    ]


@pytest.mark.parametrize(
    "value",
    [
        "now",
        "today",
        "NaT",
        "",
        "2025-02-30T00:00:00",
        "2025-13-01",
        "2025-03-01T24:30:00",
        "2025-03-01T00:00:00+25:00",
    ],
)
def test_what_numpy_would_quietly_accept_or_no_calendar_knows_is_refused(value: str) -> None:
    with pytest.raises(InvalidTimestamps):
        parse_times([value, value])


@pytest.mark.parametrize("value", [1_740_787_200, 1_740_787_200.5, None, True, ["2025-03-01"]])
def test_epoch_numbers_and_other_types_are_refused(value: object) -> None:
    with pytest.raises(InvalidTimestamps, match="ISO-8601 strings only"):
        parse_times(["2025-03-01T00:00:00", value])


def test_the_error_names_the_row_and_never_repeats_the_value() -> None:
    with pytest.raises(InvalidTimestamps) as caught:
        parse_times(["2025-03-01T00:00:00", "yesterday-ish"])
    assert caught.value.details == {"row": 1}
    assert "yesterday" not in caught.value.message


def test_times_are_microseconds_so_that_every_layout_compares() -> None:
    assert parse_times(["2025-03-01"]).dtype == np.dtype("datetime64[us]")
    assert parse_times([]).dtype == np.dtype("datetime64[us]")


@pytest.mark.parametrize("value", ["0000-05-01T00:00:00", "0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"])
def test_years_that_an_answer_could_not_express_are_refused(value: str) -> None:
    plan = sample_plan(columns=("load",)).input
    with pytest.raises(InvalidTimestamps):
        frame_from_columns({"ts": [value], "load": [1.0]}, plan)


def test_a_comma_is_no_sign_of_an_offset() -> None:
    with pytest.raises(InvalidTimestamps):
        parse_times(["2025-03-01T00:00:00,01:00"] * 2)
