"""The chat service's Prometheus metrics."""

from collections.abc import Callable

from serving.admission import LaneStatistics
from serving.loop_lag import LoopLag
from serving.metrics import Metrics, Reading


class ChatMetrics(Metrics):
    def __init__(self) -> None:
        super().__init__()
        self.requests = self.counter(
            "triage_requests_total",
            "Triage requests: answered, degraded, abandoned, or an error code.",
            "outcome",
        )
        self.queue_wait = self.histogram(
            "triage_queue_wait_seconds", "From admission to the engine's first work on it."
        )
        self.first_token = self.histogram("triage_ttft_seconds", "From admission to the first piece of text.")
        self.duration = self.histogram("triage_inference_seconds", "From admission to the whole text.")
        self.tokens = self.counter("triage_tokens_total", "Tokens read (prompt) and written (generated).", "kind")
        self.load = self.gauge("triage_model_load_seconds", "How long the last load took, download included.")
        self.model = self.gauge("triage_model_info", "1 for the model that answers.", "model", "llm_mode")

    def watch(
        self,
        lane: Callable[[], LaneStatistics],
        restarts: Callable[[], int],
        ready: Callable[[], bool],
        lag: LoopLag,
    ) -> None:
        """Exports what the lane, the engine, the lifecycle and the loop say of themselves."""
        self.read(
            Reading("triage_queue_depth", "Requests waiting for the engine.", lambda: lane().depth),
            Reading("triage_queue_capacity", "Requests that may wait.", lambda: lane().capacity),
            Reading("triage_queue_oldest_wait_seconds", "How long the oldest one waits.", lambda: lane().oldest_wait_s),
            Reading("triage_slots_busy", "Requests the engine works on.", lambda: lane().running),
            Reading(
                "triage_rejected", "Requests refused because the queue was full.", lambda: lane().rejected, "counter"
            ),
            Reading("triage_engine_restarts", "Engine processes started beyond the first.", restarts, "counter"),
            Reading("triage_model_ready", "1 when the model can be asked.", lambda: float(ready())),
            Reading("event_loop_lag_seconds", "The event loop's last lag.", lambda: lag.statistics().last_ms / 1000),
            Reading("event_loop_lag_max_seconds", "Its worst since the start.", lambda: lag.statistics().max_ms / 1000),
        )
