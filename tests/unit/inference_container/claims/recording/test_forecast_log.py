import asyncio
import base64
import re
import threading
import timeit
from pathlib import Path

import orjson
import pytest

from inference_container.claims.recording.forecast_log import CLOSED, NO_ROOM, ForecastLog
from inference_container.claims.recording.part_writer import Log
from inference_container.errors import BrokerUnavailable, StoreUnavailable
from inference_container.forecasting.messages import ForecastQuery, HeadedReply
from inference_container.metrics_claims import ClaimMetrics
from serving.clock import Clock, SystemClock
from serving.errors import DependencyFailed
from serving.metrics import Metrics
from tests.fakes.clock import ManualClock
from tests.unit.inference_container.claims.brokers import broker_with, everything_in
from tests.unit.inference_container.claims.recording.recording_house import (
    BUCKET,
    HOUR_MS,
    MODEL,
    RESULTS,
    LateProducer,
    LogStore,
)
from tests.unit.until import until

pytestmark = pytest.mark.anyio
AT = 1_767_225_600_000
QUERY = ForecastQuery("c0ffee01", b'{"data": {}}')
ANSWER = b'{"status":"SUCCESS","predictions":[{"ts":"2026-01-01T00:00:00","down":1.5}],"req_id":"c0ffee01"}'


@pytest.fixture
def store(tmp_path: Path) -> LogStore:
    return LogStore(tmp_path)


@pytest.fixture
def metrics() -> ClaimMetrics:
    return ClaimMetrics(Metrics())


def taken(key: bytes | None) -> None:
    """Every message is acknowledged."""


def forecast_log(
    producer: LateProducer | None,
    log: Log | None,
    metrics: ClaimMetrics,
    clock: Clock | None = None,
    gather_s: float = 0.01,
    part_rows: int = 512,
    most_rows: int = 100,
    most_bytes: int = 2**20,
    patience_s: float = 30.0,
    grace_s: float = 5.0,
) -> ForecastLog:
    return ForecastLog(
        *(producer, log, metrics, clock or SystemClock(), "north", RESULTS),
        *(gather_s, part_rows, most_rows, most_bytes, patience_s, grace_s),
    )


def dropped(metrics: ClaimMetrics, reason: str) -> float:
    return metrics.log_dropped.labels(reason).value


async def test_a_forecast_over_http_leaves_a_row_and_a_message_like_a_claims(
    store: LogStore, metrics: ClaimMetrics
) -> None:
    broker = broker_with(RESULTS)
    log = ForecastLog(broker.producer(), (store, BUCKET), metrics, SystemClock(), "north", RESULTS, gather_s=0.01)
    async with log:
        log.note(QUERY, ANSWER, MODEL, AT)
        log.note(QUERY, ANSWER, None, AT + 1)
    (key,) = store.keys
    process = re.fullmatch(r"results/http/dt=2026-01-01/h=00/([0-9a-f]{16})-0{12}-0{11}1\.jsonl", key)
    assert process is not None
    source = f"http-{process[1]}-0-0"
    one, two = await asyncio.to_thread(store.lines)
    assert {name: one[name] for name in ("source", "key", "identifier", "status", "rows", "run_id", "claim_id")} == {
        "source": source,
        "key": "c0ffee01",
        "identifier": "north",
        "status": "ok",
        "rows": 1,
        "run_id": MODEL.model_id,
        "claim_id": None,
    }
    assert one["forecast"] == orjson.loads(ANSWER)
    assert (two["source"], two["run_id"]) == (f"http-{process[1]}-0-1", None)
    sent = await asyncio.to_thread(everything_in, broker, RESULTS)
    fields = {record.key: orjson.loads(record.value or b"") for record in sent}
    assert fields.keys() == {source.encode(), f"http-{process[1]}-0-1".encode()}
    result = fields[source.encode()]
    assert (result["operation"], result["source"], result["log_object_key"]) == ("Inference", source, key)
    assert (result["claim_id"], result["bucket"], result["forecast"]) == (None, None, orjson.loads(ANSWER))
    assert log.dropped == 0


async def test_parts_hold_one_hour_and_no_more_rows_than_they_may(store: LogStore, metrics: ClaimMetrics) -> None:
    log = forecast_log(None, (store, BUCKET), metrics, part_rows=3)
    async with log:
        for number in range(5):
            log.note(QUERY, ANSWER, MODEL, AT + (number > 3) * HOUR_MS)
    assert [re.sub(r"/[0-9a-f]{16}-", "/", key)[len("results/http/dt=2026-01-01/") :] for key in store.keys] == [
        "h=00/000000000000-000000000002.jsonl",
        "h=00/000000000003-000000000003.jsonl",
        "h=01/000000000004-000000000004.jsonl",
    ]


async def test_two_processes_never_write_the_same_object(store: LogStore, metrics: ClaimMetrics) -> None:
    for _ in range(2):
        async with forecast_log(None, (store, BUCKET), metrics) as log:
            log.note(QUERY, ANSWER, MODEL, AT)
    assert len(set(store.keys)) == 2
    assert len(set(await asyncio.to_thread(store.sources))) == 2


async def test_binary_answers_are_kept_whole(store: LogStore, metrics: ClaimMetrics) -> None:
    reply = HeadedReply(b'{"outputs":[]}\x00\xff', (("Inference-Header-Content-Length", "14"),))
    async with forecast_log(None, (store, BUCKET), metrics) as log:
        log.note(QUERY, reply, MODEL, AT)
    (line,) = await asyncio.to_thread(store.lines)
    assert line["forecast"] == {
        "headers": {"Inference-Header-Content-Length": "14"},
        "base64": base64.b64encode(reply.body).decode(),
    }


@pytest.mark.parametrize(
    ("answer", "run_id", "rows"),
    [
        (b'{"run_id":"%s","predictions":[1,2]}' % (b"b" * 64), MODEL.model_id, 2),
        (b'{"run_id":"other","predictions":[]}', "other", 0),
        (HeadedReply(b'{"run_id":"other","content":[{"mean_forecast":[1,2,3]}]}', ()), "other", 3),
        (b'{"model_version":"other","outputs":[{"shape":[1,4]}]}', "other", 4),
        (b"[\n1,\n2]", MODEL.model_id, 0),
    ],
)
async def test_a_row_names_the_bundle_that_answered_whichever_serves_by_now(
    store: LogStore, metrics: ClaimMetrics, answer: bytes | HeadedReply, run_id: str, rows: int
) -> None:
    async with forecast_log(None, (store, BUCKET), metrics) as log:
        log.note(QUERY, answer, MODEL, AT)
    (line,) = await asyncio.to_thread(store.lines)
    assert (line["run_id"], line["rows"]) == (run_id, rows)
    assert line["model_type"] == (MODEL.model_type if run_id == MODEL.model_id else "unknown")


async def test_what_has_no_room_is_dropped_the_newest_first_and_told_once_a_second(
    store: LogStore, metrics: ClaimMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    gate, clock = threading.Event(), ManualClock()

    def wait(key: str) -> None:
        gate.wait(5)

    store.before_put = wait
    log = forecast_log(None, (store, BUCKET), metrics, clock, gather_s=0.0, most_rows=10)
    async with log:
        for number in range(25):
            log.note(QUERY._replace(req_id=f"{number:08x}"), ANSWER, MODEL, AT)
        assert (log.dropped, dropped(metrics, NO_ROOM)) == (15, 15)
        clock.turn(1)
        log.note(QUERY, ANSWER, MODEL, AT)
        gate.set()
        await until(lambda: len(store.keys) > 0)
    assert [record.message for record in caplog.records] == ["inference_log_dropped"] * 2
    lines = await asyncio.to_thread(store.lines)
    assert [line["key"] for line in lines] == [f"{number:08x}" for number in range(10)]


async def test_large_answers_have_room_by_their_bytes(metrics: ClaimMetrics) -> None:
    log = forecast_log(LateProducer(taken), None, metrics, most_bytes=10_000)
    async with log:
        log.note(QUERY, b'"' + b"x" * 9_000 + b'"', MODEL, AT)
        log.note(QUERY, b'"' + b"x" * 9_000 + b'"', MODEL, AT)
    assert dropped(metrics, NO_ROOM) == 1


async def test_room_comes_back_once_rows_are_written(store: LogStore, metrics: ClaimMetrics) -> None:
    log = forecast_log(None, (store, BUCKET), metrics, gather_s=0.0, most_rows=1)
    async with log:
        for _ in range(3):
            log.note(QUERY, ANSWER, MODEL, AT)
            assert log.depth == 1
            await until(lambda: log.depth == 0)
    assert log.dropped == 0
    assert len(store.keys) == 3


async def test_a_store_that_comes_back_in_time_costs_no_row(store: LogStore, metrics: ClaimMetrics) -> None:
    refusals = [StoreUnavailable(), StoreUnavailable()]

    def refuse(key: str) -> None:
        if refusals:
            raise refusals.pop()

    store.before_put = refuse
    producer = LateProducer(taken)
    async with forecast_log(producer, (store, BUCKET), metrics) as log:
        log.note(QUERY, ANSWER, MODEL, AT)
        await until(lambda: len(producer.sent) == 1)
    assert log.dropped == 0
    assert len(store.keys) == 1


@pytest.mark.parametrize("failure", [StoreUnavailable(), DependencyFailed()])
async def test_a_store_that_stays_away_costs_rows_and_no_messages(
    store: LogStore, metrics: ClaimMetrics, failure: DependencyFailed
) -> None:
    def refuse(key: str) -> None:
        raise failure

    store.before_put = refuse
    producer = LateProducer(taken)
    async with forecast_log(producer, (store, BUCKET), metrics, patience_s=0.0) as log:
        log.note(QUERY, ANSWER, MODEL, AT)
        log.note(QUERY, ANSWER, MODEL, AT)
        await until(lambda: len(producer.sent) == 2)
    assert dropped(metrics, failure.code) == 2
    assert {orjson.loads(value or b"")["log_object_key"] for _, value, _, _ in producer.sent} == {None}


async def test_a_broker_that_takes_nothing_costs_messages_and_no_rows(store: LogStore, metrics: ClaimMetrics) -> None:
    producer = LateProducer(lambda key: BrokerUnavailable())
    async with forecast_log(producer, (store, BUCKET), metrics) as log:
        log.note(QUERY, ANSWER, MODEL, AT)
        await until(lambda: log.dropped == 1)
    assert dropped(metrics, "broker_unavailable") == 1
    assert len(store.keys) == 1


async def test_a_mistake_in_one_part_does_not_end_the_log(store: LogStore, metrics: ClaimMetrics) -> None:
    async with forecast_log(None, (store, BUCKET), metrics, gather_s=0.0) as log:
        log.note(QUERY._replace(req_id="\ud800"), ANSWER, MODEL, AT)
        await until(lambda: log.dropped == 1)
        log.note(QUERY, ANSWER, MODEL, AT)
    assert len(store.keys) == 1


async def test_leaving_waits_no_longer_than_the_grace_and_counts_what_it_leaves(
    store: LogStore, metrics: ClaimMetrics
) -> None:
    gate = threading.Event()

    def wait(key: str) -> None:
        gate.wait(30)

    store.before_put = wait
    async with asyncio.timeout(20):
        async with forecast_log(None, (store, BUCKET), metrics, grace_s=0.05, part_rows=2) as log:
            for _ in range(5):
                log.note(QUERY, ANSWER, MODEL, AT)
        log.note(QUERY, ANSWER, MODEL, AT)
    gate.set()
    assert dropped(metrics, CLOSED) == 6


async def test_noting_costs_next_to_nothing(metrics: ClaimMetrics) -> None:
    log = forecast_log(None, None, metrics, most_rows=2_000_000, most_bytes=2**40)
    took_s = min(timeit.repeat(lambda: log.note(QUERY, ANSWER, MODEL, AT), number=10_000, repeat=5)) / 10_000
    assert took_s < 10e-6  # 0.6 us where nobody else is at work
