"""Which windows of a series are for fitting, which for stopping, which for judging; and what the network reads in them.

The split is chronological: a model is always judged on a time it has not seen. A window belongs to the part in which
its *targets* lie; its inputs may reach back into the part before, as they do in production.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference_container.errors import TooFewRows
from inference_container.forecasting.arrays import Float32Array
from inference_container.forecasting.plan import InputPlan, OutputPlan, ScalingPlan
from inference_container.forecasting.scaling import Scaler
from inference_container.forecasting.windows import features
from inference_container.training.data import Series

#: In percent.
TRAIN_SHARE, VALIDATION_SHARE = 70, 15


@dataclass(frozen=True, slots=True)
class SplitRows:
    """Grid rows: training up to `train_end`, validation up to `validation_end`, the rest for the back-test."""

    train_end: int
    validation_end: int
    rows: int


@dataclass(frozen=True, slots=True, eq=False)
class WindowSet:
    """Windows by the row they end at, over features computed once for the whole series."""

    #: (rows, features), scaled; NaN where the grid has a hole.
    rows: Float32Array
    #: (windows,): the last input row of each.
    ends: NDArray[np.int64]
    input_len: int
    horizon: int
    target_positions: tuple[int, ...]

    def inputs(self, chosen: NDArray[np.int64]) -> Float32Array:
        """(len(chosen), input_len, features) for windows ending at the rows `chosen`."""
        picked: Float32Array = self.rows[chosen[:, np.newaxis] + np.arange(1 - self.input_len, 1)]
        return picked

    def changes(self, chosen: NDArray[np.int64]) -> Float32Array:
        """(len(chosen), horizon, targets): scaled change of each target since the last input row."""
        targets = self.rows[:, list(self.target_positions)]
        ahead: Float32Array = targets[chosen[:, np.newaxis] + np.arange(1, self.horizon + 1)]
        return ahead - targets[chosen][:, np.newaxis]


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    train: WindowSet
    validation: WindowSet
    test: WindowSet


def split_rows(rows: int) -> SplitRows:
    """70 % to fit on, 15 % to stop by, 15 % to be judged on, in the order of time."""
    return SplitRows(rows * TRAIN_SHARE // 100, rows * (TRAIN_SHARE + VALIDATION_SHARE) // 100, rows)


def cut_parts(series: Series, plan: InputPlan, output: OutputPlan, scaling: ScalingPlan) -> Parts:
    """The windows of each part that touch no hole.

    Raises:
        TooFewRows: a part is left without windows.
    """
    grid = series.grid
    rows = features(grid.values[np.newaxis], grid.times[np.newaxis], plan, Scaler(scaling))[0]
    positions = tuple(plan.columns.index(name) for name in output.targets)
    whole = np.isfinite(rows).all(axis=1)
    # broken[i]: rows before i with a hole; equal at both ends of a stretch means that there is none inside.
    broken = np.concatenate(([0], np.cumsum(~whole)))
    split = split_rows(len(rows))

    def part(name: str, first: int, stop: int) -> WindowSet:
        """Windows whose targets lie in rows first..stop-1."""
        ends = np.arange(max(first - 1, plan.input_len - 1), stop - output.horizon)
        intact = broken[ends - plan.input_len + 1] == broken[ends + output.horizon + 1]
        found = ends[intact]
        if not len(found):
            needed = (plan.input_len + output.horizon + 1) * 100 // (100 - TRAIN_SHARE - VALIDATION_SHARE) + 1
            raise TooFewRows(
                f"The {name} part has no whole window of {plan.input_len} rows and {output.horizon} steps; "
                f"about {needed} rows are needed, the grid has {len(rows)}.",
                min_rows=needed,
                rows=len(rows),
            )
        return WindowSet(rows, found, plan.input_len, output.horizon, positions)

    return Parts(
        train=part("training", 0, split.train_end),
        validation=part("validation", split.train_end, split.validation_end),
        test=part("test", split.validation_end, split.rows),
    )
