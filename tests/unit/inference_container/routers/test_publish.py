"""The publish door over a broker in memory and a folder of files."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from inference_container.broker.memory import MemoryBroker
from inference_container.broker.ports import Producer, Record, Sent
from inference_container.claims.deadlines import ClaimDeadline, TtlPolicy, milliseconds
from inference_container.claims.messages import Claim, read_claim
from inference_container.claims.publishing.burst import Publisher
from inference_container.errors import BrokerUnavailable
from inference_container.main import STATUS
from inference_container.metrics_claims import ClaimMetrics
from inference_container.routers.publish import publish_router
from inference_container.settings import InferenceSettings
from inference_container.stores.files import FileStore
from inference_container.stores.places import Places
from serving.http.admin import admin_router
from serving.http.problems import install_problems
from serving.metrics import Metrics
from tests.fakes.clock import ManualClock
from tests.unit.inference_container.claims.brokers import TOPIC, ChosenProducer, broker_with, everything_in, there

pytestmark = pytest.mark.anyio

TOKEN = "of-the-operator"
BUCKET, KEY = "processed-data", "test_processed_data.parquet"
PLACES = Places({BUCKET: ("",)})


@dataclass
class House:
    broker: MemoryBroker
    publisher: Publisher
    metrics: Metrics
    closing: threading.Event = field(default_factory=threading.Event)

    @asynccontextmanager
    async def client(self, producer: Producer | None = None) -> AsyncIterator[httpx.AsyncClient]:
        publisher = self.publisher if producer is None else replace(self.publisher, producer=lambda: producer)
        app = FastAPI()
        settings = InferenceSettings(admin_token=TOKEN)
        app.include_router(
            publish_router(replace(publisher, closing=self.closing.is_set), admin_router(TOKEN, settings))
        )
        install_problems(app, STATUS)
        transport = httpx.ASGITransport(app)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers) as client:
            yield client

    async def records(self) -> list[Record]:
        return await asyncio.to_thread(everything_in, self.broker)

    async def claims(self) -> list[Claim]:
        found = [read_claim(record.value, PLACES) for record in await self.records()]
        assert all(isinstance(claim, Claim) for claim in found)
        return [claim for claim in found if isinstance(claim, Claim)]

    def counted(self) -> float:
        name = "inference_messages_published_total"
        return self.metrics.registry.get_sample_value(name, {"topic": TOPIC}) or 0.0


@pytest.fixture
def house(tmp_path: Path) -> House:
    broker, metrics = broker_with(), Metrics()
    producer = broker.producer()
    store = FileStore(tmp_path, PLACES)
    store.ensure_buckets()
    clock = ManualClock()
    publisher = Publisher(
        lambda: producer, TOPIC, BUCKET, KEY, clock, store, ClaimMetrics(metrics), closing=lambda: False
    )
    return House(broker, publisher, metrics)


async def post(client: httpx.AsyncClient, order: object = None) -> httpx.Response:
    return await client.post("/publish_inference_claims", json=order)


async def test_an_order_that_says_nothing_is_one_claim_for_the_test_object(house: House) -> None:
    async with house.client() as client:
        for answer in (await client.post("/publish_inference_claims"), await post(client, {})):
            assert answer.status_code == 200
            assert answer.json() == {"status": "ok", "published": 1, "topic": TOPIC, "v": 1}
    assert await house.claims() == [Claim(1, BUCKET, KEY)] * 2


async def test_a_burst_is_published_as_it_was_ordered(house: House) -> None:
    order = {"bucket": BUCKET, "object_key": "a.parquet", "count": 25, "ttl_ms": 1500, "identifier": "north"}
    async with house.client() as client:
        answer = await post(client, {**order, "key_prefix": "burst"})
    assert answer.json()["published"] == 25
    assert await house.claims() == [Claim(1, BUCKET, "a.parquet", identifier="north")] * 25
    records = await house.records()
    assert {record.key for record in records} == {b"burst-%d" % number for number in range(25)}
    expected = ClaimDeadline(milliseconds(ManualClock()) + 1500)
    assert {TtlPolicy(True).read(record.headers) for record in records} == {expected}
    assert house.counted() == 25


async def test_claims_name_the_version_of_an_object_that_is_there(house: House) -> None:
    assert house.publisher.store is not None
    info = await asyncio.to_thread(house.publisher.store.put, BUCKET, KEY, b"rows")
    async with house.client() as client:
        assert (await post(client, {"count": 3})).json()["v"] == 2
    claims = await house.claims()
    assert {(claim.version, claim.etag, claim.size) for claim in claims} == {(2, info.etag, 4)}
    assert len({claim.claim_id for claim in claims}) == 3


async def test_without_a_store_claims_are_of_the_first_version(house: House) -> None:
    house.publisher = replace(house.publisher, store=None)
    async with house.client() as client:
        assert (await post(client)).json()["v"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": 0},
        {"count": 500_001},
        {"ttl_ms": 0},
        {"ttl_ms": 86_400_001},
        {"count": "many"},
        {"bucket": ""},
        {"object_key": "k" * 1025},
        {"identifier": ""},
        {"key_prefix": "k" * 201},
        [],
    ],
)
async def test_an_order_out_of_range_is_refused_and_nothing_is_sent(house: House, wrong: object) -> None:
    async with house.client() as client:
        answer = await post(client, wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert await house.claims() == []


async def test_nobody_publishes_without_the_token(house: House) -> None:
    async with house.client() as client:
        client.headers["Authorization"] = "Bearer of-somebody"
        assert (await post(client)).status_code == 401
    assert await house.claims() == []


async def test_a_second_burst_is_told_to_come_back_and_the_first_goes_on(house: House) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def answer(number: int) -> Sent:
        begun.set()
        assert go_on.wait(10)
        return there(number)

    async with house.client(ChosenProducer(answer)) as client:
        first = asyncio.create_task(post(client))
        await asyncio.to_thread(begun.wait, 10)
        second = await post(client)
        assert (second.status_code, second.json()["code"]) == (429, "queue_full")
        assert int(second.headers["Retry-After"]) >= 1
        go_on.set()
        assert (await first).status_code == 200
        assert (await post(client)).status_code == 200


async def test_a_broker_that_fails_half_way_is_told_with_what_is_certain(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "inference_container.claims")
    producer = ChosenProducer(lambda number: there(number) if number < 7 else BrokerUnavailable())
    async with house.client(producer) as client:
        answer = await post(client, {"count": 1000})
    assert (answer.status_code, answer.json()["code"]) == (503, "broker_unavailable")
    assert (answer.json()["published"], answer.json()["uncertain"]) == (7, 0)
    assert int(answer.headers["Retry-After"]) >= 1
    assert house.counted() == 7
    assert [record.message for record in caplog.records] == ["publish_claim_error"]


async def test_a_broker_that_can_not_be_reached_is_told_with_nothing_published(house: House) -> None:
    def none() -> Producer:
        raise BrokerUnavailable

    house.publisher = replace(house.publisher, producer=none)
    async with house.client() as client:
        answer = await post(client)
        assert (answer.status_code, answer.json()["published"]) == (503, 0)
        assert (await post(client)).status_code == 503  # and not: another burst is running


async def test_a_burst_ends_when_the_process_does(house: House) -> None:
    def answer(number: int) -> Sent:
        if number == 99:
            house.closing.set()
        return there(number)

    async with house.client(ChosenProducer(answer)) as client:
        cut = await post(client, {"count": 500_000})
        assert (cut.status_code, cut.json()["code"], cut.json()["published"]) == (503, "draining", 100)
        assert cut.headers["Connection"] == "close"
        late = await post(client)
        assert (late.status_code, late.json()["code"], late.json()["published"]) == (503, "draining", 0)


async def test_a_burst_that_went_well_is_told(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "inference_container.claims")
    async with house.client() as client:
        await post(client, {"count": 3})
    assert [record.message for record in caplog.records] == ["publish_claims_ok"]
