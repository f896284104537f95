"""What the claims' metrics say while the broker, or the thread that counts, says nothing."""

from dataclasses import replace

from inference_container.claims.consuming.consumer_statistics import Pulse
from inference_container.claims.consuming.gate import Gate, GatePolicy
from inference_container.claims.consuming.ledger import Ledger
from inference_container.claims.recording.forecast_log import CLOSED, NO_ROOM
from inference_container.claims.retries import UNEXPECTED
from inference_container.errors import BrokerUnavailable, StoreUnavailable
from inference_container.metrics_claims import ClaimMetrics, ClaimReadings
from serving.errors import every_error
from serving.metrics import Metrics
from tests.fakes.clock import ManualClock

NOW = ClaimReadings(3, 10, 5, False, 2, 1.5, False, 0.5, 0, 0.1, {("claims", 0): 7, ("claims", 1): 0})


def test_the_lag_of_a_broker_that_does_not_answer_is_not_known() -> None:
    metrics, now = Metrics(), [NOW]
    ClaimMetrics(metrics).watch(metrics, lambda: now[0])
    sample = metrics.registry.get_sample_value
    assert sample("inference_claim_lag", {"topic": "claims", "partition": "0"}) == 7
    assert sample("inference_claim_broker_away") == 0
    now[0] = replace(NOW, broker_away=True)
    assert sample("inference_claim_lag", {"topic": "claims", "partition": "0"}) is None
    assert sample("inference_claim_broker_away") == 1
    now[0] = NOW
    assert sample("inference_claim_lag", {"topic": "claims", "partition": "1"}) == 0


def test_what_is_counted_from_the_start_is_what_happens() -> None:
    metrics = Metrics()
    ClaimMetrics(metrics)
    known = {error.code for error in every_error()} | {UNEXPECTED, NO_ROOM, CLOSED}
    for name, label in (("retries", "code"), ("holds", "code")):
        early = {labels[label] for labels, _ in samples(metrics, f"inference_claim_{name}_total")}
        assert {StoreUnavailable.code, BrokerUnavailable.code, UNEXPECTED} <= early <= known
    dropped = {labels["reason"]: value for labels, value in samples(metrics, "inference_log_dropped_total")}
    assert {NO_ROOM, CLOSED, StoreUnavailable.code, BrokerUnavailable.code} <= set(dropped) <= known
    assert set(dropped.values()) == {0}


def samples(metrics: Metrics, counter: str) -> list[tuple[dict[str, str], float]]:
    found = [sample for family in metrics.registry.collect() for sample in family.samples if sample.name == counter]
    return [(dict(sample.labels), sample.value) for sample in found]


def test_the_oldest_claim_grows_older_while_the_thread_that_counts_hangs() -> None:
    clock = ManualClock()
    pulse = Pulse(Gate(10, GatePolicy(), clock), Ledger(clock).statistics(), clock)
    assert pulse.statistics().ledger.oldest_s == 0
    clock.turn(5)
    assert pulse.statistics().ledger.oldest_s == 0  # there is none, and none grows older
    pulse.book(replace(pulse.statistics().ledger, oldest_s=2.0))
    clock.turn(60)
    assert pulse.statistics().ledger.oldest_s == 62
