"""The embedded default: a broker in memory, a folder for a store, and the same consumer as everywhere."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import orjson
import pandas as pd
import pytest
from fastapi import FastAPI
from typing_extensions import override

from inference_container.broker.memory import MemoryBroker, MemoryProducer
from inference_container.broker.ports import Committed, Membership, Partition, Record
from inference_container.claims.deadlines import deadline_header
from inference_container.claims.messages import Claim, encode_claim
from inference_container.defaults import default_data_path
from inference_container.errors import BrokerUnavailable
from inference_container.main import create_app
from inference_container.outside import Outside, outside_of
from inference_container.settings import InferenceSettings

pytestmark = pytest.mark.anyio

CLAIMS, RESULTS, LETTERS = "inference-data", "performance-eval", "DLQ-performance-eval"


async def until(ask: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await ask():  # noqa: ASYNC110 - another process would have to ring: it is asked over HTTP
            await asyncio.sleep(0.05)


class Ignored:
    def assigned(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        return {}

    def revoked(self, partitions: Collection[Partition]) -> dict[Partition, Committed]:
        return {}

    def lost(self, partitions: Collection[Partition]) -> None:
        pass


class World:
    """A service with claims, and what lies in its topics."""

    def __init__(self, folder: Path) -> None:
        self.settings = InferenceSettings.model_validate(
            {
                "kafka_bootstrap_servers": "memory",
                "store_path": str(folder),
                "queue_workers": 1,
                "inference_length": 3,
                "inference_autoload_promoted": False,
            }
        )
        self.broker = MemoryBroker()
        self.outside = Outside(self.broker, outside_of(self.settings).store)
        self.folder = folder
        self.app: FastAPI = create_app(self.settings, self.outside)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[httpx.AsyncClient]:
        async with self.app.router.lifespan_context(self.app):
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://sluice") as client:
                yield client

    def put(self, key: str, rows: int = 200) -> None:
        frame = pd.read_csv(default_data_path()).tail(rows)
        content = io.BytesIO()
        frame.to_parquet(content, index=False)
        place = self.folder / "processed-data" / key
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.getvalue())

    def read(self, topic: str) -> list[Record]:
        group = f"look-{topic}-{id(object())}"
        consumer = self.broker.consumer(Membership(group, (topic,)), Ignored())
        found: list[Record] = []
        while batch := consumer.poll(1000, 0.2):
            found += batch
        consumer.close()
        return found

    async def messages(self, topic: str, count: int) -> list[Record]:
        """All of the topic, once there are so many."""
        found: list[Record] = []

        async def there() -> bool:
            found[:] = await asyncio.to_thread(self.read, topic)
            return len(found) >= count

        await until(there)
        return found


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    # Reads .env, before there is anything to block.
    monkeypatch.setattr(InferenceSettings, "warn_of_announced", lambda _: None)
    made = World(tmp_path / "objects")
    made.put("a.parquet")
    return made


async def test_a_claim_is_answered_and_what_is_none_is_put_aside(world: World) -> None:
    async with world.open() as client:
        world.broker.ensure_topics({CLAIMS: 8, RESULTS: 8, LETTERS: 1})
        producer = world.broker.producer()
        for number in range(20):
            claim = Claim(1, "processed-data", "a.parquet")
            producer.send(CLAIMS, encode_claim(claim), key=f"k{number}".encode()).result(5)
        producer.send(CLAIMS, b"not json", key=b"x").result(5)
        producer.send(CLAIMS, encode_claim(Claim(1, "processed-data", "missing.parquet"))).result(5)
        producer.send(CLAIMS, encode_claim(Claim(1, "processed-data", "a.parquet")), headers=(deadline_header(1),))
        results = await world.messages(RESULTS, 20)
        letters = await world.messages(LETTERS, 2)
        bodies = [orjson.loads(each.value or b"") for each in results]
        assert {len(body["forecast"]["predictions"]) for body in bodies} == {3}
        assert len({body["source"] for body in bodies}) == 20
        reasons = {dict(each.headers)["dlq-reason"] for each in letters}
        assert reasons == {b"not_json", b"object_missing"}

        async def nothing_in_hand() -> bool:
            return bool((await client.get("/claims")).json()["lane"]["depth"] == 0)

        await until(nothing_in_hand)
        told = (await client.get("/claims")).json()
        assert told["state"] == "running"
        assert told["outcomes"]["ok"] == 20
        assert told["outcomes"]["expired"] == 1
        assert sum(told["dead_letters"].values()) == 2
        assert len(told["latest"]) == 20
        metrics = (await client.get("/prometheus")).text
        assert 'inference_claims_total{outcome="ok"} 20.0' in metrics


async def test_what_is_asked_over_http_is_recorded_too(world: World) -> None:
    async with world.open() as client:

        async def running() -> bool:
            return bool((await client.get("/claims")).json()["state"] == "running")

        await until(running)
        body = await asyncio.to_thread((world.folder / "processed-data" / "a.parquet").read_bytes)
        answer = await client.post(
            "/predict?inference_length=2", content=body, headers={"Content-Type": "application/vnd.apache.parquet"}
        )
        assert answer.status_code == 200, answer.text
        (result,) = await world.messages(RESULTS, 1)
    told = orjson.loads(result.value or b"")
    assert told["forecast"]["predictions"] == answer.json()["predictions"]
    assert told["claim_id"] is None


class Elsewhere(MemoryBroker):
    """A broker that does not answer as long as it is told not to."""

    away = True

    @override
    def producer(self) -> MemoryProducer:
        if self.away:
            raise BrokerUnavailable
        return super().producer()


@pytest.fixture
def lonely(world: World) -> World:
    world.broker = Elsewhere()
    world.app = create_app(world.settings, Outside(world.broker, world.outside.store))
    return world


async def test_a_broker_that_is_away_is_told_by_readiness_and_callers_are_served_all_the_same(lonely: World) -> None:
    async with lonely.open() as client:

        async def degraded() -> bool:
            answer = await client.get("/ready")
            return answer.status_code == 200 and answer.json().get("degraded") == ["broker_away"]

        async def whole() -> bool:
            return not (await client.get("/ready")).json().get("degraded")

        await until(degraded)
        body = await asyncio.to_thread((lonely.folder / "processed-data" / "a.parquet").read_bytes)
        headers = {"Content-Type": "application/vnd.apache.parquet"}
        assert (await client.post("/predict", content=body, headers=headers)).status_code == 200
        assert isinstance(lonely.broker, Elsewhere)
        lonely.broker.away = False
        await until(whole)
