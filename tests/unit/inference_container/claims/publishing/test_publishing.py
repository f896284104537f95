import threading
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_container.broker.ports import Sent
from inference_container.claims.deadlines import ClaimDeadline, TtlPolicy, milliseconds
from inference_container.claims.messages import Claim, read_claim
from inference_container.claims.publishing.burst import Burst, Version, claim_message, numbered, publish_burst, send
from inference_container.errors import BrokerUnavailable, MessageTooLarge
from serving.errors import Draining
from tests.fakes.clock import ManualClock
from tests.unit.inference_container.claims.brokers import TOPIC, ChosenProducer, broker_with, everything_in, there
from tests.unit.inference_container.claims.samples import MIDNIGHT, PLACES

BURST = Burst("processed-data", "day/a.parquet", count=10)


def test_a_burst_without_a_version_is_claims_of_the_first() -> None:
    broker = broker_with()
    named = Burst("processed-data", "a.parquet", 25, identifier="north")
    assert publish_burst(broker.producer(), TOPIC, named, ManualClock(), numbered()) == 25
    records = everything_in(broker)
    assert len(records) == 25
    for record in records:
        assert read_claim(record.value, PLACES) == Claim(1, "processed-data", "a.parquet", identifier="north")
        assert (record.key, record.headers) == (None, ())
    assert {record.partition.number for record in records} == {0, 1, 2, 3}


def test_a_burst_with_a_version_is_claims_of_the_second_each_with_an_id_of_its_own() -> None:
    broker = broker_with()
    version = Version("e-1", 4096, "ab" * 32)
    publish_burst(broker.producer(), TOPIC, BURST, ManualClock(), lambda number: f"c-{number}", version)
    claims = [read_claim(record.value, PLACES) for record in everything_in(broker)]
    ids = set()
    for claim in claims:
        assert isinstance(claim, Claim)
        assert (claim.version, claim.etag, claim.size, claim.sha256) == (2, "e-1", 4096, "ab" * 32)
        assert claim.created_at == MIDNIGHT
        ids.add(claim.claim_id)
    assert ids == {f"c-{number}" for number in range(10)}


def test_no_two_bursts_share_an_id() -> None:
    first, second = numbered(), numbered()
    assert len({ids(number) for ids in (first, second) for number in range(100)}) == 200


def test_keys_are_the_prefix_and_the_number() -> None:
    broker = broker_with()
    publish_burst(broker.producer(), TOPIC, Burst("b", "k", 3, key_prefix="burst"), ManualClock(), numbered())
    assert {record.key for record in everything_in(broker)} == {b"burst-0", b"burst-1", b"burst-2"}


def test_each_claim_has_its_time_from_the_moment_at_which_it_is_sent() -> None:
    clock = ManualClock()
    broker = broker_with(partitions=1)

    def later(number: int) -> str:
        clock.turn(1.0)
        return f"c-{number}"

    publish_burst(broker.producer(), TOPIC, Burst("b", "k", 3, ttl_ms=1500), clock, later)
    begun = milliseconds(ManualClock())
    deadlines = [TtlPolicy(True).read(record.headers) for record in everything_in(broker)]
    assert deadlines == [ClaimDeadline(begun + 1500 + 1000 * number) for number in range(3)]


@pytest.mark.parametrize(
    ("count", "ttl_ms", "named"), [(0, None, "count"), (500_001, None, "count"), (1, 0, "ttl"), (1, 86_400_001, "ttl")]
)
def test_a_burst_out_of_its_range_can_not_be_made(count: int, ttl_ms: int | None, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Burst("b", "k", count, ttl_ms)


@settings(max_examples=30)
@given(count=st.integers(1, 60), bad=st.integers(0, 59), in_flight=st.integers(1, 20))
def test_never_more_are_counted_than_were_acknowledged_and_nothing_is_sent_after_a_failure_was_seen(
    count: int, bad: int, in_flight: int
) -> None:
    producer = ChosenProducer(lambda number: MessageTooLarge(size=9) if number == bad else there(number))
    burst = Burst("b", "k", count)
    if bad >= count:
        assert publish_burst(producer, TOPIC, burst, ManualClock(), numbered(), in_flight=in_flight) == count
    else:
        with pytest.raises(MessageTooLarge) as told:
            publish_burst(producer, TOPIC, burst, ManualClock(), numbered(), in_flight=in_flight)
        assert told.value.details == {"size": 9, "published": bad, "uncertain": 0}
        assert producer.sent == bad + 1
    assert producer.most_waiting <= in_flight


def test_a_failure_that_is_none_of_ours_is_told_as_the_brokers() -> None:
    producer = ChosenProducer(lambda number: OSError("of the wire"))
    with pytest.raises(BrokerUnavailable) as told:
        publish_burst(producer, TOPIC, BURST, ManualClock(), numbered())
    assert told.value.details == {"published": 0, "uncertain": 0}
    assert "wire" not in told.value.message


def test_who_never_answers_is_not_waited_for_and_what_may_have_arrived_is_told() -> None:
    producer = ChosenProducer(lambda number: there(number) if number < 4 else None)
    with pytest.raises(BrokerUnavailable) as told:
        publish_burst(producer, TOPIC, BURST, ManualClock(), numbered(), patience_s=0.2, in_flight=3)
    assert told.value.details == {"published": 4, "uncertain": 3}


def test_a_slow_broker_is_waited_for_as_long_as_it_answers_at_all() -> None:
    slow = threading.Lock()

    def answer(number: int) -> Sent:
        with slow:
            time.sleep(0.12)
        return there(number)

    begun = time.monotonic()
    assert publish_burst(ChosenProducer(answer), TOPIC, BURST, ManualClock(), numbered(), patience_s=1.0) == 10
    assert time.monotonic() - begun > 1.0


def test_a_burst_ends_with_the_process_and_tells_what_is_certain() -> None:
    producer = ChosenProducer(there)
    with pytest.raises(Draining) as told:
        publish_burst(
            producer, TOPIC, Burst("b", "k", 500_000), ManualClock(), numbered(), closing=lambda: producer.sent >= 100
        )
    assert told.value.details == {"published": 100, "uncertain": 0, "retry_after_s": 1}
    assert producer.sent == 100


def test_a_large_burst_takes_no_more_memory_than_a_small_one() -> None:
    def peak(count: int) -> int:
        tracemalloc.reset_peak()
        publish_burst(ChosenProducer(there, after_s=0), TOPIC, Burst("b", "k", count), ManualClock(), numbered())
        return tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        small, large = peak(100), peak(20_000)
    finally:
        tracemalloc.stop()
    assert large - small < 100_000, (small, large)


def test_one_message_is_sent_and_its_place_told() -> None:
    broker = broker_with(partitions=1)
    claim = Claim(2, "processed-data", "a", claim_id="c", etag="e")
    sent = send(broker.producer(), claim_message(TOPIC, claim, b"c", 17))
    (record,) = everything_in(broker)
    assert (sent.partition, sent.offset) == (record.partition, record.offset)
    assert (record.key, record.headers) == (b"c", (("deadline_ms", b"17"),))
    assert read_claim(record.value, PLACES) == claim


def test_one_message_that_nobody_acknowledges_is_told_so() -> None:
    with pytest.raises(BrokerUnavailable, match="may have arrived"):
        send(ChosenProducer(lambda number: None), claim_message(TOPIC, Claim(1, "b", "k"), None), patience_s=0.05)
