"""One forecast, or a batch of them: the only place where a model answers.

Worker processes call `answer` with what crossed the pipe; the golden check, the demo and the claims door call
`forecast`. There are two roads to a window: `json_batch` takes the plain requests of a batch together, everything else
goes through its codec, `frame` and `windows` one by one. From the windows on there is one road for all.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from inference_container.errors import HorizonTooLong, InvalidSeries, InvalidTimestamps, NonFiniteForecast
from inference_container.forecasting.arrays import FloatArray, TimeArray
from inference_container.forecasting.backends.protocol import Backend
from inference_container.forecasting.bands import bands, refuse_unavailable
from inference_container.forecasting.codecs import codec_for
from inference_container.forecasting.codecs.json import encode_batch, with_timings
from inference_container.forecasting.codecs.protocol import AnswerContext, Forecast
from inference_container.forecasting.frame import Frame
from inference_container.forecasting.json_batch import PlainBatch, read_plain
from inference_container.forecasting.messages import Answered, ForecastQuery, ForecastReply, StageTimings
from inference_container.forecasting.plan import ForecastPlan
from inference_container.forecasting.rollout import Rollout
from inference_container.forecasting.timestamps import LATEST
from inference_container.forecasting.windows import Window, cut_window
from serving.errors import SluiceError, WorkFailed

#: Scaled inputs beyond this are refused: products of them would leave float32 and blame the model for the input.
_MAX_SCALED = 1e30
_TOO_LARGE = "The series holds values too large to compute with."


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A query that may be forecast: its window, how far to go, and which quantiles to add."""

    window: Window
    steps: int
    levels: tuple[float, ...] = ()


class _Computed(NamedTuple):
    """Forecasts of a batch, and what to say where there is none."""

    #: (batch, at least the most steps asked for, targets), raw units.
    values: FloatArray
    #: By row of the batch.
    faults: dict[int, SluiceError]
    calls: int


class Inferencer:
    """A plan and a backend, ready to answer. Blocking and not thread-safe: it belongs to one thread or process."""

    def __init__(
        self,
        plan: ForecastPlan,
        backend: Backend,
        *,
        identifier: str = "default",
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`identifier` is echoed in every answer; it names the deployment, not the model. `timer` gives seconds."""
        self.plan = plan
        self.backend = backend
        self.identifier = identifier
        self._rollout = Rollout(plan, backend)
        self._context = AnswerContext(identifier, plan)
        self._timer = timer
        self._step = plan.step

    def beat_with(self, pulse: Callable[[], None]) -> None:
        """`pulse` is called between the forward passes of long forecasts: the work is moving."""
        self._rollout.pulse = pulse

    def answer(self, queries: Sequence[ForecastQuery]) -> Answered:
        """A reply per query, in their order; a query that can not be answered gets its own error.

        What the network itself raises goes through: it concerns the batch, and the process decides what to do.
        """
        laps = [self._timer()]
        plain = read_plain(queries, self.plan)
        replies, jobs = self._take_carefully(queries, plain)
        last, values = plain.last, plain.values
        if jobs:
            last = np.concatenate((last, [job.window.last for job in jobs.values()]))
            values = np.concatenate((values, [job.window.values for job in jobs.values()]))
        steps = [*plain.steps, *(job.steps for job in jobs.values())]
        laps.append(self._timer())
        computed = self._compute(values, last, steps, laps)
        for row, fault in computed.faults.items():
            replies[(*plain.positions, *jobs)[row]] = fault
        self._encode_plain(queries, plain, computed, replies)
        for row, (position, job) in enumerate(jobs.items(), start=len(plain.positions)):
            if row not in computed.faults:
                replies[position] = self._encode(queries[position], job, computed.values[row])
        laps.append(self._timer())
        timings = _timings(laps, computed.calls)
        for position, query in enumerate(queries):
            reply = replies[position]
            if query.options is not None and query.options.timings and isinstance(reply, bytes):
                replies[position] = with_timings(reply, timings)
        return Answered([replies[position] for position in range(len(queries))], timings)

    def forecast(self, frame: Frame, steps: int, levels: tuple[float, ...] = ()) -> Forecast:
        """Forecast `steps` rows after the last one of `frame`, with quantiles of these levels (rising).

        Raises:
            InvalidSeries: the series, the number of steps or the levels do not suit the model.
            NonFiniteForecast: the model answered NaN or infinity.
        """
        job = self._job(frame, steps, levels)
        computed = self._compute(job.window.values[np.newaxis], np.array([job.window.last]), [steps], [])
        for fault in computed.faults.values():
            raise fault
        return self._forecast(job, computed.values[0])

    def warm_up(self, batch: int) -> None:
        """Run a batch of that size once, so that the first caller does not pay for first-time allocations."""
        values = np.tile(np.array(self.plan.scaling.center), (batch, self.plan.input.input_len, 1))
        self.backend.forward(self._rollout.features(values, np.zeros(batch, dtype="datetime64[us]")))

    def _take_carefully(
        self, queries: Sequence[ForecastQuery], plain: PlainBatch
    ) -> tuple[dict[int, ForecastReply], dict[int, _Job]]:
        """The queries that are not plain: errors and jobs, by position."""
        replies: dict[int, ForecastReply] = {}
        jobs: dict[int, _Job] = {}
        for position in sorted(set(range(len(queries))).difference(plain.positions)):
            prepared = self._prepare(queries[position])
            if isinstance(prepared, _Job):
                jobs[position] = prepared
            else:
                replies[position] = prepared
        return replies, jobs

    def _prepare(self, query: ForecastQuery) -> _Job | SluiceError:
        try:
            request = codec_for(query.kind).decode(query, self.plan)
            return self._job(request.frame, request.inference_length, request.quantiles)
        except SluiceError as error:
            # A new one: the one that was raised holds its frames, with the file and the whole batch in them, and a
            # reply in that batch closes the circle. Only a full collection would end it.
            return error.with_details()
        except Exception as error:
            # Bodies come from outside: what none of us foresaw in one must not take its neighbours along.
            return WorkFailed(f"The request could not be prepared: {type(error).__name__}.")

    def _job(self, frame: Frame, steps: int, levels: tuple[float, ...]) -> _Job:
        output = self.plan.output
        if not 1 <= steps <= output.max_steps:
            raise HorizonTooLong(
                f"The model forecasts 1 to {output.max_steps} steps; {steps} were asked for.",
                max_inference_length=output.max_steps,
            )
        refuse_unavailable(self.plan, levels, steps)
        window = cut_window(frame, self.plan.input)
        if LATEST - window.last < steps * self.plan.step:
            raise InvalidTimestamps("The forecast would reach beyond the year 9999.")
        return _Job(window, steps, levels)

    def _compute(self, values: FloatArray, last: TimeArray, steps: Sequence[int], laps: list[float]) -> _Computed:
        """Forecasts for windows (batch, input_len, columns); a time is added to `laps` after each of three stages."""
        faults: dict[int, SluiceError] = {}
        rows = self._rollout.features(values, last)
        # Written so that what is not a number at all counts as too large.
        if not np.abs(rows).max(initial=0.0) < _MAX_SCALED:
            peaks = np.abs(rows).max(axis=(1, 2))
            faults = {row: InvalidSeries(_TOO_LARGE) for row, peak in enumerate(peaks) if not peak < _MAX_SCALED}
            steps = [0 if row in faults else each for row, each in enumerate(steps)]
        laps.append(self._timer())
        reached = self._rollout.reach(rows, last, steps)
        laps.append(self._timer())
        raw = self._rollout.raw(reached.values)
        if not bool(np.isfinite(raw).all()):
            # Steps beyond those asked for may be anything.
            finite = [bool(np.isfinite(raw[row, :asked]).all()) for row, asked in enumerate(steps)]
            faults |= {row: NonFiniteForecast() for row, each in enumerate(finite) if not each}
        laps.append(self._timer())
        return _Computed(raw, faults, reached.calls)

    def _encode_plain(
        self,
        queries: Sequence[ForecastQuery],
        plain: PlainBatch,
        computed: _Computed,
        replies: dict[int, ForecastReply],
    ) -> None:
        lengths = set(plain.steps)
        for steps in lengths:
            last, values = plain.last, computed.values[: len(plain.positions)]
            positions: Sequence[int] = plain.positions
            if len(lengths) > 1 or computed.faults:
                rows = [row for row, each in enumerate(plain.steps) if each == steps and row not in computed.faults]
                last, values, positions = last[rows], values[rows], [plain.positions[row] for row in rows]
            req_ids = [queries[position].req_id for position in positions]
            answers = encode_batch(req_ids, self._times(last, steps), values[:, :steps], self._context)
            replies.update(zip(positions, answers, strict=True))

    def _encode(self, query: ForecastQuery, job: _Job, values: FloatArray) -> ForecastReply:
        return codec_for(query.kind).encode(query, self._forecast(job, values), self._context)

    def _forecast(self, job: _Job, values: FloatArray) -> Forecast:
        values = values[: job.steps]
        times = self._times(np.array([job.window.last]), job.steps)[0]
        quantiles = bands(self.plan, job.levels, values) if job.levels else None
        return Forecast(self.plan.output.targets, times, values, job.levels, quantiles)

    def _times(self, last: TimeArray, steps: int) -> TimeArray:
        """Times of the forecast rows, (batch, steps), after the last ones of a batch."""
        if steps == 1:
            return last[:, np.newaxis] + self._step
        times: TimeArray = last[:, np.newaxis] + self._step * np.arange(1, steps + 1)
        return times


def _timings(laps: Sequence[float], calls: int) -> StageTimings:
    begun, decoded, prepared, predicted, inverted, encoded = [1000.0 * lap for lap in laps]
    return StageTimings(
        precheck_ms=decoded - begun,
        window_data_ms=prepared - decoded,
        model_predict_ms=predicted - prepared,
        inverse_scale_ms=inverted - predicted,
        json_serialize_ms=encoded - inverted,
        overall_ms=encoded - begun,
        model_predict_calls=calls,
    )
