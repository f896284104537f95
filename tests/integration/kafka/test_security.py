import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from inference_container.broker.kafka import KafkaBroker
from inference_container.broker.kafka_connection import KafkaConnection, KafkaLogin, KafkaTls
from inference_container.broker.ports import Membership
from inference_container.errors import BrokerUnavailable
from serving.errors import DependencyFailed
from tests.kafka.marks import KAFKA
from tests.kafka.server import KafkaServer
from tests.suites.members import Told

pytestmark = [*KAFKA, pytest.mark.usefixtures("no_sockets_left")]

_LOGIN_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule required"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that vouches for itself, with its key in one file beside it (`keystore.pem`)."""
    folder = tmp_path_factory.mktemp("certificates")
    key, found = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(found)),
        ],
        check=True,
        capture_output=True,
    )
    (folder / "keystore.pem").write_text(key.read_text() + found.read_text())
    return found


@pytest.fixture(scope="module")
def server(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Iterator[KafkaServer]:
    running = KafkaServer(
        kafka_jars,
        tmp_path_factory.mktemp("secured"),
        {"SECURED": "SASL_SSL", "NAMED": "SASL_PLAINTEXT", "SHUT": "SSL"},
        {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(certificate.with_name("keystore.pem")),
            "sasl.enabled.mechanisms": "PLAIN",
            **{
                f"listener.name.{name}.plain.sasl.jaas.config": f'{_LOGIN_MODULE} user_sluice="open sesame";'
                for name in ("secured", "named")
            },
        },
    )
    try:
        running.start()
        yield running
    finally:
        running.close()


def connection(server: KafkaServer, listener: str, protocol: str, certificate: Path) -> KafkaConnection:
    return KafkaConnection(
        (server.address(listener),),
        security_protocol=protocol,
        tls=KafkaTls(authority=certificate),
        login=KafkaLogin("PLAIN", "sluice", "open sesame") if "SASL" in protocol else None,
        connect_timeout_s=5.0,
    )


@pytest.mark.parametrize(
    ("listener", "protocol"), [("SECURED", "SASL_SSL"), ("NAMED", "SASL_PLAINTEXT"), ("SHUT", "SSL")]
)
def test_messages_go_over_a_secured_listener(
    server: KafkaServer, certificate: Path, listener: str, protocol: str
) -> None:
    broker = KafkaBroker(connection(server, listener, protocol, certificate))
    topic = f"claims-{listener.lower()}"
    broker.ensure_topics({topic: 1})
    producer = broker.producer()
    producer.send(topic, b"value").result(10)
    producer.close()
    consumer = broker.consumer(Membership("workers", (topic,)), Told())
    end = time.monotonic() + 20
    got: list[bytes | None] = []
    while not got and time.monotonic() < end:
        got = [record.value for record in consumer.poll(1, 0.2)]
    consumer.close()
    assert got == [b"value"]


def test_a_wrong_password_is_said_and_not_told(server: KafkaServer, certificate: Path) -> None:
    right = connection(server, "NAMED", "SASL_PLAINTEXT", certificate)
    broker = KafkaBroker(replace(right, login=KafkaLogin("PLAIN", "sluice", "barley")))
    for ask in (broker.producer, lambda: broker.consumer(Membership("workers", ("claims",)), Told())):
        with pytest.raises(DependencyFailed, match="user name, the password or the SASL mechanism") as refused:
            ask()
        assert not isinstance(refused.value, BrokerUnavailable)  # no other try mends it
        assert "barley" not in repr(broker) + repr(refused.value) + str(refused.value.details)


def test_a_certificate_that_nobody_vouches_for_is_not_talked_to(server: KafkaServer, certificate: Path) -> None:
    trusting = connection(server, "SHUT", "SSL", certificate)
    with pytest.raises(BrokerUnavailable):
        KafkaBroker(replace(trusting, tls=KafkaTls(), connect_timeout_s=1.0)).producer()
