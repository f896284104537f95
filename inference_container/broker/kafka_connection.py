"""How to reach Kafka: the settings that every client of it shares, as one value.

`wiring` makes it from the settings; nothing here imports a client or connects.
"""

from dataclasses import dataclass, field
from pathlib import Path

#: What a client of kafka-python takes as keyword arguments.
Options = dict[str, object]


@dataclass(frozen=True, slots=True)
class KafkaTls:
    """For SSL and SASL_SSL. Files in PEM; without an authority the system's own are trusted."""

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    key_password: str | None = field(default=None, repr=False)
    check_hostname: bool = True


@dataclass(frozen=True, slots=True)
class KafkaLogin:
    """For SASL_PLAINTEXT and SASL_SSL: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512."""

    mechanism: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    bootstrap_servers: tuple[str, ...]  #: `host:port`
    client_id: str = "sluice"
    security_protocol: str = "PLAINTEXT"  #: PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL
    tls: KafkaTls = KafkaTls()
    login: KafkaLogin | None = None
    connect_timeout_s: float = 10.0  #: until the first answer of anybody
    request_timeout_s: float = 30.0
    #: For what the polling thread asks: committing, reading what is committed, end offsets.
    answer_timeout_s: float = 5.0
    #: How long a message may wait for its acknowledgement before it has failed.
    delivery_timeout_s: float = 120.0
    largest_message: int = 1024 * 1024  #: bytes; the topics have a limit of their own
    most_unsent: int = (
        64 * 1024 * 1024
    )  #: bytes that may wait for an acknowledgement: an outage must not eat the memory

    def options(self) -> Options:
        """What every client needs."""
        found: Options = {
            "bootstrap_servers": list(self.bootstrap_servers),
            "client_id": self.client_id,
            "security_protocol": self.security_protocol,
            "bootstrap_timeout_ms": _ms(self.connect_timeout_s),
            "request_timeout_ms": _ms(self.request_timeout_s),
            # Half a minute by default, which is what a broker's restart of three seconds would cost.
            "reconnect_backoff_max_ms": 1000,
        }
        if self.security_protocol.endswith("SSL"):
            paths = {
                "ssl_cafile": self.tls.authority,
                "ssl_certfile": self.tls.certificate,
                "ssl_keyfile": self.tls.key,
            }
            found |= {name: str(path) for name, path in paths.items() if path is not None}
            found |= {"ssl_check_hostname": self.tls.check_hostname, "ssl_password": self.tls.key_password}
        if self.login is not None:
            found |= {
                "sasl_mechanism": self.login.mechanism,
                "sasl_plain_username": self.login.username,
                "sasl_plain_password": self.login.password,
            }
        return found


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
