"""The back-test as a picture: three forecasts with their 80 % band beside what came, and the error of every step.

`commands.training` puts it beside the bundle's files as `backtest.png`; no hash covers it and no loader looks at it.
matplotlib is imported when a picture is drawn: training works without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from inference_container.forecasting.arrays import FloatArray, TimeArray
from inference_container.forecasting.plan import ForecastPlan
from inference_container.training.backtest import Backtest
from inference_container.training.data import Series
from inference_container.training.evaluation import Evaluation
from inference_container.training.quantiles import Band, bands
from inference_container.training.windows import WindowSet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "backtest.png"

#: Where in the test part the three forecasts begin: fixed shares, so that nobody picks the pretty ones.
_ORIGINS = (1 / 6, 1 / 2, 5 / 6)
#: A row of panels each; a picture of more would be too tall to look at.
_MOST_TARGETS = 6
#: Of the history before a forecast, this many times its length at most.
_HISTORY = 3
# Distinguishable without colour vision (Okabe and Ito's palette).
_BLUE, _ORANGE, _GREEN, _INK = "#0072B2", "#D55E00", "#009E73", "#222222"


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """One forecast of the back-test and what surrounds it."""

    #: History, then the steps ahead.
    times: TimeArray
    #: (len(times),), raw units, NaN in holes: what was, and what came.
    series: FloatArray
    #: (horizon,), raw units.
    forecast: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """A target's row of the picture."""

    scores: Backtest
    origins: tuple[Origin, ...]
    #: The narrowest interval; None without quantiles.
    band: Band | None


def panels(plan: ForecastPlan, series: Series, test: WindowSet, evaluation: Evaluation) -> tuple[Panel, ...]:
    """What the picture of an evaluation shows, one row per target, the first six."""
    quantiles = evaluation.calibration.quantiles if evaluation.calibration else None
    chosen = sorted({int(share * len(test.ends)) for share in _ORIGINS})
    found = []
    for at, scores in enumerate(evaluation.scores[:_MOST_TARGETS]):
        values = series.grid.values[:, plan.network.target_positions[at]]
        origins = []
        for window in chosen:
            end = int(test.ends[window])
            back = min(plan.input.input_len, max(_HISTORY * test.horizon, 8))
            rows = slice(end + 1 - back, end + 1 + test.horizon)
            origins.append(Origin(series.grid.times[rows], values[rows], evaluation.forecast[window, :, at]))
        narrowest = bands(quantiles, at)[:1]
        found.append(Panel(scores, tuple(origins), narrowest[0] if narrowest else None))
    return tuple(found)


def draw(rows: Sequence[Panel], title: str) -> bytes | None:
    """The picture as a PNG; None when matplotlib is not installed."""
    try:
        # The canvas by name and no pyplot: no window, no global state, whatever MPLBACKEND says.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return None
    width = max(len(row.origins) for row in rows) + 1
    figure = Figure(figsize=(4.2 * width, 3.4 * len(rows) + 0.5), dpi=90, layout="constrained")
    # Names come from a file's header: a dollar sign in one is no formula.
    figure.suptitle(title, parse_math=False)
    grid = figure.subplots(len(rows), width, squeeze=False)
    for row, axes in zip(rows, grid, strict=True):
        for origin, place in zip(row.origins, axes, strict=False):
            _draw_origin(place, row, origin)
        _draw_errors(axes[-1], row.scores)
    # The legend is the same in every panel: once is enough.
    grid[0][0].legend(loc="best", fontsize=7)
    picture = BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def _draw_origin(place: "Axes", row: Panel, origin: Origin) -> None:
    horizon = len(origin.forecast)
    # matplotlib wants its own dates; microseconds are what it reads without a converter.
    times = origin.times.astype("datetime64[us]")
    ahead = times[-horizon:]
    place.plot(times[:-horizon], origin.series[:-horizon], color=_INK, linewidth=1, label="history")
    place.plot(ahead, origin.series[-horizon:], color=_INK, linewidth=1, linestyle=":", marker=".", label="truth")
    place.plot(ahead, origin.forecast, color=_BLUE, linewidth=1.6, label="forecast")
    if row.band is not None:
        low, high = origin.forecast + row.band.low, origin.forecast + row.band.high
        place.fill_between(ahead, low, high, color=_BLUE, alpha=0.2, linewidth=0, label=f"{row.band.share:.0%} band")
    begin = np.datetime_as_string(times[-horizon - 1], unit="m")
    place.set_title(f"{row.scores.target} from {begin}", fontsize=9, parse_math=False)
    place.tick_params(axis="x", labelrotation=30, labelsize=7)
    place.tick_params(axis="y", labelsize=7)


def _draw_errors(place: "Axes", scores: Backtest) -> None:
    steps = [score.step for score in scores.horizons]
    rules = (
        ("model", [score.rmse for score in scores.horizons], _BLUE, "-"),
        ("persistence", [score.persistence_rmse for score in scores.horizons], _ORANGE, "--"),
        ("seasonal naive", [score.seasonal_rmse for score in scores.horizons], _GREEN, "-."),
    )
    for label, errors, colour, style in rules:
        place.plot(steps, errors, color=colour, linestyle=style, marker="." if len(steps) < 3 else None, label=label)
    place.set_title(f"{scores.target}: RMSE by step", fontsize=9, parse_math=False)
    place.set_ylim(bottom=0)
    place.tick_params(labelsize=7)
    place.legend(loc="best", fontsize=7)
