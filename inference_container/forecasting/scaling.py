"""Scaling per column: raw units to what the network saw in training, and back.

Fitted once, by `training`, on the first part of the data only; afterwards it is numbers in the manifest. Calendar
features never pass through here.
"""

from collections.abc import Sequence
from typing import assert_never

import numpy as np

from inference_container.forecasting.arrays import FloatArray
from inference_container.forecasting.plan import ScalerKind, ScalingPlan


def fit_scaling(values: FloatArray, kind: ScalerKind) -> ScalingPlan:
    """Center and scale of each column of `values` (rows, columns); NaN is left out of account.

    A column that never changes gets the scale 1, so that it maps to 0 instead of dividing by nothing.
    """
    columns = values.shape[1]
    match kind:
        case "minmax":
            center = np.nanmin(values, axis=0)
            scale = np.nanmax(values, axis=0) - center
        case "standard":
            center = np.nanmean(values, axis=0)
            scale = np.nanstd(values, axis=0)
        case "robust":
            low, center, high = np.nanpercentile(values, [25.0, 50.0, 75.0], axis=0)
            scale = high - low
        case "none":
            center, scale = np.zeros(columns), np.ones(columns)
        case _:
            assert_never(kind)
    scale = np.where(scale > 0.0, scale, 1.0)
    return ScalingPlan(center=tuple(map(float, center)), scale=tuple(map(float, scale)))


class Scaler:
    """A `ScalingPlan` as arrays: built once per model, applied to whole batches."""

    def __init__(self, plan: ScalingPlan) -> None:
        self._center: FloatArray = np.array(plan.center, dtype=np.float64)
        self._scale: FloatArray = np.array(plan.scale, dtype=np.float64)

    @property
    def scale(self) -> FloatArray:
        """The scale per column: raw units that make one scaled unit."""
        return self._scale

    def apply(self, raw: FloatArray) -> FloatArray:
        """Scaled values; the last axis of `raw` is the columns."""
        return (raw - self._center) / self._scale

    def invert(self, scaled: FloatArray) -> FloatArray:
        """Raw units again; the last axis is the columns."""
        return scaled * self._scale + self._center

    def select(self, positions: Sequence[int]) -> "Scaler":
        """The scaler of some of the columns, in the order named."""
        chosen = list(positions)
        return Scaler(ScalingPlan(tuple(self._center[chosen].tolist()), tuple(self._scale[chosen].tolist())))
