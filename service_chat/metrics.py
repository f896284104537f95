"""The chat service's Prometheus metrics."""

from collections.abc import Callable, Iterable
from typing import Protocol

from serving.lane_statistics import LaneStatistics
from serving.loop_lag import LoopLag
from serving.metrics import Metrics, Reading


class Load(Protocol):
    """What an engine says of its load; see `EngineLoad`, which stands on a floor above."""

    @property
    def slots(self) -> int: ...
    @property
    def prefill_rate(self) -> float: ...
    @property
    def decode_rate(self) -> float: ...
    @property
    def kv_tokens(self) -> int: ...
    @property
    def kv_capacity(self) -> int: ...


class ChatMetrics(Metrics):
    def __init__(self) -> None:
        super().__init__()
        self.requests = self.counter(
            "triage_requests_total",
            "Triage requests: answered, degraded, abandoned, or an error code.",
            "outcome",
        )
        # The rest is observed in the lane, so it counts the chats of both doors.
        self.chats = self.counter(
            "triage_chats_total",
            "Chats that asked for an engine, by either door: a finish reason, abandoned, or an error code.",
            "llm_mode",
            "outcome",
        )
        self.rejected = self.counter(
            "triage_rejected_total",
            "Chats refused at the door: queue_full, too_late (its turn would come after its deadline), draining.",
            "reason",
        )
        self.cancelled = self.counter(
            "triage_cancelled_total",
            "Chats whose caller left or whose deadline passed, by how far they were: queued, prefill, decode.",
            "stage",
        )
        self.queue_wait = self.histogram(
            "triage_queue_wait_seconds", "From admission to the engine's first work on it."
        )
        self.first_token = self.histogram("triage_ttft_seconds", "From admission to the first piece of text.")
        self.inter_token = self.histogram("triage_inter_token_seconds", "From one piece of text to the next.")
        self.duration = self.histogram("triage_inference_seconds", "From admission to the whole text.")
        self.tokens = self.counter(
            "triage_tokens_total",
            "Tokens of prompts (prompt), of them not read again (cached), of answers (generated), guessed (drafted) "
            "and guessed rightly (accepted).",
            "kind",
        )
        self.load = self.gauge("triage_model_load_seconds", "How long the last load took, download included.")
        self.model = self.gauge("triage_model_info", "1 for the model that answers.", "model", "llm_mode")

    def watch(
        self,
        lanes: Callable[[], Iterable[LaneStatistics]],
        loads: Callable[[], Iterable[Load]],
        restarts: Callable[[], int],
        ready: Callable[[], bool],
        lag: LoopLag,
    ) -> None:
        """Exports what the lanes, the engines, the lifecycle and the loop say of themselves."""

        def of_lanes(pick: Callable[[LaneStatistics], float]) -> Callable[[], float]:
            return lambda: sum(pick(lane) for lane in lanes())

        def of_engines(pick: Callable[[Load], float]) -> Callable[[], float]:
            return lambda: sum(pick(load) for load in loads())

        def oldest() -> float:
            return max((lane.oldest_wait_s for lane in lanes()), default=0.0)

        self.read(
            Reading("triage_queue_depth", "Chats waiting for an engine.", of_lanes(lambda lane: lane.depth)),
            Reading("triage_queue_capacity", "Chats that may wait.", of_lanes(lambda lane: lane.capacity)),
            Reading("triage_queue_oldest_wait_seconds", "How long the oldest one waits.", oldest),
            Reading("triage_slots", "Chats that the engines can work on.", of_engines(lambda load: load.slots)),
            Reading("triage_slots_busy", "Chats the engines work on.", of_lanes(lambda lane: lane.running)),
            Reading("triage_kv_tokens", "Tokens in the engine's cache.", of_engines(lambda load: load.kv_tokens)),
            Reading("triage_kv_capacity", "Tokens it can hold.", of_engines(lambda load: load.kv_capacity)),
            Reading(
                "triage_prefill_rate",
                "Prompt tokens read per second, a moving average over the last work.",
                of_engines(lambda load: load.prefill_rate),
            ),
            Reading(
                "triage_decode_rate",
                "Tokens written per second by all slots, a moving average over the last work.",
                of_engines(lambda load: load.decode_rate),
            ),
            Reading("triage_engine_restarts", "Engine processes started beyond the first.", restarts, "counter"),
            Reading("triage_model_ready", "1 when the model can be asked.", lambda: float(ready())),
            Reading("event_loop_lag_seconds", "The event loop's last lag.", lambda: lag.statistics().last_ms / 1000),
            Reading("event_loop_lag_max_seconds", "Its worst since the start.", lambda: lag.statistics().max_ms / 1000),
        )
