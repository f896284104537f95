from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.errors import TooFewRows
from inference_container.forecasting.frame import Frame
from inference_container.training.data import Series
from inference_container.training.windows import Parts, cut_parts, split_rows
from tests.unit.inference_container.forecasting.samples import START, sample_plan


def _parts(rows: int, length: int, horizon: int, holes: set[int] | None = None) -> Parts:
    """Windows over a series whose value is its row number."""
    plan = sample_plan(columns=("load",), input_len=length, horizon=horizon)
    values = np.arange(rows, dtype=np.float64)
    values[list(holes or ())] = np.nan
    times = np.array([START + timedelta(hours=row) for row in range(rows)], dtype="datetime64[us]")
    series = Series(Frame(times, values[:, np.newaxis]), np.ones((rows, 1), dtype=np.bool_))
    return cut_parts(series, plan.input, plan.output, plan.scaling)


@given(st.integers(60, 200), st.integers(1, 12), st.integers(1, 5))
def test_no_target_ever_lies_in_another_part_and_every_row_may_be_one(rows: int, length: int, horizon: int) -> None:
    parts, split = _parts(rows, length, horizon), split_rows(rows)
    bounds = [(0, split.train_end), (split.train_end, split.validation_end), (split.validation_end, rows)]
    for part, (first, stop) in zip((parts.train, parts.validation, parts.test), bounds, strict=True):
        assert part.ends.min() + 1 == max(first, length)
        assert part.ends.max() + horizon == stop - 1


@given(st.sets(st.integers(0, 99), max_size=4), st.integers(1, 6), st.integers(1, 4))
def test_a_window_never_touches_a_hole_and_no_other_is_left_out(holes: set[int], length: int, horizon: int) -> None:
    try:
        parts = _parts(100, length, horizon, holes)
    except TooFewRows:
        return
    split = split_rows(100)
    expected = [
        end
        for end in range(max(split.train_end - 1, length - 1), split.validation_end - horizon)
        if not holes & set(range(end - length + 1, end + horizon + 1))
    ]
    assert parts.validation.ends.tolist() == expected


def test_inputs_and_changes_are_the_rows_they_should_be() -> None:
    train = _parts(60, 4, 2).train  # scaled: (x - 5) / 2
    chosen = train.ends[:2]
    assert ((train.inputs(chosen)[:, :, 0] * 2) + 5).tolist() == [[0, 1, 2, 3], [1, 2, 3, 4]]
    assert (train.changes(chosen)[:, :, 0] * 2).tolist() == [[1, 2], [1, 2]]


def test_too_short_a_series_says_about_how_many_rows_are_needed() -> None:
    with pytest.raises(TooFewRows) as caught:
        _parts(30, 4, 6)
    needed = caught.value.details["min_rows"]
    _parts(needed, 4, 6)
