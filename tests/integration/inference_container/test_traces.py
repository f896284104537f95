"""The trace of one claim, as a collector is told of it: published over HTTP, through a broker, to its result."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from inference_container.broker.address import open_broker
from inference_container.broker.kafka_connection import KafkaConnection
from inference_container.broker.ports import Broker, Membership, Record
from inference_container.main import create_app
from inference_container.outside import Outside, outside_of
from inference_container.settings import InferenceSettings
from tests.fakes.collector import Collector, Seen, collecting
from tests.integration.inference_container.conftest import MODULE
from tests.integration.inference_container.test_claims_embedded import Ignored, World, until
from tests.integration.processes import eventually, running
from tests.kafka.marks import KAFKA

pytestmark = pytest.mark.timeout(120)

TRACE_ID, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ADMIN = {"Authorization": "Bearer for-the-tests", "traceparent": f"00-{TRACE_ID}-{CALLER}-01"}
ORDER = {"bucket": "processed-data", "object_key": "a.parquet", "count": 1}
RESULTS = "performance-eval"


def claim_is_told(collector: Collector, result: Record) -> None:
    """From the caller's span to the result's header, each the child of the one before."""
    served = collector.one("POST /publish_inference_claims")
    published = collector.one("publish inference-data")
    processed = collector.one("process inference-data")
    assert (served.trace_id, served.parent_id, served.kind) == (TRACE_ID, CALLER, "server")
    assert (published.parent_id, published.kind) == (served.span_id, "producer")
    assert (processed.parent_id, processed.kind) == (published.span_id, "consumer")
    stages = {span.name: span for span in collector.children(processed)}
    assert set(stages) == {"fetch object", "admission wait", "forecast", "put log part", f"publish {RESULTS}"}
    (forward,) = collector.children(stages["forecast"])
    assert forward.name == "forward pass"
    told = dict(result.headers)["traceparent"].decode()
    assert told == f"00-{TRACE_ID}-{stages[f'publish {RESULTS}'].span_id}-01"
    mine = [span for span in collector.spans if span.trace_id == TRACE_ID]
    assert len(mine) == 9
    within(processed, *stages.values(), forward)
    assert processed.attributes["sluice.claim.outcome"] == "ok"
    assert processed.attributes["messaging.destination.name"] == "inference-data"
    assert processed.attributes["messaging.system"] == "kafka"
    assert not any(span.failed for span in mine)
    assert {span.service["service.name"] for span in mine} == {"sluice-inference"}
    assert not any(b"a.parquet" in body for body in collector.raw)


def within(outer: Seen, *inner: Seen) -> None:
    slack_ns = 5_000_000  # two clocks are looked at one after the other
    for span in inner:
        assert outer.begun_ns - slack_ns <= span.begun_ns <= span.ended_ns <= outer.ended_ns + slack_ns, span.name


class Traced(World):
    """A service with claims, whose spans go to a collector. One try for each claim."""

    def __init__(self, folder: Path, collector: Collector) -> None:
        super().__init__(folder)
        own = {
            "otel_exporter_otlp_endpoint": collector.address,
            "enable_publish_api": True,
            "admin_token": "for-the-tests",
            "claim_max_attempts": 1,
        }
        self.settings = InferenceSettings.model_validate({**self.settings.model_dump(), **own})
        self.app = create_app(self.settings, Outside(self.broker, outside_of(self.settings).store))

    async def publish(self, client: httpx.AsyncClient, headers: Mapping[str, str]) -> None:
        async def consuming() -> bool:
            return bool((await client.get("/claims")).json()["state"] == "running")

        await until(consuming)
        answer = await client.post("/publish_inference_claims", json=ORDER, headers=dict(headers))
        assert answer.json()["published"] == 1, answer.text


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collector: Collector) -> Traced:
    # Reads .env, before there is anything to block.
    monkeypatch.setattr(InferenceSettings, "warn_of_announced", lambda _: None)
    return Traced(tmp_path / "objects", collector)


@pytest.mark.anyio
async def test_a_claim_is_one_trace_from_the_request_that_published_it_to_its_result(
    world: Traced, collector: Collector
) -> None:
    world.put("a.parquet")
    async with world.open() as client:
        await world.publish(client, ADMIN)
        (result,) = await world.messages(RESULTS, 1)
    claim_is_told(collector, result)


@pytest.mark.anyio
async def test_a_claim_that_is_not_sampled_says_so_all_the_way_and_is_not_told(
    world: Traced, collector: Collector
) -> None:
    world.put("a.parquet")
    async with world.open() as client:
        await world.publish(client, {**ADMIN, "traceparent": f"00-{TRACE_ID}-{CALLER}-00"})
        (claim,) = await world.messages("inference-data", 1)
        (result,) = await world.messages(RESULTS, 1)
    assert [span.name for span in collector.spans if span.trace_id == TRACE_ID] == []
    for message in (claim, result):
        told = dict(message.headers)["traceparent"].decode()
        assert (told.split("-")[1], told[-3:]) == (TRACE_ID, "-00")


@pytest.mark.anyio
async def test_a_claim_that_dies_is_one_trace_too_and_its_letter_and_its_lines_are_of_it(
    world: Traced, collector: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    async with world.open() as client:
        await world.publish(client, ADMIN)
        (letter,) = await world.messages("DLQ-performance-eval", 1)
        (claim,) = await world.messages("inference-data", 1)
    processed, letters = collector.one("process inference-data"), collector.one("publish DLQ-performance-eval")
    assert letters.parent_id == processed.span_id
    assert collector.one("fetch object").failed
    assert processed.attributes["sluice.claim.outcome"] == "dead_letter"
    assert letter.headers[: len(claim.headers)] == claim.headers
    assert "traceparent" in dict(claim.headers)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert {line["trace_id"] for line in lines if line["event"] == "dead_letter"} == {TRACE_ID}


def read(broker: Broker, topic: str) -> list[Record]:
    consumer = broker.consumer(Membership(f"look-{topic}", (topic,)), Ignored())
    try:
        return list(consumer.poll(10, 1.0))
    finally:
        consumer.close()


@pytest.mark.kafka
@pytest.mark.timeout(180)
@pytest.mark.filterwarnings(KAFKA[-1].args[0])
def test_a_claim_is_one_trace_through_a_real_broker_and_a_real_process(
    kafka_bootstrap: str, tmp_path: Path, collector: Collector
) -> None:
    World(tmp_path / "objects").put("a.parquet")
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "STORE_PATH": str(tmp_path / "objects"),
        "CONSUMER_GROUP_ID": "traces",
        "CONSUMER_TOPIC_0": "traces-claims",
        "CONSUMER_TOPIC_1": "none",
        "PROMOTION_TOPIC": "none",
        "PRODUCER_TOPIC": "traces-results",
        "DLQ_PERFORMANCE_TOPIC": "traces-letters",
        "ENABLE_PUBLISH_API": "1",
        "ADMIN_TOKEN": "for-the-tests",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
    }
    with running(MODULE, "INFERENCE_API_PORT", tmp_path, settings) as service:
        service.until_ready()
        eventually(lambda: service.get("/claims").json()["state"] == "running", 60)
        with service.client() as client:
            answer = client.post("/publish_inference_claims", json=ORDER, headers=ADMIN)
        assert answer.json()["published"] == 1, answer.text
        eventually(lambda: service.get("/claims").json()["outcomes"].get("ok") == 1, 60)
        assert service.stop() == 0  # what was not sent by now is sent on the way out
    broker = open_broker(KafkaConnection((kafka_bootstrap,)))
    try:
        (result,) = read(broker, "traces-results")
    finally:
        broker.close()
    names = ["POST /publish_inference_claims", "publish traces-claims", "process traces-claims"]
    chain = [collector.one(name) for name in names]
    assert [span.parent_id for span in chain] == [CALLER, chain[0].span_id, chain[1].span_id]
    stages = {span.name: span for span in collector.children(chain[2])}
    assert set(stages) >= {"fetch object", "forecast", "put log part", "publish traces-results"}
    assert dict(result.headers)["traceparent"].decode().split("-")[1:3] == [
        *(TRACE_ID, stages["publish traces-results"].span_id)
    ]
    assert {span.trace_id for span in (*chain, *stages.values())} == {TRACE_ID}
