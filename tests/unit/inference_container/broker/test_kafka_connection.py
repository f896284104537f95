from pathlib import Path

from inference_container.broker.kafka_connection import KafkaConnection, KafkaLogin, KafkaTls


def test_a_plain_connection_says_nothing_of_certificates_and_passwords() -> None:
    options = KafkaConnection(("one:9092", "two:9092")).options()
    assert options["bootstrap_servers"] == ["one:9092", "two:9092"]
    assert options["security_protocol"] == "PLAINTEXT"
    assert not [name for name in options if name.startswith(("ssl", "sasl"))]


def test_secrets_reach_the_client_and_no_repr() -> None:
    connection = KafkaConnection(
        ("one:9092",),
        security_protocol="SASL_SSL",
        tls=KafkaTls(Path("ca.pem"), Path("me.pem"), Path("me.key"), "key secret", check_hostname=False),
        login=KafkaLogin("SCRAM-SHA-512", "sluice", "open sesame"),
    )
    options = connection.options()
    assert options["ssl_cafile"] == "ca.pem"
    assert (options["ssl_certfile"], options["ssl_keyfile"]) == ("me.pem", "me.key")
    assert (options["ssl_password"], options["ssl_check_hostname"]) == ("key secret", False)
    assert (options["sasl_mechanism"], options["sasl_plain_username"]) == ("SCRAM-SHA-512", "sluice")
    assert options["sasl_plain_password"] == "open sesame"
    assert "secret" not in repr(connection)
    assert "sesame" not in repr(connection)
