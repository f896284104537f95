"""The chat service's Prometheus metrics."""

from collections.abc import Callable, Iterable
from typing import Protocol

from serving.described import Label
from serving.lane_statistics import LaneStatistics
from serving.metrics import Metrics
from serving.readings import Reading


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


_MODE = Label("llm_mode", ("gguf", "mock", "remote"))
_CODE = "the error's code"


class ChatMetrics(Metrics):
    def __init__(self) -> None:
        super().__init__()
        self.requests = self.counter(
            "triage_requests_total",
            "Questions to `POST /triage`, by what became of them: answered by a model, answered without one, taken "
            "back, left by a caller who did not come back in time, or refused. One refused for its announced length is "
            "in http_requests_total alone.",
            Label(
                "outcome",
                of=f"`answered`, `degraded`, `cancelled`, `abandoned`, or {_CODE}",
                early=("answered", "degraded", "cancelled", "abandoned"),
            ),
        )
        # The rest is observed in the lane, so it counts the chats of both doors.
        self.chats = self.counter(
            "triage_chats_total",
            "Chats that asked for an engine, by either door.",
            _MODE,
            Label("outcome", of=f"`stop`, `length`, `repetition`, `cancelled`, `abandoned`, or {_CODE}"),
        )
        self.rejected = self.counter(
            "triage_rejected_total",
            "Chats refused at the lane's door: no place, a turn that would come after the deadline, the end.",
            Label("reason", ("queue_full", "too_late", "draining")),
        )
        self.cancelled = self.counter(
            "triage_cancelled_total",
            "Chats whose caller left or whose deadline passed, by how far they were.",
            Label("stage", ("queued", "prefill", "decode")),
        )
        self.queue_wait = self.histogram(
            "triage_queue_wait_seconds", "From admission to a slot, a restart in between included."
        )
        self.first_token = self.histogram(
            "triage_ttft_seconds", "From admission to the first piece of text, waiting included."
        )
        self.inter_token = self.histogram("triage_inter_token_seconds", "From one piece of text to the next.")
        self.duration = self.histogram(
            "triage_inference_seconds", "From admission to the whole text, of the chats that got that far."
        )
        self.tokens = self.counter(
            "triage_tokens_total",
            "Tokens of prompts that were read (prompt), of them not read again (cached), of answers (generated), "
            "guessed (drafted) and guessed rightly (accepted). Chats that were broken off count as far as they came.",
            Label("kind", ("prompt", "cached", "generated", "drafted", "accepted")),
        )
        #: Seconds; None before the first.
        self.load_s: float | None = None
        self.model = self.gauge(
            "triage_model_info", "1 for the model that answers, or did last.", Label("model", of="its name"), _MODE
        )

    def watch(
        self,
        lanes: Callable[[], Iterable[LaneStatistics]],
        loads: Callable[[], Iterable[Load]],
        restarts: Callable[[], int],
        ready: Callable[[], bool],
    ) -> None:
        """Exports what the lanes, the engines and the lifecycle say of themselves."""

        def of_lanes(pick: Callable[[LaneStatistics], float]) -> Callable[[], float]:
            return lambda: sum(pick(lane) for lane in lanes())

        def of_engines(pick: Callable[[Load], float]) -> Callable[[], float]:
            return lambda: sum(pick(load) for load in loads())

        def oldest() -> float:
            return max((lane.oldest_wait_s for lane in lanes()), default=0.0)

        self.read(
            Reading("triage_queue_depth", "Chats waiting for an engine.", of_lanes(lambda lane: lane.depth)),
            Reading("triage_queue_capacity", "Chats that may wait.", of_lanes(lambda lane: lane.capacity)),
            Reading(
                "triage_queue_oldest_wait_seconds",
                "How long the first in line has waited; 0 when nobody waits.",
                oldest,
            ),
            Reading("triage_slots", "Chats that the engines can work on.", of_engines(lambda load: load.slots)),
            Reading("triage_slots_busy", "Chats the engines work on.", of_lanes(lambda lane: lane.running)),
            Reading(
                "triage_kv_tokens",
                "Tokens in the engine's cache, kept prefixes included, as of its last step.",
                of_engines(lambda load: load.kv_tokens),
                unit="tokens",
            ),
            Reading(
                "triage_kv_capacity",
                "Tokens it can hold.",
                of_engines(lambda load: load.kv_capacity),
                unit="tokens",
            ),
            Reading(
                "triage_prefill_rate",
                "Prompt tokens read per second while the engine read some last; it stands while nobody asks. How many "
                "there were is in triage_tokens_total.",
                of_engines(lambda load: load.prefill_rate),
                unit="tokens per second",
            ),
            Reading(
                "triage_decode_rate",
                "Tokens written per second by all slots together while they wrote last, likewise.",
                of_engines(lambda load: load.decode_rate),
                unit="tokens per second",
            ),
            Reading("triage_engine_restarts", "Engine processes started beyond the first.", restarts, "counter"),
            Reading("triage_model_ready", "1 when the model can be asked.", lambda: float(ready())),
            Reading(
                "triage_model_load_seconds",
                "How long the model took to become ready last, a download or a restart included; no sample before.",
                lambda: self.load_s,
            ),
        )
