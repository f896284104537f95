"""From windows to forecasts: features, one forward for the whole batch, and the way beyond the native horizon.

`inferencer` calls the three steps one after the other, so that it can say how long each took. Everything here is about
a batch; which request a row belongs to, and what to answer it, is not known here.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from inference_container.forecasting.arrays import Float32Array, FloatArray, TimeArray
from inference_container.forecasting.backends.protocol import Backend
from inference_container.forecasting.calendar import calendar_features
from inference_container.forecasting.plan import ForecastPlan
from inference_container.forecasting.scaling import Scaler
from inference_container.forecasting.windows import features


class Reached(NamedTuple):
    """Forecasts of a batch, scaled."""

    #: (batch, at least the most steps asked for, targets); 0 where nobody asked.
    values: FloatArray
    #: Forward passes it took.
    calls: int


class Rollout:
    """A backend and the numbers of its plan."""

    def __init__(self, plan: ForecastPlan, backend: Backend) -> None:
        self._plan = plan
        self._backend = backend
        self._scaler = Scaler(plan.scaling)
        self._target_scaler = Scaler(plan.target_scaling)
        #: Called before each forward pass of a long forecast: ten thousand of them take longer than silence may.
        self.pulse: Callable[[], None] = lambda: None
        #: Times of the window rows, seen from the last of them.
        self._window = -plan.step * np.arange(plan.input.input_len - 1, -1, -1)

    def features(self, values: FloatArray, last: TimeArray) -> Float32Array:
        """What the network reads, (batch, input_len, features), for windows in raw units that end at `last`."""
        return features(values, last[:, np.newaxis] + self._window, self._plan.input, self._scaler)

    def reach(self, rows: Float32Array, last: TimeArray, steps: Sequence[int]) -> Reached:
        """Forecast `steps` rows after `last`, for each window its own number; 0 for what shall not be computed."""
        horizon = self._plan.output.horizon
        if steps and min(steps) > 0 and max(steps) <= horizon:
            return Reached(self._backend.forward(rows).astype(np.float64), 1)
        calls = -(-max(steps, default=0) // horizon)
        found = np.zeros((len(rows), calls * horizon, self._plan.network.targets))
        active, wanted = np.arange(len(rows)), np.array(steps, dtype=np.int64)
        for done in range(0, found.shape[1], horizon):
            # One forward per horizon, for the windows still going on.
            going_on = wanted[active] > done
            rows, active = rows[going_on], active[going_on]
            self.pulse()
            forecast = self._backend.forward(rows)
            found[active, done : done + horizon] = forecast
            if done + horizon < found.shape[1]:
                rows = self._fed_back(rows, forecast, last[active], done)
        return Reached(found, calls)

    def raw(self, scaled: FloatArray) -> FloatArray:
        """Forecasts in the units of the targets."""
        return self._target_scaler.invert(scaled)

    def _fed_back(self, rows: Float32Array, forecast: Float32Array, last: TimeArray, done: int) -> Float32Array:
        """The next windows of a recursive forecast: the oldest rows leave, the forecast rows enter."""
        plan, ahead = self._plan, forecast.shape[1]
        times: TimeArray = last[:, np.newaxis] + plan.step * np.arange(done + 1, done + 1 + ahead)
        columns = len(plan.input.columns)
        entering = np.empty((len(rows), ahead, rows.shape[2]), dtype=np.float32)
        # Columns that are forecast are overwritten below; the others are held at their last value.
        entering[..., :columns] = rows[:, -1:, :columns]
        entering[..., list(plan.network.target_positions)] = forecast
        entering[..., columns:] = calendar_features(times, plan.input.calendar)
        joined = np.concatenate((rows, entering), axis=1)
        return np.ascontiguousarray(joined[:, -plan.input.input_len :])
