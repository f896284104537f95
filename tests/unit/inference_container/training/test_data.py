import hashlib
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from inference_container.errors import InvalidSeries, InvalidTimestamps, MissingColumns, NonNumericColumns, TooFewRows
from inference_container.training.data import common_step, grid_report, read_csv, regularise, write_csv
from inference_container.training.demo_data import write_demo_data
from tests.unit.inference_container.forecasting.samples import sample_plan


def _file(into: Path, *lines: str) -> Path:
    path = into / "data.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_rows_are_sorted_and_the_marks_of_a_missing_value_are_nan(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        "when,load,note",
        "2025-03-01T02:00:00Z,3,x",
        "2025-03-01T00:00:00Z,1,y",
        "2025-03-01T02:00:00+01:00,NA,z",
        "2025-03-01T03:00:00Z,,",
    )
    table = read_csv(path, "when", ["load"])
    np.testing.assert_array_equal(table.frame.values[:, 0], [1, np.nan, 3, np.nan])
    assert table.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        (["time,heat", "2025-03-01,1"], MissingColumns),
        (["time,load", "2025-03-01,warm"], NonNumericColumns),
        (["time,load", "2025-03-01,inf"], NonNumericColumns),
        (["time,load", "yesterday,1"], InvalidTimestamps),
        (["time,load", "2025-03-01,1", "2025-03-01,2", "2025-03-02,2"], InvalidTimestamps),
        (["time,load"], TooFewRows),
    ],
)
def test_a_file_that_can_not_be_trained_on_says_why(
    tmp_path: Path, lines: list[str], error: type[InvalidSeries]
) -> None:
    with pytest.raises(error):
        read_csv(_file(tmp_path, *lines), "time", ["load"])


def test_the_report_counts_gaps_strays_and_missing_values(tmp_path: Path) -> None:
    hours = ["00:00", "01:00", "04:00", "04:30", "05:00", "07:00", "08:00", "09:00"]
    path = _file(tmp_path, "time,load", *(f"2025-03-01T{hour}:00,{'' if hour == '05:00' else 1}" for hour in hours))
    frame = read_csv(path, "time", ["load"]).frame
    report = grid_report(frame, ["load"], 3600)
    assert (report.rows, report.missing_steps, report.longest_gap_steps) == (8, 3, 2)
    assert (report.off_grid_rows, report.nan) == (1, {"load": 1})
    assert common_step(frame.times) == 3600


def test_a_step_can_not_be_told_from_one_row() -> None:
    with pytest.raises(TooFewRows):
        common_step(np.array([datetime(2025, 1, 1)], dtype="datetime64[us]"))


def test_what_was_filled_in_is_remembered_as_not_observed(tmp_path: Path) -> None:
    hours = {0: "1", 1: "", 2: "3", 4: "5"}
    path = _file(tmp_path, "time,load", *(f"2025-03-01T{hour:02d}:00:00,{value}" for hour, value in hours.items()))
    plan = sample_plan(columns=("load",), gap_policy="resample", nan_policy="ffill").input
    series = regularise(read_csv(path, "time", ["load"]).frame, plan)
    assert series.grid.values[:, 0].tolist() == [1, 1, 3, 4, 5]
    assert series.observed[:, 0].tolist() == [True, False, True, False, True]


def test_what_is_written_is_read_back_the_same(tmp_path: Path) -> None:
    times = np.array([datetime(2025, 1, 1), datetime(2025, 1, 2)], dtype="datetime64[us]")
    write_csv(tmp_path / "a.csv", "time", times, {"load": np.array([1.25, np.nan])})
    table = read_csv(tmp_path / "a.csv", "time", ["load"])
    np.testing.assert_array_equal(table.frame.times, times)
    np.testing.assert_array_equal(table.frame.values[:, 0], [1.25, np.nan])


def test_demo_data_is_regular_busy_by_day_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    paths = [tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "c.csv"]
    for path, seed in zip(paths, (3, 3, 4), strict=True):
        assert write_demo_data(path, days=14, freq_seconds=3600, seed=seed) == 14 * 24
    assert paths[0].read_bytes() == paths[1].read_bytes() != paths[2].read_bytes()
    frame = read_csv(paths[0], "time", ["down", "up", "users"]).frame
    report = grid_report(frame, ["down", "up", "users"], 3600)
    assert (report.missing_steps, report.off_grid_rows, report.nan) == (0, 0, {})
    daily = frame.values[:, 0].reshape(14, 24)
    assert daily[:5, 13].min() > 2 * daily[:5, 3].max()
    assert daily[:5, 13].mean() > 1.5 * daily[5:7, 13].mean()
