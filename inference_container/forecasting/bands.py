"""Quantiles beside a forecast: what the bundle knows about its own errors, put around one answer.

`inferencer` checks with `refuse_unavailable` before it computes, and adds the bands afterwards. How the table was made
is for `training` to say.
"""

import numpy as np

from inference_container.errors import QuantilesUnavailable
from inference_container.forecasting.arrays import FloatArray
from inference_container.forecasting.plan import ForecastPlan


def refuse_unavailable(plan: ForecastPlan, levels: tuple[float, ...], steps: int) -> None:
    """Check that a bundle can give these levels (rising) for that many steps.

    Raises:
        QuantilesUnavailable: it carries no table, none as far out as that, or none beyond its native horizon.
    """
    if not levels:
        return
    if plan.quantiles is None:
        raise QuantilesUnavailable("This model was bundled without quantiles.")
    lowest, highest = plan.quantiles.levels[0], plan.quantiles.levels[-1]
    if levels[0] < lowest or levels[-1] > highest:
        raise QuantilesUnavailable(
            f"This model knows its quantiles from {lowest} to {highest}.", lowest=lowest, highest=highest
        )
    if steps > plan.output.horizon:
        raise QuantilesUnavailable(
            f"Quantiles reach {plan.output.horizon} steps, as far as the model was measured; {steps} were asked for.",
            horizon=plan.output.horizon,
        )


def bands(plan: ForecastPlan, levels: tuple[float, ...], values: FloatArray) -> FloatArray:
    """Quantiles (steps, targets, levels) around forecasts (steps, targets), raw units.

    Linear between the levels of the table, and never falling along them. The levels must have been found available.
    """
    if plan.quantiles is None or not levels:
        return np.empty((*values.shape, 0))
    stored = np.array(plan.quantiles.levels)
    # Interpolation is linear in the table: what it makes of each level's unit table are the weights of that level.
    weights = np.stack([np.interp(levels, stored, unit) for unit in np.eye(len(stored))])
    offsets: FloatArray = np.array(plan.quantiles.offsets)[: len(values)] @ weights
    found: FloatArray = values[..., np.newaxis] + np.maximum.accumulate(offsets, axis=-1)
    return found
