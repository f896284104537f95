"""Promotions as they happen: three services under load, a real Kafka, a real store that goes away, typed commands.

The pointer is polled once an hour here, so that what comes about came from an event; the last part does without events.
"""

import hashlib
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import httpx
import orjson
import pytest

from inference_container.broker.kafka import KafkaBroker
from inference_container.broker.kafka_connection import KafkaConnection
from inference_container.broker.ports import Membership, Record
from inference_container.bundles.files import WEIGHTS
from inference_container.promotion.pointer import Pointer
from inference_container.promotion.shelf import PointerShelf
from inference_container.stores.places import Places
from inference_container.stores.s3 import S3Store
from tests.integration.inference_container.conftest import MODULE
from tests.integration.object_servers import ObjectServer, versitygw, versitygw_program
from tests.integration.processes import ServiceProcess, eventually, running
from tests.kafka.marks import KAFKA
from tests.unit.inference_container.bundles.samples import golden_data
from tests.unit.inference_container.promotion.house import BUNDLES, MODELS, POINTERS, id_of, make_bundle
from tests.unit.inference_container.promotion.test_listener import Nobody
from tests.unit.inference_container.promotion.test_pointer import OLD

#: The longer time first: it is the one that counts.
pytestmark = [pytest.mark.timeout(600), *KAFKA]

REPLICAS = 3
#: Seconds without a store; `PROMOTION_OUTAGE_S` asks for more.
OUTAGE_S = float(os.environ.get("PROMOTION_OUTAGE_S", "4"))
QUESTION = orjson.dumps({"data": golden_data(3), "inference_length": 3})


@dataclass
class World:
    folder: Path
    server: ObjectServer
    bootstrap: str
    token: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def topic(self) -> str:
        return f"model-selected-{self.token}"

    @property
    def settings(self) -> dict[str, str]:
        address = self.server.address
        return {
            "S3_ENDPOINT": address.endpoint,
            "S3_ACCESS_KEY": address.access_key,
            "S3_SECRET_KEY": address.secret_key,
            "S3_SECURE": "false",
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "CONSUMER_TOPIC_0": f"claims-{self.token}",
            "CONSUMER_TOPIC_1": "none",
            "CONSUMER_GROUP_ID": f"house-{self.token}",
            "PRODUCER_TOPIC": f"results-{self.token}",
            "PROMOTION_TOPIC": self.topic,
            "PROMOTION_POLL": "3600",
            "LOG_HTTP_FORECASTS": "false",
            "QUEUE_WORKERS": "1",
            "ADMIN_TOKEN": "for-the-tests",
        }

    def command(self, *words: str, status: int = 0) -> str:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        root = str(Path(__file__).parents[4])
        ended = subprocess.run(
            [sys.executable, "-m", "inference_container", "bundle", *words],
            cwd=self.folder,
            env={**inherited, **self.settings, "PYTHONPATH": root},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == status, ended.stderr
        return ended.stdout + ended.stderr

    def bundle(self, seed: int) -> Path:
        path = self.folder / "made" / f"sample-{seed}"
        return path if path.exists() else make_bundle(self.folder / "made", seed=seed)

    @contextmanager
    def replica(self, number: int, **changes: str) -> Iterator[ServiceProcess]:
        disk = {"BUNDLE_CACHE": str(self.folder / f"disk-{number}")}
        cwd = self.folder / f"replica-{number}"
        cwd.mkdir(exist_ok=True)
        with running(MODULE, "INFERENCE_API_PORT", cwd, {**self.settings, **disk, **changes}) as process:
            yield process

    def store(self) -> S3Store:
        return S3Store(self.server.address, Places({POINTERS: ("",), MODELS: ("",)}))

    def promote_corrupt(self, seed: int) -> Pointer:
        """A pointer to files that are not what it says: no command would write it."""
        bundle, store = self.bundle(seed), self.store()
        shelf = PointerShelf(store, POINTERS, BUNDLES)
        before = shelf.read("default")
        assert before is not None
        assert isinstance(before.pointer, Pointer)
        prefix = f"sample/{id_of(bundle)}/"
        for file in bundle.iterdir():
            content = file.read_bytes()
            store.put(MODELS, f"{prefix}{file.name}", content[:-1] + b"\x00" if file.name == WEIGHTS else content)
        pointer = replace(
            before.pointer,
            bundle_id=id_of(bundle),
            prefix=prefix,
            manifest_sha256=hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest(),
            promoted_at=before.pointer.promoted_at + timedelta(seconds=1),
            previous_bundle_id=before.pointer.bundle_id,
        )
        assert shelf.write(pointer, before) is None
        store.close()
        self.say(pointer.encode())
        return pointer

    def say(self, value: bytes) -> None:
        broker = KafkaBroker(KafkaConnection((self.bootstrap,)))
        producer = broker.producer()
        producer.send(self.topic, value, b"default").result(20)
        producer.close()
        broker.close()

    def letters(self, most: int) -> list[Record]:
        """Waits for so many, and a moment longer for one more."""
        broker = KafkaBroker(KafkaConnection((self.bootstrap,)))
        consumer = broker.consumer(Membership(f"look-{secrets.token_hex(4)}", (f"DLQ-{self.topic}",)), Nobody())
        found: list[Record] = []
        end = time.monotonic() + 30
        while len(found) < most and time.monotonic() < end:
            found.extend(consumer.poll(100, 0.2))
        found.extend(consumer.poll(100, 1.0))
        consumer.close()
        broker.close()
        return found


@pytest.fixture
def world(tmp_path: Path, say: Callable[[str], None], kafka_bootstrap: str) -> Iterator[World]:
    with versitygw(versitygw_program(say), tmp_path / "versitygw") as server:
        yield World(tmp_path, server, kafka_bootstrap)


class Load:
    """Asks a service one question over and over, and keeps what was answered."""

    def __init__(self, service: ServiceProcess) -> None:
        self.service = service
        self.failures: list[str] = []
        self.forecasts: dict[str, set[bytes]] = {}
        self.answers = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self.service.client() as client:
            while not self._stop.wait(0.005):
                try:
                    answer = client.post("/predict", content=QUESTION)
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                    continue
                if answer.status_code != 200:
                    self.failures.append(answer.text)
                    continue
                body = answer.json()
                self.answers += 1
                self.forecasts.setdefault(body["run_id"], set()).add(orjson.dumps(body["predictions"]))

    def end(self) -> None:
        self._stop.set()
        self._thread.join(30)


def served(service: ServiceProcess) -> str:
    answer = httpx.post(f"{service.url}/predict", content=QUESTION, timeout=10)
    return str(answer.json().get("run_id")) if answer.status_code == 200 else ""


def ready(service: ServiceProcess) -> None:
    """Patiently: three services start at once, and other tests may be at work beside them."""

    def asked() -> bool:
        assert service.process.poll() is None, "\n".join(service.log)
        try:
            return service.get("/ready").status_code == 200
        except httpx.TransportError:
            return False

    eventually(asked, 150, lambda: "\n".join(service.log))


def all_serve(services: list[ServiceProcess], bundle: Path, within_s: float = 90) -> None:
    wanted = id_of(bundle)
    logs = lambda: "\n".join(line for each in services for line in each.log[-40:])  # noqa: E731 - told when it fails
    eventually(lambda: all(served(each) == wanted for each in services), within_s, logs)


def refusals(service: ServiceProcess) -> list[Mapping[str, object]]:
    return list(service.events("promotion_refused"))


def test_three_replicas_follow_refuse_and_live_through_an_outage(world: World) -> None:
    one, two, three, corrupt = (world.bundle(seed) for seed in (1, 2, 3, 4))
    world.command("promote", str(one))
    with ExitStack() as stack:
        services = [stack.enter_context(world.replica(number)) for number in range(REPLICAS)]
        for each in services:
            ready(each)
        all_serve(services, one)
        loads = [Load(each) for each in services]

        # An event, and every replica has another model; nobody was refused meanwhile.
        assert "was told" in world.command("promote", str(two))
        all_serve(services, two)

        # What is corrupt is refused by all of them, and each says so.
        world.promote_corrupt(4)
        eventually(lambda: all(refusals(each) for each in services), 60)
        assert [[each["reason"] for each in refusals(service)] for service in services] == [["bundle_refused"]] * 3
        letters = world.letters(REPLICAS)
        assert {dict(each.headers)["dlq-source"] for each in letters} == {
            f"{world.topic}-pointer-{id_of(corrupt)}".encode()
        }
        assert len(letters) == REPLICAS

        # An event of the time before bundles is put aside by one of them.
        world.say(OLD)
        letters = world.letters(REPLICAS + 1)
        old = [each for each in letters if dict(each.headers)["dlq-reason"] == b"no_bundle_id"]
        assert [each.value for each in old] == [OLD]
        assert len(letters) == REPLICAS + 1
        all_serve(services, two)
        world.command("rollback")  # from the corrupt one to the one that is served all the while
        all_serve(services, two)

        # The store goes; a replica that starts meanwhile serves from its disk.
        loads.pop().end()
        world.server.stop()
        assert services[-1].stop() == 0
        services[-1] = stack.enter_context(world.replica(REPLICAS - 1))
        ready(services[-1])
        eventually(lambda: bool(services[-1].events("promotion_active")), 30)
        (active,) = services[-1].events("promotion_active")
        assert (active["bundle_id"], active["source"]) == (id_of(two), "disk")
        loads.append(Load(services[-1]))
        threading.Event().wait(OUTAGE_S)
        all_serve(services, two)
        world.server.start()
        world.command("promote", str(three))
        all_serve(services, three)

        for load in loads:
            load.end()
        assert [load.failures for load in loads] == [[], [], []]
        assert all(load.answers > 20 for load in loads)
        told = {id_of(each) for each in (one, two, three)}
        forecasts: dict[str, set[bytes]] = {}
        for load in loads:
            for run_id, answers in load.forecasts.items():
                forecasts.setdefault(run_id, set()).update(answers)
        assert set(forecasts) <= told
        # One question, one bundle, one answer, whoever was asked and whatever was going on.
        assert [len(answers) for answers in forecasts.values()] == [1] * len(forecasts)
        assert len(set.union(*forecasts.values())) == len(forecasts) >= 2


def test_without_events_the_pointer_is_found_by_looking(world: World) -> None:
    one, two = world.bundle(1), world.bundle(2)
    world.command("promote", str(one))
    with world.replica(0, PROMOTION_TOPIC="none", PROMOTION_POLL="0.5") as service:
        ready(service)
        all_serve([service], one)
        world.command("promote", str(two))
        all_serve([service], two)
