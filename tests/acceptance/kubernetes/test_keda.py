"""KEDA and the claims consumer on one real Kafka: a backlog takes replicas up, working it off takes them down.

Group, topic and partitions are those that 30-apps plans; the consumer is the real one with the variables of its pod, as
a process of this machine, because the cluster's pods are only played.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from inference_container.broker.kafka import KafkaBroker
from inference_container.broker.kafka_connection import KafkaConnection
from inference_container.stores.opening import open_store
from inference_container.stores.places import Places as Allowed
from tests.acceptance.kubernetes.cluster import Cluster, Manifest
from tests.acceptance.kubernetes.conftest import VARIABLES, Street
from tests.acceptance.kubernetes.manifests import NotRendered, environment_of, one, planted, rendered, trigger_of
from tests.chaos.reconcile import Onlooker, Places
from tests.chaos.workload import BUCKET, Objects, Workload, publish
from tests.integration.object_servers import KEY, SECRET, ObjectServer, versitygw, versitygw_program
from tests.integration.processes import eventually, running
from tests.kafka.marks import KAFKA
from tests.kafka.server import KafkaServer

pytestmark = [pytest.mark.timeout(1800), *KAFKA, pytest.mark.usefixtures("no_sockets_left")]

NAME = "inference-claims"
CLAIMS = 5000
#: Claims in waiting for each replica, so many that they ask for less than the most: ceil(5000 / 1700) is 3.
MODEST = 1700
WITHIN_S = 60
#: The autoscaler looks every five seconds here.
LOOK_S = 6


@dataclass(frozen=True, slots=True)
class Scaled:
    """The consumer's Deployment, and the Kafka whose backlog scales it."""

    cluster: Cluster
    scaled_object: Manifest
    environment: dict[str, str]  #: of the pod, but for addresses and folders: those are this machine's
    topic: str
    group: str
    folder: Path

    def told(self, lag_threshold: int) -> None:
        """KEDA, from now on."""

        def tell(scaled_object: Manifest) -> None:
            told = scaled_object["spec"]["triggers"][0]["metadata"]
            told |= {
                "lagThreshold": str(lag_threshold),
                "bootstrapServers": self.environment["KAFKA_BOOTSTRAP_SERVERS"],
            }

        self.cluster.apply([planted(self.scaled_object, tell)], "--force-conflicts")

    def reaches(self, replicas: int, then_s: float = 0) -> None:
        """Within a minute, and stays so for a while."""

        def ready() -> bool:
            status = self.cluster.get("deployment", NAME)["status"]
            return bool(status.get("readyReplicas", 0) == status.get("replicas", 0) == replicas)

        took = self.cluster.until(ready, f"{replicas} replicas of {NAME}", WITHIN_S)
        print(f"{replicas} of {NAME} after {took:.0f} s")  # noqa: T201  # a figure for who asks with -s
        end = time.monotonic() + then_s
        while time.monotonic() < end:
            assert ready(), self.cluster.told()
            time.sleep(0.5)


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    with versitygw(versitygw_program(print), tmp_path_factory.mktemp("store")) as server:
        yield server


@pytest.fixture
def scaled(street: Street, kafka_node: KafkaServer, objects: ObjectServer, tmp_path: Path) -> Iterator[Scaled]:
    """All is as it was when the test is done."""
    scaled_object, environment = one(street.manifests, "ScaledObject", NAME), environment_of(street.manifests, NAME)
    trigger = trigger_of(scaled_object)
    assert trigger["bootstrapServers"].startswith(environment["KAFKA_BOOTSTRAP_SERVERS"].partition(":")[0])
    assert trigger["topic"] == environment["CONSUMER_TOPIC_0"]
    assert trigger["consumerGroup"] == environment["CONSUMER_GROUP_ID"]
    environment |= {name: f"{tmp_path}{value}" for name, value in environment.items() if value.startswith("/")}
    environment |= {"KAFKA_BOOTSTRAP_SERVERS": kafka_node.bootstrap, "HOST": "127.0.0.1", "PROCESSED_BUCKET": BUCKET}
    environment |= {"S3_ENDPOINT": objects.address.endpoint, "S3_ACCESS_KEY": KEY, "S3_SECRET_KEY": SECRET}
    environment |= {"S3_SECURE": "0", "S3_REGION": "us-east-1", "S3_CREDENTIALS": "keys", "CLAIM_BUCKETS": BUCKET}
    topic, group = trigger["topic"], trigger["consumerGroup"]
    yield Scaled(street.cluster, scaled_object, environment, topic, group, tmp_path)
    street.cluster.apply([scaled_object], "--force-conflicts")


@pytest.fixture
def work(scaled: Scaled, objects: ObjectServer) -> Workload:
    """Good claims alone, and what they point at."""
    store = open_store(objects.address, Allowed.read(f"{BUCKET},{scaled.environment['INFERENCE_LOG_BUCKET']}"))
    store.ensure_buckets()
    made = Workload(1, Objects(store), broken=0)
    store.close()
    return made


def test_a_backlog_takes_the_consumer_up_and_working_it_off_takes_it_down(scaled: Scaled, work: Workload) -> None:
    spec, usual = scaled.scaled_object["spec"], int(trigger_of(scaled.scaled_object)["lagThreshold"])
    least, most = spec["minReplicaCount"], spec["maxReplicaCount"]
    assert least == 1
    assert math.ceil(CLAIMS / MODEST) < most <= math.ceil(CLAIMS / usual), "one of the two bounds would not be seen"

    put_claims(scaled, work)
    scaled.told(MODEST)
    scaled.reaches(math.ceil(CLAIMS / MODEST), then_s=LOOK_S)
    scaled.told(usual)
    scaled.reaches(most)

    begun = time.monotonic()
    with running(("inference_container", "serve"), "INFERENCE_API_PORT", scaled.folder, scaled.environment) as consumer:
        places = Places(scaled.environment["KAFKA_BOOTSTRAP_SERVERS"], scaled.topic, "", "", scaled.group, None)
        with Onlooker(places) as onlooker:
            eventually(lambda: not onlooker.lag(), WITHIN_S, lambda: "\n".join([*onlooker.lag(), *consumer.log[-20:]]))
        print(f"worked off after {time.monotonic() - begun:.0f} s")  # noqa: T201  # likewise
        scaled.reaches(least)


def put_claims(scaled: Scaled, work: Workload) -> None:
    """While nobody consumes."""
    broker = KafkaBroker(KafkaConnection((scaled.environment["KAFKA_BOOTSTRAP_SERVERS"],)))
    broker.ensure_topics({scaled.topic: int(scaled.environment["KAFKA_TOPIC_PARTITIONS"])})
    producer = broker.producer()
    publish(producer, scaled.topic, work.messages(CLAIMS))
    producer.close()
    broker.close()


def test_fewer_partitions_than_replicas_are_refused_before_anything_is_applied(tmp_path: Path) -> None:
    with pytest.raises(NotRendered, match="partitions"):
        rendered(tmp_path / "manifests.yaml", **VARIABLES | {"kafka_partitions": 1})
