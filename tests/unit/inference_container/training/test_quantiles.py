import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inference_container.training.quantiles import INTERVALS, LEVELS, bands, calibrate

#: Independent calibrations, side by side as the steps of one.
_TRIALS = 4000


def _held(errors: np.ndarray, low: float, high: float) -> float:
    """Calibrate each trial on all errors but the last; how often the last lay inside."""
    calibration = calibrate(errors[:-1, :, np.newaxis])
    assert calibration is not None
    levels = calibration.quantiles.levels
    offsets = np.array(calibration.quantiles.offsets)[:, 0]
    below, above = offsets[:, levels.index(low)], offsets[:, levels.index(high)]
    return float(np.mean((errors[-1] >= below) & (errors[-1] <= above)))


@pytest.mark.parametrize(("windows", "held"), [(11, 10 / 12), (59, 48 / 60), (104, 84 / 105)])
def test_an_interval_holds_what_it_promises_on_exchangeable_errors(windows: int, held: float) -> None:
    # Skewed and heavy-tailed: a rule that assumed a shape would be off. Between ranks k and m lie (m - k) / (n + 1).
    errors = np.random.default_rng(windows).standard_gamma(0.5, (windows + 1, _TRIALS)) ** 2
    spread = np.sqrt(held * (1 - held) / _TRIALS)
    assert abs(_held(errors, 0.1, 0.9) - held) < 4 * spread
    assert held >= 0.8


def test_the_plain_quantile_of_few_errors_would_hold_too_little() -> None:
    """What the correction is for; without it the test above could not tell."""
    errors = np.random.default_rng(11).standard_gamma(0.5, (12, _TRIALS))
    low, high = np.quantile(errors[:-1], [0.1, 0.9], axis=0)
    assert np.mean((errors[-1] >= low) & (errors[-1] <= high)) < 0.75


def test_ties_never_make_an_interval_hold_less() -> None:
    errors = np.random.default_rng(5).integers(0, 4, (60, _TRIALS)).astype(np.float64)
    assert _held(errors, 0.1, 0.9) >= 0.8


@pytest.mark.parametrize(("windows", "lowest"), [(1, 0.5), (9, 0.1), (38, 0.05), (39, 0.025), (98, 0.025), (99, 0.01)])
def test_a_level_needs_as_many_windows_as_back_it(windows: int, lowest: float) -> None:
    calibration = calibrate(np.arange(windows, dtype=np.float64).reshape(-1, 1, 1))
    assert calibration is not None
    levels = calibration.quantiles.levels
    assert levels[0] == lowest
    assert [round(1 - level, 6) for level in reversed(levels)] == list(levels)


def test_ranks_are_those_of_levels_as_written_not_of_their_binary_neighbours() -> None:
    # 0.7 * 30 is 21, and 0.1 * 30 is 3; in binary the second comes out above 3.
    calibration = calibrate(np.arange(1.0, 30.0).reshape(-1, 1, 1), (0.1, 0.5, 0.7))
    assert calibration is not None
    assert calibration.quantiles.offsets == (((3.0, 15.0, 21.0),),)


def test_what_was_filled_in_calibrates_nothing() -> None:
    errors = np.arange(40.0).reshape(20, 2, 1)
    errors[:5, 1] = np.nan
    calibration = calibrate(errors)
    assert calibration is not None
    assert calibration.windows == 15
    middle = calibration.quantiles.levels.index(0.5)
    assert [step[0][middle] for step in calibration.quantiles.offsets] == [19.0, np.median(errors[5:, 1])]
    errors[:, 1] = np.nan
    assert calibrate(errors) is None


_ERRORS = arrays(
    np.float64,
    st.tuples(st.integers(1, 130), st.integers(1, 3), st.integers(1, 2)),
    elements=st.one_of(st.floats(-1e9, 1e9), st.just(float("nan")), st.sampled_from([0.0, 1.0])),
)


@given(_ERRORS)
def test_offsets_are_always_finite_and_never_fall_from_one_level_to_the_next(errors: np.ndarray) -> None:
    calibration = calibrate(errors)
    if calibration is None:
        assert np.isnan(errors).all(axis=0).any()
        return
    for row in itertools.chain.from_iterable(calibration.quantiles.offsets):
        assert len(row) == len(calibration.quantiles.levels)
        assert np.isfinite(row).all()
        assert (np.diff(row) >= 0).all()


@given(_ERRORS)
def test_an_interval_always_holds_its_share_of_what_it_was_calibrated_on(errors: np.ndarray) -> None:
    calibration = calibrate(errors)
    if calibration is None:
        return
    for target in range(errors.shape[2]):
        for band in bands(calibration.quantiles, target):
            inside = (errors[:, :, target] >= band.low) & (errors[:, :, target] <= band.high)
            known = np.isfinite(errors[:, :, target]).sum(axis=0)
            assert (inside.sum(axis=0) >= np.floor(band.share * known)).all()


def test_every_interval_of_the_report_lies_between_two_levels_that_promise_it() -> None:
    for share, low, high in INTERVALS:
        assert {low, high} <= set(LEVELS)
        assert high - low == pytest.approx(share)
    assert bands(None, 0) == ()
