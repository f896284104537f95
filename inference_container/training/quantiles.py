"""How sure a forecast is, by split-conformal prediction: offsets from errors on windows that nothing was fitted to.

`evaluation` calls `calibrate` with the errors of the validation part; `backtest` then counts on the test part how often
the truth lay inside. No shape of the errors is assumed and no second network is trained.

The rank that carries the guarantee is ceil((n + 1) * level) among n sorted errors, not the plain quantile: with it the
truth of one more exchangeable window lies below with a probability of at least `level`, for every n (Lei, G'Sell,
Rinaldo, Tibshirani, Wasserman 2018, "Distribution-free predictive inference for regression"; Romano, Patterson, Candès
2019, "Conformalized quantile regression"). Two things weaken it here, which is why coverage is measured and printed:
neighbouring windows are not exchangeable, and a network's moment to stop was chosen on the same validation part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from inference_container.forecasting.arrays import FloatArray
from inference_container.forecasting.plan import QuantilePlan

#: Those of the usual intervals (98, 95, 90, 80 % and so on) and the deciles.
LEVELS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99)
#: The intervals that a report speaks of: share, lower level, upper level.
INTERVALS = ((0.8, 0.1, 0.9), (0.95, 0.025, 0.975))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Quantiles, and what they rest on."""

    quantiles: QuantilePlan
    #: Fewest windows with a known truth behind any of the offsets.
    windows: int


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """A central interval around the forecasts of one target."""

    #: Share of the truths that it promises to hold, 0.8 for instance.
    share: float
    #: (steps,), raw units to add to the forecast.
    low: FloatArray
    high: FloatArray


def calibrate(errors: FloatArray, levels: Sequence[float] = LEVELS) -> Calibration | None:
    """Offsets for every step and target.

    Args:
        errors: (windows, steps, targets), truth minus forecast in raw units; NaN where the truth is not known.
        levels: rising, each between 0 and 1. Those that so few windows can not back are left out: 0.99 needs 99.

    Returns:
        None when the errors back no level at all.
    """
    counts: NDArray[np.int64] = np.count_nonzero(np.isfinite(errors), axis=0)
    fewest = int(counts.min())
    kept = [level for level in levels if _backed(level, fewest)]
    if not kept:
        return None
    ordered = np.sort(errors, axis=0)  # NaN goes last, behind every rank that is asked for
    offsets = np.stack([_offset(ordered, counts, level) for level in kept], axis=-1)
    by_step = tuple(tuple(tuple(row) for row in step) for step in offsets.tolist())
    return Calibration(QuantilePlan(tuple(kept), by_step), fewest)


def bands(quantiles: QuantilePlan | None, target: int) -> tuple[Band, ...]:
    """The intervals of the report that these quantiles can draw, narrowest first, for the target at that position."""
    if quantiles is None:
        return ()
    offsets = np.array([step[target] for step in quantiles.offsets], dtype=np.float64)
    at = {level: position for position, level in enumerate(quantiles.levels)}
    return tuple(
        Band(share, offsets[:, at[low]], offsets[:, at[high]])
        for share, low, high in INTERVALS
        if low in at and high in at
    )


def _ranks(level: float, counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The ranks (from 1) of the lower and the upper bound at `level`: mirror images of each other."""
    # The level as it is written: binary 0.1 is a little more than a tenth, and ceil would see it.
    share = Fraction(str(level))
    scaled = (counts + 1) * share.numerator
    return scaled // share.denominator, -(-scaled // share.denominator)


def _backed(level: float, count: int) -> bool:
    low, high = (int(rank) for rank in _ranks(level, np.array(count)))
    return (low >= 1 or level > 0.5) and (high <= count or level < 0.5)


def _offset(ordered: FloatArray, counts: NDArray[np.int64], level: float) -> FloatArray:
    """(steps, targets): rounded away from the middle, so that an interval is never narrower than it promises."""
    low, high = _ranks(level, counts)
    below: FloatArray = np.take_along_axis(ordered, np.maximum(low - 1, 0)[np.newaxis], axis=0)[0]
    above: FloatArray = np.take_along_axis(ordered, np.minimum(high, counts)[np.newaxis] - 1, axis=0)[0]
    if level < 0.5:
        return below
    return above if level > 0.5 else (below + above) / 2.0
