"""The back-test: each horizon's error beside what two rules without any model would have made.

*Persistence* says: as it is now. *Seasonal naive* says: as it was at this time of the last whole season. `evaluation`
runs it on the part of the data that neither fitting nor stopping has seen; every horizon is listed, lost ones included.
Where there are bands, it also counts how many truths they held: a promise of 80 % is only worth what it held.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inference_container.errors import TooFewRows
from inference_container.forecasting.arrays import FloatArray
from inference_container.training.quantiles import Band


@dataclass(frozen=True, slots=True)
class HorizonScore:
    """Errors at one distance ahead, raw units, all over the same windows."""

    step: int
    windows: int
    rmse: float
    mae: float
    persistence_rmse: float
    persistence_mae: float
    seasonal_rmse: float
    seasonal_mae: float
    #: Share of the truths inside each band, 0 to 1, in the order of `Backtest.bands`.
    covered: tuple[float, ...] = field(default=(), kw_only=True)

    @property
    def won(self) -> bool:
        """Whether the model beats both rules here, by RMSE."""
        return self.rmse < min(self.persistence_rmse, self.seasonal_rmse)


@dataclass(frozen=True, slots=True)
class Backtest:
    """The scores of one target over all horizons."""

    target: str
    horizons: tuple[HorizonScore, ...]
    #: What each band promised to hold, 0.8 for instance; empty without quantiles.
    bands: tuple[float, ...] = ()

    def mean(self, name: str) -> float:
        """Mean over the horizons of one of the scores, `rmse` for instance."""
        return float(np.mean([getattr(score, name) for score in self.horizons]))

    @property
    def mean_covered(self) -> tuple[float, ...]:
        """For each band the share of truths that it held, mean over the horizons."""
        return tuple(float(np.mean([score.covered[at] for score in self.horizons])) for at in range(len(self.bands)))

    @property
    def beats_persistence(self) -> bool:
        return self.mean("rmse") < self.mean("persistence_rmse")

    @property
    def beats_seasonal_naive(self) -> bool:
        return self.mean("rmse") < self.mean("seasonal_rmse")


def score(
    target: str,
    series: FloatArray,
    observed: NDArray[np.bool_],
    ends: NDArray[np.int64],
    forecast: FloatArray,
    season: int,
    bands: Sequence[Band] = (),
) -> Backtest:
    """Score forecasts of one target.

    Args:
        series: (rows,), the target on the grid, raw units; NaN in holes.
        observed: (rows,), False where a value was filled in: there the truth is not known, and nothing is scored.
        ends: (windows,), the last input row of each window.
        forecast: (windows, horizon), raw units.
        season: steps of one season, at least 1.
        bands: intervals around the forecast; what they hold is counted.

    Raises:
        TooFewRows: at some step no window has both a known truth and a season before it.
    """
    scores = []
    for step in range(1, forecast.shape[1] + 1):
        rows = ends + step
        # Whole seasons back, to a row that was known when the forecast was made.
        back = rows - season * -(-step // season)
        persistence, seasonal = series[ends], series[np.maximum(back, 0)]
        fair = observed[rows] & np.isfinite(persistence) & np.isfinite(seasonal) & (back >= 0)
        if not bool(fair.any()):
            raise TooFewRows(f"At step {step} the back-test finds no window with a known truth and a season before it.")
        truth, said = series[rows][fair], forecast[fair, step - 1]
        rmse, mae = _errors(said, truth)
        persistence_rmse, persistence_mae = _errors(persistence[fair], truth)
        seasonal_rmse, seasonal_mae = _errors(seasonal[fair], truth)
        scores.append(
            HorizonScore(
                step=step,
                windows=int(np.count_nonzero(fair)),
                rmse=rmse,
                mae=mae,
                persistence_rmse=persistence_rmse,
                persistence_mae=persistence_mae,
                seasonal_rmse=seasonal_rmse,
                seasonal_mae=seasonal_mae,
                covered=tuple(_share_inside(truth - said, band.low[step - 1], band.high[step - 1]) for band in bands),
            )
        )
    return Backtest(target, tuple(scores), tuple(band.share for band in bands))


def markdown(backtests: Sequence[Backtest]) -> str:
    """A table per target: every horizon, then the mean; who wins by RMSE, then what share of truths each band held."""
    lines: list[str] = []
    for backtest in backtests:
        promised = "".join(f" {share:.0%} band held |" for share in backtest.bands)
        lines += [
            f"**{backtest.target}** (RMSE / MAE, raw units)",
            "",
            f"| step | windows | model | persistence | seasonal naive | best |{promised}",
            "|---:|---:|---:|---:|---:|---|" + "---:|" * len(backtest.bands),
        ]
        lines += [_row(f"{score.step}", f"{score.windows}", _figures(score), score) for score in backtest.horizons]
        mean = HorizonScore(0, 0, *(backtest.mean(name) for name in _FIGURES), covered=backtest.mean_covered)
        lines += [_row("**mean**", "", _figures(mean), mean), ""]
    return "\n".join(lines)


def shortfalls(backtests: Sequence[Backtest]) -> list[str]:
    """A sentence for every band that held clearly less than it promises."""
    return [
        f"{backtest.target}: the {promised:.0%} band held {held:.1%}; errors on the test part are larger than on the "
        "validation part, where the band was measured."
        for backtest in backtests
        for promised, held in zip(backtest.bands, backtest.mean_covered, strict=True)
        if promised - held > _TOLERATED_SHORTFALL
    ]


#: A few hundred overlapping windows say no more than this about a share.
_TOLERATED_SHORTFALL = 0.05
_FIGURES = ("rmse", "mae", "persistence_rmse", "persistence_mae", "seasonal_rmse", "seasonal_mae")


def _figures(score: HorizonScore) -> tuple[float, ...]:
    return tuple(getattr(score, name) for name in _FIGURES)


def _row(label: str, windows: str, figures: Sequence[float], score: HorizonScore) -> str:
    pairs = [f"{rmse:.4g} / {mae:.4g}" for rmse, mae in zip(figures[::2], figures[1::2], strict=True)]
    if score.won:
        best = "model"
    else:
        best = "persistence" if score.persistence_rmse <= score.seasonal_rmse else "seasonal naive"
    covered = "".join(f" {share:.1%} |" for share in score.covered)
    return f"| {label} | {windows} | {' | '.join(pairs)} | {best} |{covered}"


def _errors(forecast: FloatArray, truth: FloatArray) -> tuple[float, float]:
    error = forecast - truth
    return float(np.sqrt(np.mean(error**2))), float(np.mean(np.abs(error)))


def _share_inside(error: FloatArray, low: float, high: float) -> float:
    return float(np.mean((error >= low) & (error <= high)))
