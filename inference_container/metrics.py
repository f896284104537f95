"""The forecast service's Prometheus metrics. Names and labels are the predecessor's, so its dashboards go on working.

What a queue or a pool knows is read at scrape time; only outcomes and durations are recorded as they happen.
"""

from collections.abc import Callable
from typing import Literal

from serving.lane_statistics import LaneStatistics
from serving.loop_lag import LoopLag
from serving.metrics import Metrics, Reading

Outcome = Literal["success", "client_error", "exception", "rejected", "timeout", "abandoned"]

#: Seconds; the predecessor's buckets, and below them what a forecast takes now.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)

#: Relative; from rounding to another model altogether.
DIFFERENCES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.25, 0.5, 1.0)
#: The stages of `messages.StageTimings`, in its order.
STAGES = ("precheck", "window_data", "model_predict", "inverse_scale", "json_serialize", "overall")


class InferenceMetrics(Metrics):
    def __init__(self) -> None:
        super().__init__()
        self.outcomes = self.counter(
            "inference_jobs_outcome_total",
            "Forecast requests by what became of them; the schema's and the body bound's refusals are not among them.",
            "outcome",
        )
        self.queue_wait = self.histogram(
            "inference_queue_wait_seconds", "From admission to the start of the batch.", buckets=BUCKETS
        )
        self.latency = self.histogram(
            "inference_latency_seconds", "From admission to the answer, waiting and failures included.", buckets=BUCKETS
        )
        self.latency_latest = 0.0
        self.batch = self.histogram(
            "inference_batch_size", "Requests in one forward pass.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
        )
        self.succeeded = self.outcomes.labels("success")
        self.rejected = self.counter("inference_rejected_total", "Requests refused at the door, by reason.", "reason")
        stages = self.histogram(
            "inference_stage_seconds", "One batch's time in each stage of the worker.", "stage", buckets=BUCKETS
        )
        #: In the order of `messages.StageTimings`.
        self.stage_series = [stages.labels(name) for name in STAGES]
        self.shadow_batches = self.counter(
            "inference_shadow_batches_total", "Batches that the shadow answered too, by what came out.", "outcome"
        )
        self.shadow_difference = self.histogram(
            "inference_shadow_relative_difference",
            "First forecast value of a batch: the shadow's against the served one's, relative.",
            buckets=DIFFERENCES,
        )
        self.cache = self.counter(
            "inference_cache_total", "Requests while the answer cache is on, by what it did.", "outcome"
        )
        self.model = self.gauge(
            "inference_model_info",
            "1 for the bundle that is served, or runs as its shadow.",
            *("bundle_id", "name", "backend", "role"),
        )

    def watch(
        self,
        lane: Callable[[], LaneStatistics],
        claims: Callable[[], LaneStatistics],
        workers: Callable[[], tuple[int, int]],
        restarts: Callable[[], int],
        ready: Callable[[], bool],
        lag: LoopLag,
    ) -> None:
        """Exports what the lanes, the pool (total, busy), the lifecycle and the loop say of themselves."""

        def utilization() -> float:
            total, busy = workers()
            return busy / total if total else 0.0

        self.read(
            Reading("inference_queue_len", "Requests waiting.", lambda: lane().depth),
            Reading("inference_queue_capacity", "Requests that may wait.", lambda: lane().capacity),
            Reading("inference_queue_bytes", "Bodies held, waiting or running.", lambda: lane().held_bytes),
            Reading("inference_claims_queue_len", "Claims waiting.", lambda: claims().depth),
            Reading("inference_claims_queue_bytes", "Claims' frames held.", lambda: claims().held_bytes),
            Reading(
                "inference_expired",
                "Requests whose deadline passed.",
                lambda: lane().expired + claims().expired,
                "counter",
            ),
            Reading("inference_latency_latest_seconds", "The last answer's latency.", lambda: self.latency_latest),
            Reading(
                "inference_queue_wait_latest_seconds",
                "How long the last started one waited.",
                lambda: lane().last_wait_s,
            ),
            Reading(
                "inference_queue_oldest_wait_seconds",
                "How long the oldest waiting one waits.",
                lambda: lane().oldest_wait_s,
            ),
            Reading("inference_active_workers", "Workers that compute now.", lambda: workers()[1]),
            Reading("inference_workers_total", "Workers that hold the model.", lambda: workers()[0]),
            Reading("inference_workers_busy", "Workers that compute now.", lambda: workers()[1]),
            Reading("inference_workers_idle", "Workers that wait for work.", lambda: workers()[0] - workers()[1]),
            Reading("inference_worker_utilization", "Busy workers over all, 0 to 1.", utilization),
            Reading("inference_worker_restarts", "Workers started beyond the first of each.", restarts, "counter"),
            Reading(
                "inference_jobs_processed",
                "Forecasts answered.",
                lambda: lane().completed + claims().completed,
                "counter",
            ),
            Reading("inference_model_ready", "1 when a forecast can be served.", lambda: float(ready())),
            Reading("event_loop_lag_seconds", "The event loop's last lag.", lambda: lag.statistics().last_ms / 1000),
            Reading("event_loop_lag_max_seconds", "Its worst since the start.", lambda: lag.statistics().max_ms / 1000),
        )
