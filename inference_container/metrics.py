"""The forecast service's Prometheus metrics. Names and labels are the predecessor's, so its dashboards go on working.

What a queue or a pool knows is read at scrape time; only outcomes and durations are recorded as they happen. Callers
and claims have lanes of their own, and the label `lane` keeps them apart: a claim may wait for minutes.
"""

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias, get_args

from serving.described import Label
from serving.lane_statistics import LaneStatistics
from serving.metrics import Metrics
from serving.readings import LabelledReading, Reading

Outcome: TypeAlias = Literal["success", "client_error", "exception", "rejected", "timeout", "abandoned"]
Lane: TypeAlias = Literal["callers", "claims"]

#: Seconds; the predecessor's buckets, and below them what a forecast takes now.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)

#: Relative; from rounding to another model altogether.
DIFFERENCES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.25, 0.5, 1.0)
#: The stages of `messages.StageTimings`, in its order.
STAGES = ("precheck", "window_data", "model_predict", "inverse_scale", "json_serialize", "overall")

_LANE = Label("lane", get_args(Lane))


class LaneMetrics:
    """What is recorded of one lane, its series looked up once."""

    def __init__(self, metrics: "InferenceMetrics", lane: Lane) -> None:
        self.outcomes = {outcome: metrics.outcomes.labels(outcome, lane) for outcome in get_args(Outcome)}
        self.success = self.outcomes["success"]
        self.queue_wait = metrics.queue_wait.labels(lane)
        self.latency = metrics.latency.labels(lane)


class InferenceMetrics(Metrics):
    def __init__(self) -> None:
        super().__init__()
        self.outcomes = self.counter(
            "inference_jobs_outcome_total",
            "Forecasts that were asked for, by what became of them; refusals of the schema count as well. Callers: one "
            "for each request, and one for each series of a request for many; not those that the answer cache "
            "answered, nor those refused for the length that they announced on another way than /predict. Claims: one "
            "for each try.",
            Label("outcome", get_args(Outcome)),
            _LANE,
        )
        self.queue_wait = self.histogram(
            "inference_queue_wait_seconds",
            "From admission to the start of the batch; of those that never started, to the moment they were given up.",
            _LANE,
            buckets=BUCKETS,
        )
        self.latency = self.histogram(
            "inference_latency_seconds",
            "From admission to the answer, waiting and failures included; without callers who hung up.",
            _LANE,
            buckets=BUCKETS,
        )
        self.latency_latest = 0.0
        self.batch = self.histogram(
            "inference_batch_size",
            "Requests in one forward pass, callers' and claims': 1 when quiet, near BATCH_SIZE when full.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
        )
        self.callers, self.claims = LaneMetrics(self, "callers"), LaneMetrics(self, "claims")
        self.rejected = self.counter(
            "inference_rejected_total",
            "Callers who were told to come back later, by the error's code.",
            Label("reason", ("queue_full", "not_ready", "draining")),
        )
        stages = self.histogram(
            "inference_stage_seconds",
            "What one batch spent in each stage of the worker; `precheck` is the reading of all bodies.",
            Label("stage", STAGES),
            buckets=BUCKETS,
        )
        #: In the order of `messages.StageTimings`.
        self.stage_series = [stages.labels(name) for name in STAGES]
        self.shadow_batches = self.counter(
            "inference_shadow_batches_total",
            "Batches that the shadow was given too, by what came out.",
            Label("outcome", ("answered", "failed")),
        )
        self.shadow_difference = self.histogram(
            "inference_shadow_relative_difference",
            "First forecast value of a batch: the shadow's against the served one's, relative.",
            buckets=DIFFERENCES,
            unit="share",
        )
        self.cache = self.counter(
            "inference_cache_total",
            "Requests while the answer cache is on: answered from it, forecast and kept, or none that it could keep (a "
            "body that is no JSON).",
            Label("outcome", ("hit", "miss", "bypass")),
        )
        self.model = self.gauge(
            "inference_model_info",
            "1 for the bundle that is served, or runs as its shadow.",
            Label("bundle_id", of="its hash, of those two"),
            Label("name", of="its name, of those two"),
            Label("backend", ("numpy", "onnxruntime", "torch")),
            Label("role", ("serving", "shadow")),
        )

    def watch(
        self,
        lane: Callable[[], LaneStatistics],
        claims: Callable[[], LaneStatistics],
        workers: Callable[[], tuple[int, int]],
        restarts: Callable[[], int],
        ready: Callable[[], bool],
    ) -> None:
        """Exports what the lanes, the pool (total, busy) and the lifecycle say of themselves."""

        def utilization() -> float:
            total, busy = workers()
            return busy / total if total else 0.0

        def of_lanes(pick: Callable[[LaneStatistics], int]) -> Callable[[], Mapping[tuple[str, ...], float]]:
            return lambda: {("callers",): pick(lane()), ("claims",): pick(claims())}

        self.read(
            Reading("inference_queue_len", "Requests waiting.", lambda: lane().depth),
            Reading("inference_queue_capacity", "Requests that may wait.", lambda: lane().capacity),
            Reading(
                "inference_queue_bytes",
                "Bodies of the callers' lane: waiting, in work or being read.",
                lambda: lane().held_bytes,
            ),
            Reading("inference_claims_queue_len", "Claims' forecasts waiting.", lambda: claims().depth),
            Reading(
                "inference_claims_queue_bytes", "Bodies of the claims' lane, as above.", lambda: claims().held_bytes
            ),
            LabelledReading(
                "inference_expired",
                "Forecasts whose deadline passed after they were admitted.",
                (_LANE,),
                of_lanes(lambda each: each.expired),
                "counter",
            ),
            Reading(
                "inference_latency_latest_seconds",
                "Latency of the last success, of either lane; it stands until the next one.",
                lambda: self.latency_latest,
            ),
            Reading(
                "inference_queue_wait_latest_seconds",
                "How long the caller waited that was started last; it stands until the next one.",
                lambda: lane().last_wait_s,
            ),
            Reading(
                "inference_queue_oldest_wait_seconds",
                "How long the first caller in line has waited; 0 when nobody waits.",
                lambda: lane().oldest_wait_s,
            ),
            Reading(
                "inference_active_workers",
                "The same as inference_workers_busy, under an older name.",
                lambda: workers()[1],
            ),
            Reading(
                "inference_workers_total",
                "Workers that hold the model; `runtime_start` and `workers_scaled` say how many there should be.",
                lambda: workers()[0],
            ),
            Reading("inference_workers_busy", "Workers that compute now.", lambda: workers()[1]),
            Reading("inference_workers_idle", "Workers that wait for work.", lambda: workers()[0] - workers()[1]),
            Reading("inference_worker_utilization", "Busy workers over all.", utilization, unit="share"),
            Reading("inference_worker_restarts", "Workers started beyond the first of each.", restarts, "counter"),
            LabelledReading(
                "inference_jobs_processed",
                "Forecasts answered.",
                (_LANE,),
                of_lanes(lambda each: each.completed),
                "counter",
            ),
            Reading("inference_model_ready", "1 when a forecast can be served.", lambda: float(ready())),
        )
