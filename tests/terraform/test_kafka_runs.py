"""Three real brokers with the environment that the plan gives them, and one of them lost.

What the image does at its start is done here by its own class: it makes Kafka's configuration of the environment and
prepares the volume. Only names and ports are others, for there is one machine instead of three pods.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from inference_container.broker.kafka import KafkaBroker
from inference_container.broker.kafka_connection import KafkaConnection
from tests.integration.processes import eventually
from tests.kafka.marks import KAFKA
from tests.terraform.planting import Tree

pytestmark = [pytest.mark.timeout(240), *KAFKA, pytest.mark.usefixtures("no_sockets_left")]  # the first time counts

NODES = 3
#: Of what the image brings, as little as its class needs.
_LOGGING = "Configuration:\n  Properties: {}\n  Appenders: {}\n  Loggers:\n    Root: {level: INFO}\n    Logger: []\n"


@dataclass(frozen=True, slots=True)
class Door:
    client: int
    quorum: int


class Broker:
    """One pod of the set as a process."""

    def __init__(self, libs: Path, folder: Path, environment: Mapping[str, str]) -> None:
        self._java = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{libs}/*"]
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        defaults, mounted, final = (self._folder / name for name in ("defaults", "mounted", "final"))
        for folder in (defaults, mounted, final):
            folder.mkdir(parents=True)
        (defaults / "server.properties").write_text("none.of.this=stays\n")
        for name in ("log4j2.yaml", "tools-log4j2.yaml"):
            (defaults / name).write_text(_LOGGING)
        setup = [
            "setup",
            "--default-configs-dir",
            defaults,
            "--mounted-configs-dir",
            mounted,
            "--final-configs-dir",
            final,
        ]
        done = subprocess.run(
            [*self._java, "kafka.docker.KafkaDockerWrapper", *map(str, setup)],
            capture_output=True, text=True, timeout=60, check=False, env=self._environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert "none.of.this" not in (final / "server.properties").read_text()
        with (self._folder / "broker.log").open("wb") as log:
            self.process = subprocess.Popen(
                [*self._java, "kafka.Kafka", str(final / "server.properties")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment, start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(30)

    def tool(self, name: str, *arguments: str, servers: str) -> str:
        command = [*self._java, f"org.apache.kafka.tools.{name}", "--bootstrap-server", servers, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    def log(self) -> str:
        return (self._folder / "broker.log").read_text(errors="replace")[-3000:]


def test_three_brokers_of_the_plan_go_on_without_one(tree: Tree, kafka_jars: Path, tmp_path: Path) -> None:
    doors = [Door(*pair) for pair in batched(free_ports(2 * NODES))]
    container = planned_container(tree)
    with ExitStack() as stack:
        brokers = []
        for node in range(NODES):
            folder = tmp_path / f"kafka-{node}"
            broker = Broker(kafka_jars, folder, environment(container, node, doors, folder))
            stack.callback(broker.kill)
            brokers.append(broker)
            broker.start()
        servers = ",".join(f"127.0.0.1:{door.client}" for door in doors)

        def logs() -> str:
            return "\n".join(broker.log() for broker in brokers)

        eventually(lambda: topics_are_made(servers), 120, logs)
        described = brokers[0].tool("TopicCommand", "--describe", "--topic", "inference-data", servers=servers)
        assert "ReplicationFactor: 3" in described
        assert "min.insync.replicas=2" in described
        brokers[0].kill()
        kafka = KafkaBroker(KafkaConnection(tuple(servers.split(","))))
        with closing(kafka), closing(kafka.producer()) as sends:
            sent = [sends.send("inference-data", b"{}", key=str(key).encode()) for key in range(40)]
            sends.flush(60)
            assert all(each.result(1) for each in sent)


def topics_are_made(servers: str) -> bool:
    """By the command of the job."""
    command = [sys.executable, "-m", "inference_container", "prepare", "topics"]
    told = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": servers, "KAFKA_TOPIC_PARTITIONS": "8"}
    return subprocess.run(command, capture_output=True, timeout=60, check=False, env=told).returncode == 0


def planned_container(tree: Tree) -> Mapping[str, Any]:
    resources = tree.planned("modules/kafka", namespace="sluice", replicas=str(NODES))
    planned = next(each for each in resources if each["type"] == "kubernetes_stateful_set_v1")
    spec: Mapping[str, Any] = planned["values"]["spec"][0]["template"][0]["spec"][0]
    container: Mapping[str, Any] = spec["container"][0]
    return container


def environment(container: Mapping[str, Any], node: int, doors: Sequence[Door], folder: Path) -> dict[str, str]:
    """What the kubelet would make of it for this pod, at the ports and in the folder that it has here."""
    of_the_pod = {"metadata.name": f"kafka-{node}", "metadata.labels['apps.kubernetes.io/pod-index']": str(node)}
    told = {each["name"]: each["value"] for each in container["env"] if each.get("value")}
    told |= {
        each["name"]: of_the_pod[each["value_from"][0]["field_ref"][0]["field_path"]]
        for each in container["env"]
        if each["value_from"]
    }

    def here(text: str) -> str:
        text = text.replace("$(POD_NAME)", told["POD_NAME"])
        for other, door in enumerate(doors):
            for port, found in ((9092, door.client), (9093, door.quorum)):
                text = text.replace(f"kafka-{other}.kafka-nodes.sluice.svc.cluster.local:{port}", f"127.0.0.1:{found}")
                if other == node:
                    text = text.replace(f"://:{port}", f"://127.0.0.1:{found}")
        return text.replace("/var/lib/kafka/data", str(folder / "data"))

    resolved = {name: here(value) for name, value in told.items()}
    assert not [value for value in resolved.values() if "9092" in value or "cluster.local" in value or "$(" in value]
    return resolved


def batched(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    return zip(numbers[::2], numbers[1::2], strict=True)


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
