import dataclasses

import numpy as np
import pytest

from inference_container.errors import TooFewRows
from inference_container.training.backtest import Backtest, markdown, score, shortfalls
from inference_container.training.quantiles import Band

#: Two "days" of three steps: 0 1 2 | 10 11 12 | 20
_SERIES = np.array([0.0, 1.0, 2.0, 10.0, 11.0, 12.0, 20.0])
_SEEN = np.ones(7, dtype=np.bool_)


def _score(forecast: list[list[float]], ends: list[int], observed: np.ndarray = _SEEN) -> Backtest:
    return score("load", _SERIES, observed, np.array(ends), np.array(forecast), season=3)


def test_persistence_and_seasonal_naive_are_right_on_a_series_worked_out_by_hand() -> None:
    first, second = _score([[10.0, 13.0], [11.0, 12.0]], ends=[2, 3]).horizons
    # From rows 2 and 3: truths 10, 11 one step ahead; 11, 12 two steps ahead.
    assert (first.rmse, first.mae) == (0.0, 0.0)
    assert (second.rmse, second.mae) == pytest.approx((np.sqrt(4 / 2), 1.0))
    # Persistence says 2, 10 at both steps.
    assert (first.persistence_rmse, first.persistence_mae) == pytest.approx((np.sqrt((64 + 1) / 2), 4.5))
    assert (second.persistence_rmse, second.persistence_mae) == pytest.approx((np.sqrt((81 + 4) / 2), 5.5))
    # Three steps back from the truths: 0, 1 and 1, 2.
    assert (first.seasonal_rmse, first.seasonal_mae) == (10.0, 10.0)
    assert (second.seasonal_rmse, second.seasonal_mae) == (10.0, 10.0)
    assert (first.windows, second.windows) == (2, 2)


def test_beyond_one_season_the_naive_rule_never_looks_at_what_it_could_not_know() -> None:
    # From row 2, four steps ahead is row 6; one season back is row 3, still ahead; two back is row 0.
    fourth = _score([[0.0, 0.0, 0.0, 0.0]], ends=[2]).horizons[3]
    assert fourth.seasonal_rmse == 20.0


def test_a_filled_in_truth_is_never_scored() -> None:
    observed = _SEEN.copy()
    observed[3] = False
    first, second = _score([[99.0, 11.0], [11.0, 12.0]], [2, 3], observed).horizons
    assert (first.windows, first.rmse) == (1, 0.0)
    assert second.windows == 2


def test_without_a_season_before_it_no_window_can_be_compared() -> None:
    with pytest.raises(TooFewRows, match="step 1"):
        _score([[1.0]], ends=[0])


def test_the_table_lists_every_horizon_and_says_who_was_best() -> None:
    backtest = _score([[10.0, -5.0], [11.0, 0.0]], ends=[2, 3])
    lines = markdown([backtest]).splitlines()
    rows = [line for line in lines if line.startswith("| ") and line[2] in "12*"]
    assert [row.rsplit("|", 2)[1].strip() for row in rows] == ["model", "persistence", "persistence"]
    assert "**mean**" in rows[-1]
    assert not backtest.beats_persistence
    assert backtest.beats_seasonal_naive


def test_a_band_is_counted_on_the_same_windows_and_its_edges_belong_to_it() -> None:
    narrow = Band(0.8, low=np.array([0.0, -1.0]), high=np.array([0.0, 1.0]))
    wide = Band(0.95, low=np.array([-9.0, -9.0]), high=np.array([9.0, 9.0]))
    # Errors: 0, 0 one step ahead; -2, 0 two steps ahead.
    backtest = score(
        "load", _SERIES, _SEEN, np.array([2, 3]), np.array([[10.0, 13.0], [11.0, 12.0]]), 3, [narrow, wide]
    )
    assert [step.covered for step in backtest.horizons] == [(1.0, 1.0), (0.5, 1.0)]
    assert backtest.mean_covered == (0.75, 1.0)
    lines = markdown([backtest]).splitlines()
    assert lines[2].endswith("| best | 80% band held | 95% band held |")
    assert lines[-1].endswith("| model | 75.0% | 100.0% |")
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_a_band_that_holds_clearly_less_than_it_promises_is_told() -> None:
    steps = [dataclasses.replace(each, covered=(0.7, 0.91)) for each in _score([[9.0, 9.0]], ends=[2]).horizons]
    (sentence,) = shortfalls([Backtest("load", tuple(steps), bands=(0.8, 0.95))])
    assert sentence.startswith("load: the 80% band held 70.0%;")
