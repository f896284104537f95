"""How claims are doing, for those who look: `GET /claims` and the metrics.

Pure: what consumer, lane and counters say of themselves goes in, what is shown comes out. `claim_house` asks.
"""

from collections import Counter
from collections.abc import Sequence

from inference_container.claims.consuming.consumer_statistics import ConsumerStatistics, State
from inference_container.claims.recording.recent import Recent
from inference_container.metrics_claims import ClaimMetrics, ClaimReadings
from inference_container.routers.claims import ClaimsView
from serving.lane_statistics import LaneStatistics


def is_away(now: ConsumerStatistics) -> bool:
    """Whether the broker does not answer a consumer that it had answered before."""
    return now.away is not None or now.state is State.BACKING_OFF


def readings_of(now: ConsumerStatistics, bound: int, broker_away: bool) -> ClaimReadings:
    """`bound`: claims that may be in hand at once."""
    return ClaimReadings(
        depth=now.depth,
        bound=bound,
        most_depth=now.most_depth,
        gate_closed=now.gate.closed,
        gate_flips=now.gate.flips,
        paused_s=now.gate.paused_s,
        held=now.held is not None,
        oldest_s=now.ledger.oldest_s,
        repeated=now.ledger.repeated,
        poll_stall_s=now.poll_stall_s,
        broker_away=broker_away,
        lag={(each.topic, each.number): lag for each, lag in now.lag.items()},
    )


def view_of(
    now: ConsumerStatistics, lane: LaneStatistics, bound: int, metrics: ClaimMetrics, recent: Sequence[Recent]
) -> ClaimsView:
    """`recent`: the latest results, youngest first."""
    outcomes = {outcome: int(count) for (outcome,), count in metrics.outcomes.counts().items() if count}
    letters: Counter[str] = Counter()
    for (_topic, reason), count in metrics.dead_letters.counts().items():
        letters[reason] += int(count)
    return ClaimsView(now, lane, bound, outcomes, letters, recent)
