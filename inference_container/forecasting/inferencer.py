"""One forecast, or a batch of them: the only place where a model answers.

Worker processes call `answer` with what crossed the pipe; the golden check, the demo and the claims door call
`forecast`. Both take the same road: window, features, one forward for the whole batch, back to raw units.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference_container.errors import HorizonTooLong, InvalidSeries, InvalidTimestamps, NonFiniteForecast
from inference_container.forecasting.backends.protocol import Backend
from inference_container.forecasting.calendar import calendar_features
from inference_container.forecasting.codecs import codec_for
from inference_container.forecasting.codecs.protocol import AnswerContext, Forecast
from inference_container.forecasting.frame import Frame
from inference_container.forecasting.messages import Answered, ForecastQuery, ForecastReply, HeadedReply, StageTimings
from inference_container.forecasting.plan import Float32Array, FloatArray, ForecastPlan, TimeArray
from inference_container.forecasting.scaling import Scaler
from inference_container.forecasting.timestamps import LATEST
from inference_container.forecasting.windows import Window, cut_window, features, window_times
from serving.errors import SluiceError, WorkFailed

#: Scaled inputs beyond this are refused: products of them would leave float32 and blame the model for the input.
_MAX_SCALED = 1e30
_TOO_LARGE = "The series holds values too large to compute with."


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A query that may be forecast: its window, and how far to go."""

    window: Window
    steps: int


_Outcome: TypeAlias = Forecast | SluiceError


class Inferencer:
    """A plan and a backend, ready to answer. Blocking and not thread-safe: it belongs to one thread or process."""

    def __init__(self, plan: ForecastPlan, backend: Backend, *, identifier: str = "default") -> None:
        """`identifier` is echoed in every answer; it names the deployment, not the model."""
        self.plan = plan
        self.backend = backend
        self.identifier = identifier
        self._scaler = Scaler(plan.scaling)
        self._target_scaler = Scaler(plan.target_scaling)

    def answer(self, queries: Sequence[ForecastQuery]) -> Answered:
        """A reply per query, in their order; a query that can not be answered gets its own error.

        What the network itself raises goes through: it concerns the batch, and the process decides what to do.
        """
        prepared = [self._prepare(query) for query in queries]
        jobs = [each for each in prepared if isinstance(each, _Job)]
        outcomes = iter(self._run(jobs))
        replies: list[ForecastReply] = []
        for query, each in zip(queries, prepared, strict=True):
            outcome = next(outcomes) if isinstance(each, _Job) else each
            replies.append(outcome if isinstance(outcome, SluiceError) else self._encode(query, outcome))
        return Answered(replies, StageTimings(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1))

    def forecast(self, frame: Frame, steps: int) -> Forecast:
        """Forecast `steps` rows after the last one of `frame`.

        Raises:
            InvalidSeries: the series or the number of steps does not suit the model.
            NonFiniteForecast: the model answered NaN or infinity.
        """
        (outcome,) = self._run([self._job(frame, steps)])
        if isinstance(outcome, SluiceError):
            raise outcome
        return outcome

    def warm_up(self, batch: int) -> None:
        """Run a batch of that size once, so that the first caller does not pay for first-time allocations."""
        plan = self.plan.input
        values = np.tile(np.array(self.plan.scaling.center), (batch, plan.input_len, 1))
        times = window_times(np.zeros(batch, dtype="datetime64[us]"), plan)
        self.backend.forward(features(values, times, plan, self._scaler))

    def _prepare(self, query: ForecastQuery) -> _Job | SluiceError:
        try:
            request = codec_for(query.kind).decode(query, self.plan)
            return self._job(request.frame, request.inference_length)
        except SluiceError as error:
            return error
        except Exception as error:
            # Bodies come from outside: what none of us foresaw in one must not take its neighbours along.
            return WorkFailed(f"The request could not be prepared: {type(error).__name__}.")

    def _job(self, frame: Frame, steps: int) -> _Job:
        output = self.plan.output
        if not 1 <= steps <= output.max_steps:
            raise HorizonTooLong(
                f"The model forecasts 1 to {output.max_steps} steps; {steps} were asked for.",
                max_inference_length=output.max_steps,
            )
        window = cut_window(frame, self.plan.input)
        if LATEST - window.last < steps * self.plan.step:
            raise InvalidTimestamps("The forecast would reach beyond the year 9999.")
        return _Job(window, steps)

    def _run(self, jobs: Sequence[_Job]) -> list[_Outcome]:
        if not jobs:
            return []
        last = np.array([job.window.last for job in jobs])
        windows = np.stack([job.window.values for job in jobs])
        rows = features(windows, window_times(last, self.plan.input), self.plan.input, self._scaler)
        sound: NDArray[np.bool_] = np.abs(rows).max(axis=(1, 2)) < _MAX_SCALED
        raw = self._reach(rows, last, np.where(sound, [job.steps for job in jobs], 0))
        return [
            self._outcome(job, raw[position, : job.steps]) if sound[position] else InvalidSeries(_TOO_LARGE)
            for position, job in enumerate(jobs)
        ]

    def _reach(self, rows: Float32Array, last: TimeArray, steps: NDArray[np.int64]) -> FloatArray:
        """Raw targets, (batch, at least max(steps), targets): one forward per horizon for the rows still going on."""
        horizon = self.plan.output.horizon
        found = np.zeros((len(rows), -(-int(steps.max()) // horizon) * horizon, self.plan.network.targets))
        active = np.arange(len(rows))
        for done in range(0, found.shape[1], horizon):
            going_on = steps[active] > done
            rows, active = rows[going_on], active[going_on]
            forecast = self.backend.forward(rows)
            found[active, done : done + horizon] = forecast
            if done + horizon < found.shape[1]:
                rows = self._fed_back(rows, forecast, last[active], done)
        return self._target_scaler.invert(found)

    def _fed_back(self, rows: Float32Array, forecast: Float32Array, last: TimeArray, done: int) -> Float32Array:
        """The next windows of a recursive forecast: the oldest rows leave, the forecast rows enter."""
        steps = self.plan.step * np.arange(done + 1, done + 1 + forecast.shape[1])
        times: TimeArray = last[:, np.newaxis] + steps
        # Every column is a target here (the manifest checks it), but not in the order of the inputs.
        order = np.argsort(self.plan.network.target_positions)
        entering = np.concatenate((forecast[..., order], calendar_features(times, self.plan.input.calendar)), axis=-1)
        joined = np.concatenate((rows, entering.astype(np.float32)), axis=1)
        return np.ascontiguousarray(joined[:, -self.plan.input.input_len :])

    def _outcome(self, job: _Job, values: FloatArray) -> _Outcome:
        if not bool(np.all(np.isfinite(values))):
            return NonFiniteForecast()
        times = job.window.last + self.plan.step * np.arange(1, job.steps + 1)
        return Forecast(self.plan.output.targets, times, values)

    def _encode(self, query: ForecastQuery, forecast: Forecast) -> bytes | HeadedReply:
        return codec_for(query.kind).encode(query, forecast, AnswerContext(self.identifier, self.plan))
