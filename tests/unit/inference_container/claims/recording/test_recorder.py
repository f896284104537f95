import asyncio
import threading
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from inference_container.broker.ports import Partition
from inference_container.claims.deadlines import ClaimDeadline, milliseconds
from inference_container.claims.ports import Entry, Outgoing
from inference_container.claims.recording.part_writer import Log
from inference_container.claims.recording.recorder import LogRecorder
from inference_container.claims.results import Place
from inference_container.errors import BrokerUnavailable, MessageTooLarge, ObjectRefused, StoreUnavailable
from inference_container.metrics_claims import ClaimMetrics
from serving.clock import SystemClock
from serving.errors import DeadlineExceeded, DependencyFailed, Draining
from serving.metrics import Metrics
from tests.fakes.clock import ManualClock
from tests.unit.inference_container.claims.brokers import broker_with, everything_in
from tests.unit.inference_container.claims.recording.recording_house import (
    BUCKET,
    HOUR_MS,
    RESULTS,
    LateProducer,
    LogStore,
    entry,
    row_only,
)
from tests.unit.inference_container.claims.samples import record
from tests.unit.until import until

pytestmark = pytest.mark.anyio
OTHER = Partition("inference-data", 4)


@pytest.fixture
def store(tmp_path: Path) -> LogStore:
    return LogStore(tmp_path)


@pytest.fixture
def metrics() -> ClaimMetrics:
    return ClaimMetrics(Metrics())


def taken(key: bytes | None) -> None:
    """Every message is acknowledged."""


def recorder(
    producer: LateProducer, log: Log | None, gather_s: float = 0.01, most_rows: int = 256, grace_s: float = 5.0
) -> LogRecorder:
    return LogRecorder(producer, log, ClaimMetrics(Metrics()), SystemClock(), gather_s, most_rows, grace_s)


async def all_of(room: LogRecorder, entries: list[Entry]) -> list[BaseException | None]:
    """What becomes of each."""
    return await asyncio.gather(*(room.record(each) for each in entries), return_exceptions=True)


async def test_rows_that_come_together_are_one_object_and_each_message_points_at_it(
    store: LogStore, metrics: ClaimMetrics
) -> None:
    broker = broker_with(RESULTS)
    async with LogRecorder(broker.producer(), (store, BUCKET), metrics, SystemClock(), 0.01) as room:
        assert await all_of(room, [entry(7), entry(9), entry(8), row_only(10)]) == [None] * 4
    (key,) = store.keys
    assert key.startswith("results/topic=inference-data/dt=2026-01-01/h=00/p=03/000000000007-000000000010-")
    assert await asyncio.to_thread(store.sources) == [f"inference-data-3-{offset}" for offset in (7, 8, 9, 10)]
    records = await asyncio.to_thread(everything_in, broker, RESULTS)
    assert {record.key for record in records} == {b"inference-data-3-7", b"inference-data-3-8", b"inference-data-3-9"}
    assert {orjson.loads(record.value or b"")["log_object_key"] for record in records} == {key}
    assert metrics.published.labels(RESULTS).value == 3
    assert metrics.part_rows.labels().total == 4


async def test_partitions_and_hours_never_share_an_object(store: LogStore) -> None:
    base = 1_767_225_600_000
    async with recorder(LateProducer(taken), (store, BUCKET)) as room:
        await all_of(room, [entry(7), entry(8, timestamp_ms=base + HOUR_MS), entry(7, OTHER)])
    assert sorted(key.rpartition("/")[0][-9:] for key in store.keys) == ["h=00/p=03", "h=00/p=04", "h=01/p=03"]


async def test_a_message_is_sent_only_after_its_row_is_stored_and_waited_for(store: LogStore) -> None:
    producer, gate = LateProducer(), threading.Event()
    store.before_put = lambda key: assert_(gate.wait(30))
    async with recorder(producer, (store, BUCKET)) as room:
        recorded = asyncio.create_task(room.record(entry()))
        await asyncio.sleep(0.05)
        assert producer.sent == []
        gate.set()
        await until(lambda: len(producer.waiting) == 1)
        await asyncio.sleep(0.02)
        assert await asyncio.to_thread(store.sources) == ["inference-data-3-7"]
        assert not recorded.done()
        await asyncio.to_thread(producer.acknowledge)
        await asyncio.wait_for(recorded, 20)


async def test_without_a_log_there_are_messages_alone_and_no_row_has_to_wait() -> None:
    producer = LateProducer(taken)
    async with recorder(producer, None, gather_s=60) as room:
        async with asyncio.timeout(20):
            assert await all_of(room, [entry(7), row_only(8)]) == [None, None]
    ((topic, value, key, _),) = producer.sent
    assert (topic, key, orjson.loads(value or b"")["log_object_key"]) == (RESULTS, b"inference-data-3-7", None)


async def test_a_full_part_waits_for_no_more_rows(store: LogStore) -> None:
    async with recorder(LateProducer(taken), (store, BUCKET), gather_s=60, most_rows=3) as room, asyncio.timeout(20):
        await all_of(room, [entry(offset) for offset in range(6)])
    assert [key.rpartition("/")[2][:25] for key in store.keys] == [
        *("000000000000-000000000002", "000000000003-000000000005")
    ]


async def test_rows_wait_for_company_until_there_is_none_on_its_way(store: LogStore) -> None:
    coming = 2
    room = LogRecorder(
        *(LateProducer(taken), (store, BUCKET), ClaimMetrics(Metrics()), SystemClock()),
        gather_s=60,
        coming=lambda: coming,
    )
    async with room, asyncio.timeout(20):
        waits = [asyncio.create_task(room.record(entry(offset))) for offset in (7, 8)]
        await asyncio.sleep(0.05)
        assert store.keys == [], "one more is on its way"
        coming = 0
        waits.append(asyncio.create_task(room.record(entry(7, OTHER))))
        await asyncio.gather(*waits)
        assert len(store.keys) == 2, "what waited for other parts is written too"
        await room.record(entry(9))
    assert len(store.keys) == 3


async def test_a_crowd_waits_for_no_more_and_who_comes_next_waits_again(store: LogStore) -> None:
    room = LogRecorder(
        *(LateProducer(taken), (store, BUCKET), ClaimMetrics(Metrics()), SystemClock()),
        gather_s=1.0,
        crowd=4,
    )
    async with room, asyncio.timeout(20):
        await all_of(room, [entry(7), entry(8), entry(7, OTHER), entry(8, OTHER)])
        assert len(store.keys) == 2
        waits = [asyncio.create_task(room.record(entry(offset))) for offset in (9, 10)]
        await asyncio.sleep(0.05)
        assert len(store.keys) == 2
        await asyncio.gather(*waits)
    assert len(store.keys) == 3


async def test_a_part_that_can_not_be_stored_fails_its_rows_only_each_with_an_error_of_its_own(store: LogStore) -> None:
    def refuse(key: str) -> None:
        if "p=03" in key:
            raise StoreUnavailable(reason="EIO")

    store.before_put = refuse
    producer = LateProducer(taken)
    async with recorder(producer, (store, BUCKET)) as room:
        one, two, other = await all_of(room, [entry(7), entry(8), entry(7, OTHER)])
    assert other is None
    assert isinstance(one, StoreUnavailable)
    assert isinstance(two, StoreUnavailable)
    assert one is not two, "a traceback that many raise grows with each"
    assert [key for _, _, key, _ in producer.sent] == [b"inference-data-4-7"]


@pytest.mark.parametrize("failure", [ObjectRefused(), ValueError("what is this"), DependencyFailed("no rights")])
async def test_a_log_that_may_not_be_written_is_never_the_claims_fault(store: LogStore, failure: Exception) -> None:
    def refuse(key: str) -> None:
        raise failure

    store.before_put = refuse
    async with recorder(LateProducer(taken), (store, BUCKET)) as room:
        (error,) = await all_of(room, [entry()])
    assert type(error) is DependencyFailed


async def test_a_message_that_is_refused_fails_only_itself(store: LogStore) -> None:
    producer = LateProducer(lambda key: MessageTooLarge() if key == b"inference-data-3-8" else None)
    async with recorder(producer, (store, BUCKET)) as room:
        outcomes = await all_of(room, [entry(7), entry(8), entry(9)])
    assert [type(outcome) for outcome in outcomes] == [type(None), MessageTooLarge, type(None)]


async def test_a_message_that_can_not_be_made_fails_only_itself(store: LogStore) -> None:
    def broken(place: Place | None) -> Outgoing:
        raise ArithmeticError

    async with recorder(LateProducer(taken), (store, BUCKET)) as room:
        outcomes = await all_of(room, [entry(7), Entry(entry(8).row, broken), entry(9)])
    assert [type(outcome) for outcome in outcomes] == [type(None), ArithmeticError, type(None)]


async def test_what_is_expired_is_neither_stored_nor_sent(store: LogStore) -> None:
    clock, producer = ManualClock(), LateProducer(taken)
    gone, left = ClaimDeadline(milliseconds(clock)), ClaimDeadline(milliseconds(clock) + 1)
    async with LogRecorder(producer, (store, BUCKET), ClaimMetrics(Metrics()), clock, 0.0) as room:
        late, fine = await all_of(room, [entry(7, deadline=gone), entry(8, deadline=left)])
    assert isinstance(late, DeadlineExceeded)
    assert fine is None
    assert await asyncio.to_thread(store.sources) == ["inference-data-3-8"]


async def test_a_deadline_that_passes_during_the_put_is_seen_before_the_message_is_sent(store: LogStore) -> None:
    clock, producer = ManualClock(), LateProducer(taken)
    store.before_put = lambda key: clock.turn(1)
    soon = ClaimDeadline(milliseconds(clock) + 500)
    async with LogRecorder(producer, (store, BUCKET), ClaimMetrics(Metrics()), clock, 0.0) as room:
        (late,) = await all_of(room, [entry(7, deadline=soon)])
    assert isinstance(late, DeadlineExceeded)
    assert producer.sent == []


async def test_a_put_that_hangs_holds_up_no_other_partition(store: LogStore) -> None:
    gate = threading.Event()
    store.before_put = lambda key: assert_(gate.wait(30)) if "p=03" in key else None
    async with recorder(LateProducer(taken), (store, BUCKET)) as room:
        slow = asyncio.create_task(room.record(entry(7)))
        await asyncio.sleep(0.02)
        behind = asyncio.create_task(room.record(entry(8)))
        async with asyncio.timeout(20):
            for offset in range(20):
                await room.record(entry(offset, OTHER))
        assert not slow.done()
        assert not behind.done()
        gate.set()
        await asyncio.wait_for(asyncio.gather(slow, behind), 20)


async def test_rows_that_come_during_a_put_are_the_next_part_together(store: LogStore) -> None:
    begun, gate = threading.Event(), threading.Event()

    def wait(key: str) -> None:
        begun.set()
        assert gate.wait(30)

    store.before_put = wait
    async with recorder(LateProducer(taken), (store, BUCKET), gather_s=0.0) as room:
        waits = [asyncio.create_task(room.record(entry(0)))]
        await until(begun.is_set)
        for offset in range(1, 30):
            waits.append(asyncio.create_task(room.record(entry(offset))))
            await asyncio.sleep(0.001)
        gate.set()
        await asyncio.wait_for(asyncio.gather(*waits), 20)
    assert len(store.keys) == 2


async def test_who_gives_up_waiting_does_not_take_back_the_row(store: LogStore) -> None:
    gate = threading.Event()
    store.before_put = lambda key: assert_(gate.wait(30))
    producer = LateProducer(taken)
    async with recorder(producer, (store, BUCKET)) as room:
        waits = [asyncio.create_task(room.record(entry(offset))) for offset in (7, 8)]
        await asyncio.sleep(0.05)
        waits[0].cancel()
        gate.set()
        await asyncio.wait_for(waits[1], 20)
        with suppress(asyncio.CancelledError):
            await waits[0]
    assert await asyncio.to_thread(store.sources) == ["inference-data-3-7", "inference-data-3-8"]
    assert len(producer.sent) == 2


async def test_leaving_writes_what_has_not_been_gathered_yet(store: LogStore) -> None:
    room = recorder(LateProducer(taken), (store, BUCKET), gather_s=60)
    async with asyncio.timeout(20):
        async with room:
            waits = [asyncio.create_task(room.record(entry(offset))) for offset in (7, 8)]
            await asyncio.sleep(0.01)
        assert await asyncio.gather(*waits) == [None, None]
    assert len(store.keys) == 1
    with pytest.raises(Draining):
        await room.record(entry(9))


async def test_leaving_waits_no_longer_than_the_grace(store: LogStore) -> None:
    gate = threading.Event()
    store.before_put = lambda key: assert_(gate.wait(30))
    room = recorder(LateProducer(taken), (store, BUCKET), grace_s=0.05)
    async with asyncio.timeout(20):
        async with room:
            waits = [asyncio.create_task(room.record(entry(offset))) for offset in (7, 8)]
            await asyncio.sleep(0.02)
        outcomes = await asyncio.gather(*waits, return_exceptions=True)
    gate.set()
    assert [type(outcome) for outcome in outcomes] == [BrokerUnavailable] * 2


async def test_who_finds_no_place_waits_for_one(store: LogStore) -> None:
    producer = LateProducer()
    room = LogRecorder(producer, None, ClaimMetrics(Metrics()), SystemClock(), most_waiting=2)
    async with room:
        waits = [asyncio.create_task(room.record(entry(offset))) for offset in range(3)]
        await until(lambda: len(producer.waiting) == 2)
        await asyncio.sleep(0.02)
        assert len(producer.sent) == 2
        await asyncio.to_thread(producer.acknowledge)
        await until(lambda: len(producer.sent) == 3)
        await asyncio.to_thread(producer.acknowledge)
        await asyncio.wait_for(asyncio.gather(*waits), 20)


async def test_a_broker_that_holds_up_a_message_is_not_asked_for_each_of_the_rest() -> None:
    clock = ManualClock()

    def slow(key: bytes | None) -> BaseException:
        clock.turn(5)
        return BrokerUnavailable("There is no such topic.")

    producer = LateProducer(slow)
    async with LogRecorder(producer, None, ClaimMetrics(Metrics()), clock) as room:
        outcomes = await all_of(room, [entry(offset) for offset in range(5)])
    assert [type(outcome) for outcome in outcomes] == [BrokerUnavailable] * 5
    assert len(producer.sent) == 1


def assert_(held: bool) -> None:
    assert held


async def test_the_log_says_what_became_of_a_message_and_nothing_of_its_neighbours(store: LogStore) -> None:
    async with recorder(LateProducer(taken), (store, BUCKET)) as room:
        at_ms = 1_767_225_600_000
        await all_of(room, [entry(7, timestamp_ms=at_ms), entry(9, timestamp_ms=at_ms), entry(8, OTHER, at_ms)])
        asked = [record(offset=offset, timestamp_ms=at_ms) for offset in (7, 8, 9, 10)]
        assert [await room.became(each) for each in asked] == [{"ok"}, set(), {"ok"}, set()]
        other_hour = record(offset=7, timestamp_ms=at_ms + HOUR_MS)
        assert await room.became(other_hour) == set()


async def test_where_no_objects_are_written_nothing_is_known_of_a_message() -> None:
    async with recorder(LateProducer(taken), None) as room:
        await all_of(room, [entry(7)])
        assert await room.became(record(offset=7)) == set()
