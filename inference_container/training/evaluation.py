"""What a fitted network is worth: quantiles from the validation part, scores and coverage on the test part.

`pipeline` calls `evaluate` between fitting and writing. Both parts are forecast in the raw units that a client would
see; a truth that was filled in neither calibrates nor is scored.
"""

from dataclasses import dataclass

import numpy as np

from inference_container.bundles.manifest_parts import Coverage, Metrics, TargetMetrics
from inference_container.forecasting.arrays import FloatArray
from inference_container.forecasting.backends.protocol import Backend
from inference_container.forecasting.plan import ForecastPlan
from inference_container.forecasting.scaling import Scaler
from inference_container.training.backtest import Backtest, score
from inference_container.training.data import Series
from inference_container.training.quantiles import Calibration, bands, calibrate
from inference_container.training.windows import Parts, WindowSet

_FORWARD_BATCH = 256


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    #: None when the validation part has too few known truths for any level.
    calibration: Calibration | None
    #: One per target.
    scores: tuple[Backtest, ...]
    #: (test windows, horizon, targets), raw units.
    forecast: FloatArray

    @property
    def metrics(self) -> Metrics:
        """The scores as the manifest keeps them."""
        return Metrics(
            targets={each.target: _target_metrics(each) for each in self.scores},
            n_windows=max(score.windows for each in self.scores for score in each.horizons),
        )


def evaluate(plan: ForecastPlan, backend: Backend, series: Series, parts: Parts, season: int | None) -> Evaluation:
    """Calibrate on the validation part, judge on the test part.

    Args:
        season: steps of the seasonal naive rule; None takes a day, or a week where rows are half a day apart or more.

    Raises:
        TooFewRows: at some step no test window can be compared.
    """
    errors = known_truth(plan, series, parts.validation) - forecast_windows(plan, backend, parts.validation)
    calibration = calibrate(errors)
    quantiles = calibration.quantiles if calibration else None
    forecast = forecast_windows(plan, backend, parts.test)
    steps = season or _season(plan.input.freq_seconds)
    scores = tuple(
        score(
            name,
            series.grid.values[:, position],
            series.observed[:, position],
            parts.test.ends,
            forecast[:, :, at],
            steps,
            bands(quantiles, at),
        )
        for at, (name, position) in enumerate(zip(plan.output.targets, plan.network.target_positions, strict=True))
    )
    return Evaluation(calibration, scores, forecast)


def forecast_windows(plan: ForecastPlan, backend: Backend, windows: WindowSet) -> FloatArray:
    """(windows, horizon, targets), raw units."""
    scaled = [
        backend.forward(windows.inputs(windows.ends[start : start + _FORWARD_BATCH]))
        for start in range(0, len(windows.ends), _FORWARD_BATCH)
    ]
    return Scaler(plan.target_scaling).invert(np.concatenate(scaled))


def known_truth(plan: ForecastPlan, series: Series, windows: WindowSet) -> FloatArray:
    """(windows, horizon, targets), raw units; NaN where the value was filled in."""
    ahead = windows.ends[:, np.newaxis] + np.arange(1, plan.output.horizon + 1)
    known = np.where(series.observed, series.grid.values, np.nan)[:, list(plan.network.target_positions)]
    truth: FloatArray = known[ahead]
    return truth


def _season(freq_seconds: int) -> int:
    day, week = 86_400, 604_800
    return max(1, (day if freq_seconds * 2 <= day else week) // freq_seconds)


def _target_metrics(backtest: Backtest) -> TargetMetrics:
    return TargetMetrics(
        rmse=backtest.mean("rmse"),
        mae=backtest.mean("mae"),
        persistence_rmse=backtest.mean("persistence_rmse"),
        seasonal_naive_rmse=backtest.mean("seasonal_rmse"),
        coverage=tuple(
            Coverage(
                interval=promised,
                mean=mean,
                # Four digits say all that a thousand windows can, and keep a long horizon readable.
                by_step=tuple(round(step.covered[at], 4) for step in backtest.horizons),
            )
            for at, (promised, mean) in enumerate(zip(backtest.bands, backtest.mean_covered, strict=True))
        ),
    )
