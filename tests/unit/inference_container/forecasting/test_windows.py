from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.errors import IrregularGrid, MissingValues, TooFewRows
from inference_container.forecasting.frame import Frame, sorted_frame
from inference_container.forecasting.plan import GapPolicy, InputPlan, NanPolicy
from inference_container.forecasting.windows import MAX_GAP_STEPS, cut_window, on_grid
from tests.unit.inference_container.forecasting.samples import START, sample_plan

_NAN = float("nan")


def _plan(*, gap: GapPolicy = "reject", nan: NanPolicy = "reject", length: int = 4) -> InputPlan:
    return sample_plan(columns=("load",), input_len=length, gap_policy=gap, nan_policy=nan).input


def _frame(hours: list[float], values: list[float]) -> Frame:
    times = np.array([START + timedelta(hours=hour) for hour in hours], dtype="datetime64[us]")
    return sorted_frame(times, np.array(values)[:, np.newaxis])


def test_the_window_is_the_last_rows() -> None:
    window = cut_window(_frame([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]), _plan())
    assert window.values[:, 0].tolist() == [2, 3, 4, 5]
    assert window.last.item() == datetime(2025, 3, 2, 3)


@pytest.mark.parametrize("gap", ["reject", "resample"])
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_too_few_rows_say_how_many_there_are_and_must_be(gap: GapPolicy, rows: int) -> None:
    with pytest.raises(TooFewRows) as caught:
        cut_window(_frame([*range(rows)], [0.0] * rows), _plan(gap=gap))
    assert caught.value.details == {"min_rows": 4, "rows": rows}


def test_a_gap_inside_the_window_is_refused_under_reject() -> None:
    with pytest.raises(IrregularGrid):
        cut_window(_frame([0, 1, 2, 4, 5], [0, 1, 2, 4, 5]), _plan())


def test_a_gap_before_the_window_is_nobodys_concern() -> None:
    found = cut_window(_frame([0, 40, 41, 42, 43], [9, 0, 1, 2, 3]), _plan())
    assert found.values[:, 0].tolist() == [0, 1, 2, 3]


def test_a_gap_is_bridged_by_a_straight_line_under_resample() -> None:
    found = cut_window(_frame([0, 1, 4], [0.0, 10.0, 40.0]), _plan(gap="resample", length=5))
    assert found.values[:, 0].tolist() == pytest.approx([0, 10, 20, 30, 40])


def test_a_missing_value_beside_a_gap_spoils_only_the_points_that_lean_on_it() -> None:
    plan = _plan(gap="resample", length=2)
    assert cut_window(_frame([0, 1, 3, 4], [0, _NAN, 3, 4]), plan).values[:, 0].tolist() == [3, 4]
    with pytest.raises(MissingValues):
        cut_window(_frame([0, 1, 3], [0, _NAN, 3]), plan)


def test_rows_between_grid_points_count_towards_the_points() -> None:
    found = cut_window(_frame([0, 0.5, 1.5, 2.5, 3.5], [0, 5, 15, 25, 35]), _plan(gap="resample"))
    assert found.values[:, 0].tolist() == pytest.approx([5, 15, 25, 35])
    shifted = cut_window(_frame([0, 1, 2, 2.5, 3.25], [0, 10, 20, 25, 32.5]), _plan(gap="resample"))
    assert shifted.values[:, 0].tolist() == pytest.approx([2.5, 12.5, 22.5, 32.5])


def test_the_longest_bridge_is_documented_and_one_step_more_is_refused() -> None:
    plan = _plan(gap="resample", length=3)
    reach = float(MAX_GAP_STEPS)
    cut_window(_frame([0, reach, reach + 1], [0, 1, 2]), plan)
    with pytest.raises(IrregularGrid) as caught:
        cut_window(_frame([0, reach + 1, reach + 2], [0, 1, 2]), plan)
    assert caught.value.details == {"gap_steps": MAX_GAP_STEPS + 1, "max_gap_steps": MAX_GAP_STEPS}


def test_missing_values_in_the_window_are_refused_by_name_under_reject() -> None:
    with pytest.raises(MissingValues) as caught:
        cut_window(_frame([0, 1, 2, 3], [0, _NAN, 2, 3]), _plan())
    assert caught.value.details == {"columns": ["load"]}


def test_missing_values_before_the_window_do_not_matter() -> None:
    assert cut_window(_frame([0, 1, 2, 3, 4], [_NAN, 1, 2, 3, 4]), _plan()).values[0, 0] == 1


def test_forward_fill_carries_the_last_value_from_before_the_window() -> None:
    found = cut_window(_frame([0, 1, 2, 3, 4], [7, _NAN, _NAN, 3, 4]), _plan(nan="ffill"))
    assert found.values[:, 0].tolist() == [7, 7, 3, 4]


def test_forward_fill_never_carries_a_value_further_than_the_longest_bridge() -> None:
    hours = [*range(MAX_GAP_STEPS + 2)]
    values = [1.0, *[_NAN] * (MAX_GAP_STEPS + 1)]
    cut_window(_frame([*map(float, hours[:-1])], values[:-1]), _plan(nan="ffill"))
    with pytest.raises(MissingValues):
        cut_window(_frame([*map(float, hours)], values), _plan(nan="ffill"))


def test_nothing_fills_a_value_that_has_none_before_it() -> None:
    with pytest.raises(MissingValues):
        cut_window(_frame([0, 1, 2, 3], [_NAN, 1, 2, 3]), _plan(nan="ffill"))


@given(
    st.lists(st.tuples(st.booleans(), st.floats(-100, 100)), min_size=12, max_size=24),
    st.integers(min_value=4, max_value=8),
)
def test_a_window_is_always_what_the_whole_series_on_the_grid_ends_with(
    rows: list[tuple[bool, float]], length: int
) -> None:
    rows[-1] = (True, rows[-1][1])
    kept = [(float(hour), value) for hour, (present, value) in enumerate(rows) if present]
    frame = _frame([hour for hour, _ in kept], [value for _, value in kept])
    plan = _plan(gap="resample", length=length)
    whole = on_grid(frame, plan)
    try:
        window = cut_window(frame, plan)
    except TooFewRows:
        assert len(whole.times) < length
    except IrregularGrid:
        assert np.isnan(whole.values[-length:]).any()
    else:
        np.testing.assert_array_equal(window.values, whole.values[-length:])


def test_on_the_grid_a_hole_stays_nan_and_the_rest_of_the_series_lives() -> None:
    far = float(MAX_GAP_STEPS + 1)
    found = on_grid(_frame([0, 1, 1 + far, 2 + far], [0, 1, 8, 9]), _plan(gap="resample")).values[:, 0]
    assert found[[0, 1, -2, -1]].tolist() == [0, 1, 8, 9]
    assert np.isnan(found[2:-2]).all()


def test_under_reject_the_grid_keeps_every_gap_open() -> None:
    assert np.isnan(on_grid(_frame([0, 1, 3], [0, 1, 3]), _plan()).values[2, 0])
