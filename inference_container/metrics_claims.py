"""What Prometheus is told of claims: recorded where it happens, and read at scrape time where somebody keeps count.

`claims` and `promotion` record; the consumer's statistics are read by `watch`. Lag is the end of a partition less what
is *committed*: the lag that Kafka's own tools show.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from serving.described import Label
from serving.metrics import Metrics
from serving.readings import LabelledReading, Reading

#: Seconds a claim takes from its delivery to its end, a waiting store included.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
#: Of what claims and their log wait for. Codes of errors, which this room does not know; a test compares them.
_AWAY = ("store_unavailable", "broker_unavailable", "dependency_failed", "not_ready", "unexpected_error")
_CODE = Label("code", of="the error's code; `unexpected_error` for all that is none of ours", early=_AWAY)
_TOPIC = Label("topic", of="topics that the settings name")


@dataclass(frozen=True, slots=True)
class ClaimReadings:
    """What the consumer keeps count of, at one moment."""

    depth: int
    bound: int
    most_depth: int
    gate_closed: bool
    gate_flips: int
    paused_s: float
    held: bool
    oldest_s: float
    repeated: int
    poll_stall_s: float
    lag: Mapping[tuple[str, int], int]  #: by topic and partition
    broker_away: bool = False


class ClaimMetrics:
    def __init__(self, metrics: Metrics) -> None:
        self.outcomes = metrics.counter(
            "inference_claims_total",
            "Claims that ended, by what became of them: their result is recorded, their deadline passed, they were put "
            "aside, they were given back unworked (to be delivered again), or they were a training event.",
            Label("outcome", ("ok", "expired", "dead_letter", "withdrawn", "skipped")),
        )
        self.dead_letters = metrics.counter(
            "inference_claim_dead_letters_total",
            "Messages put aside, by reason.",
            _TOPIC,
            Label("reason", of="a reason of docs/claims.md, or the error's code"),
        )
        self.retries = metrics.counter("inference_claim_retries_total", "Further tries of a claim that failed.", _CODE)
        self.holds = metrics.counter(
            "inference_claim_holds_total",
            "Times that all claims were held because what they need was away.",
            _CODE,
        )
        self.seconds = metrics.histogram(
            "inference_claim_seconds",
            "From a claim's delivery to its recorded end, all tries and waits included.",
            buckets=_SECONDS,
        )
        self.fetch = metrics.histogram(
            "inference_claim_fetch_seconds", "Reading one claim's object, where that succeeded.", buckets=_SECONDS
        )
        self.store = metrics.histogram(
            "inference_result_store_seconds", "Writing one part of the log, where that succeeded.", buckets=_SECONDS
        )
        self.published = metrics.counter(
            "inference_messages_published_total",
            "Messages that the broker acknowledged: results, dead letters of claims, claims that came over HTTP.",
            _TOPIC,
        )
        self.part_rows = metrics.histogram(
            "inference_result_part_rows",
            "Rows in one part of the log.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
        )
        self.log_dropped = metrics.counter(
            "inference_log_dropped_total",
            "Forecasts over HTTP that were answered but not recorded.",
            Label("reason", of="why: no room, closed, or the error's code", early=("no_room", "closed", *_AWAY)),
        )
        self.commits = metrics.counter(
            "inference_claim_commits_total",
            "Commits of offsets, by how they ended.",
            Label("outcome", ("ok", "broker_unavailable", "commit_refused")),
        )
        self.rebalances = metrics.counter(
            "inference_claim_rebalances_total",
            "Partitions that moved, by what the consumer was told.",
            Label("event", ("assigned", "revoked", "lost")),
        )
        self.promotions = metrics.counter(
            "inference_promotions_total",
            "Promotions, by what became of them.",
            Label("outcome", ("active", "refused", "unreachable")),
        )
        self.faults = metrics.counter(
            "inference_claim_faults_total",
            "Errors of the consumer's thread that it lived through.",
            Label("code", ("broker_unavailable", "commit_refused", "dependency_failed", "unexpected_error")),
        )

    def watch(self, metrics: Metrics, look: Callable[[], ClaimReadings]) -> None:
        """Exports what the consumer keeps count of."""

        def lag() -> Mapping[tuple[str, ...], float]:
            now = look()
            # Of a broker that does not answer nobody knows the ends: the last ones would stand still and look calm.
            known = {} if now.broker_away else now.lag
            return {(topic, str(number)): float(behind) for (topic, number), behind in known.items()}

        metrics.read(
            LabelledReading(
                "inference_claim_lag",
                "Messages of a partition that are not committed yet, as of the last two seconds: its end less what is "
                "committed. Of the partitions that this process has; no sample while the broker is away.",
                (_TOPIC, Label("partition", of="partitions of those topics that this process has")),
                lag,
                unit="messages",
            ),
            Reading(
                "inference_claim_broker_away",
                "1 while the broker does not answer, or the consumer backs off from it; `/ready` says `broker_away`.",
                lambda: look().broker_away,
            ),
            Reading("inference_claim_depth", "Claims in hand: waiting and in work.", lambda: look().depth),
            Reading(
                "inference_claim_depth_max", "The most that ever were, since the start.", lambda: look().most_depth
            ),
            Reading("inference_claim_capacity", "Claims that may be in hand.", lambda: look().bound),
            Reading("inference_claim_gate_closed", "1 while fetching is paused for depth.", lambda: look().gate_closed),
            Reading("inference_claim_gate_flips", "Pauses and resumes.", lambda: look().gate_flips, "counter"),
            Reading(
                "inference_claim_paused_seconds",
                "Time paused for depth, the present pause included.",
                lambda: look().paused_s,
                "counter",
            ),
            Reading(
                "inference_claims_held",
                "1 while no claim can be worked: the store, the broker or the model is away.",
                lambda: look().held,
            ),
            Reading(
                "inference_claim_oldest_seconds",
                "Age of the oldest claim in hand; 0 when there is none.",
                lambda: look().oldest_s,
            ),
            Reading("inference_claims_redelivered", "Records that came again.", lambda: look().repeated, "counter"),
            Reading(
                "inference_claim_poll_stall_seconds",
                "Since the consumer's last poll; 0 before its first and while it backs off.",
                lambda: look().poll_stall_s,
            ),
        )
