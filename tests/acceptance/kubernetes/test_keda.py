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
from inference_container.stores.address import open_store
from inference_container.stores.places import Places as Allowed
from tests.acceptance.kubernetes.cluster import LLM_ZONE, Cluster, Manifest
from tests.acceptance.kubernetes.conftest import TAG, Street
from tests.acceptance.kubernetes.manifests import NotRendered, environment_of, one, planted, rendered, trigger_of
from tests.chaos.reconcile import Onlooker, Places
from tests.chaos.workload import Objects, Workload, publish
from tests.integration.object_servers import KEY, SECRET, ObjectServer, versitygw, versitygw_program
from tests.integration.processes import eventually, running
from tests.kafka.marks import KAFKA
from tests.kafka.server import KafkaServer

pytestmark = [pytest.mark.timeout(1800), *KAFKA, pytest.mark.usefixtures("no_sockets_left")]

NAME = "inference-claims"
CLAIMS = 5000
#: Claims in waiting for each replica, so that they ask for less than the most: ceil(5000 / 1300) is 4.
MODEST = 1300
#: In the cluster these are longer, so that a short pause takes no pods away.
IN_A_HURRY = {"keda_polling_seconds": 2, "keda_cooldown_seconds": 10, "keda_stabilization_seconds": 5}
WITHIN_S = 60
#: Kafka and the store, of `30-apps`' own variables.
BUCKETS = "processed-data,inference-logs,model-promotion,models"


@dataclass(frozen=True, slots=True)
class Scaled:
    """The consumer's Deployment, and the Kafka whose backlog scales it."""

    cluster: Cluster
    manifests: list[Manifest]
    kafka: KafkaServer
    objects: ObjectServer
    folder: Path

    @property
    def scaled_object(self) -> Manifest:
        return one(self.manifests, "ScaledObject", NAME)

    @property
    def environment(self) -> dict[str, str]:
        """Of the pod, but for where the store is and for folders: those lie under one of this test."""
        planned = environment_of(self.manifests, NAME)
        inside = {name: f"{self.folder}{value}" for name, value in planned.items() if value.startswith("/")}
        store = {"S3_ENDPOINT": self.objects.address.endpoint, "S3_ACCESS_KEY": KEY, "S3_SECRET_KEY": SECRET}
        return {**planned, **inside, **store, "S3_SECURE": "0", "HOST": "127.0.0.1"}

    def reaches(self, replicas: int) -> None:
        """Within a minute, and stays so while KEDA and the autoscaler look once or twice more."""

        def ready() -> bool:
            status = self.cluster.get("deployment", NAME)["status"]
            return bool(status.get("readyReplicas", 0) == status.get("replicas", 0) == replicas)

        took = self.cluster.until(ready, f"{replicas} replicas of {NAME}", WITHIN_S)
        print(f"{replicas} of {NAME} after {took:.0f} s")  # noqa: T201  # a figure for who asks with -s
        end = time.monotonic() + 8
        while time.monotonic() < end:
            assert ready(), self.cluster.told()
            time.sleep(0.5)


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    with versitygw(versitygw_program(print), tmp_path_factory.mktemp("store")) as server:
        yield server


@pytest.fixture(scope="module")
def scaled(
    street: Street, kafka_node: KafkaServer, objects: ObjectServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scaled]:
    """30-apps once more, told of this Kafka; everything is as it was when the tests are done."""
    folder = tmp_path_factory.mktemp("keda")
    manifests = rendered(
        folder / "manifests.yaml", image_tag=TAG, llm_zone=LLM_ZONE, kafka_mode="msk",
        kafka_bootstrap_servers=kafka_node.bootstrap, claims_lag_threshold=MODEST, **IN_A_HURRY,
    )  # fmt: skip
    street.cluster.apply(manifests, "--force-conflicts")
    yield Scaled(street.cluster, manifests, kafka_node, objects, folder)
    street.cluster.apply(street.manifests, "--force-conflicts")


def test_a_backlog_takes_the_consumer_up_and_working_it_off_takes_it_down(scaled: Scaled, street: Street) -> None:
    environment, spec = scaled.environment, scaled.scaled_object["spec"]
    least, most = spec["minReplicaCount"], spec["maxReplicaCount"]
    topic, group = said_by_both(scaled, environment)
    usual = int(trigger_of(one(street.manifests, "ScaledObject", NAME))["lagThreshold"])
    assert math.ceil(CLAIMS / MODEST) < most <= math.ceil(CLAIMS / usual), "neither bound would be seen"

    put_claims(scaled, environment)
    scaled.reaches(math.ceil(CLAIMS / MODEST))
    scaled.cluster.apply([planted(scaled.scaled_object, lambda it: worth(it, usual))], "--force-conflicts")
    scaled.reaches(most)

    begun = time.monotonic()
    with running(("inference_container", "serve"), "INFERENCE_API_PORT", scaled.folder, environment) as consumer:
        places = Places(scaled.kafka.bootstrap, topic, environment["PRODUCER_TOPIC"], "", group, None)
        with Onlooker(places) as onlooker:
            eventually(lambda: not onlooker.lag(), WITHIN_S, lambda: "\n".join([*onlooker.lag(), *consumer.log[-20:]]))
        print(f"worked off after {time.monotonic() - begun:.0f} s")  # noqa: T201  # likewise
        scaled.reaches(least)
    assert least == 1


def said_by_both(scaled: Scaled, environment: dict[str, str]) -> tuple[str, str]:
    """Topic and group, by which KEDA counts and the consumer works; they have to be the same."""
    trigger = trigger_of(scaled.scaled_object)
    assert trigger["bootstrapServers"] == environment["KAFKA_BOOTSTRAP_SERVERS"] == scaled.kafka.bootstrap
    assert trigger["topic"] == environment["CONSUMER_TOPIC_0"]
    assert trigger["consumerGroup"] == environment["CONSUMER_GROUP_ID"]
    return trigger["topic"], trigger["consumerGroup"]


def put_claims(scaled: Scaled, environment: dict[str, str]) -> None:
    store = open_store(scaled.objects.address, Allowed.read(BUCKETS))
    store.ensure_buckets()
    work = Workload(1, Objects(store), broken=0)
    store.close()
    broker = KafkaBroker(KafkaConnection((scaled.kafka.bootstrap,)))
    partitions = int(environment["KAFKA_TOPIC_PARTITIONS"])
    results, letters = environment["PRODUCER_TOPIC"], environment["DLQ_PERFORMANCE_TOPIC"]
    broker.ensure_topics({environment["CONSUMER_TOPIC_0"]: partitions, results: partitions, letters: 1})
    producer = broker.producer()
    publish(producer, environment["CONSUMER_TOPIC_0"], work.messages(CLAIMS))
    producer.close()
    broker.close()


def worth(scaled_object: Manifest, claims: int) -> None:
    scaled_object["spec"]["triggers"][0]["metadata"]["lagThreshold"] = str(claims)


def test_fewer_partitions_than_replicas_are_refused_before_anything_is_applied(tmp_path: Path) -> None:
    with pytest.raises(NotRendered, match="partitions"):
        rendered(tmp_path / "manifests.yaml", image_tag=TAG, llm_zone=LLM_ZONE, kafka_partitions=1)
