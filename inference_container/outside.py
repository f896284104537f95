"""What the settings say of the world outside, as clients of it: the object store and the broker.

For `wiring` and for commands, which reach the same store and the same broker by the same variables.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from inference_container.broker.address import open_broker
from inference_container.broker.kafka_connection import KafkaConnection, KafkaLogin, KafkaTls
from inference_container.broker.ports import Broker
from inference_container.settings import InferenceSettings
from inference_container.settings_claims import IN_PROCESS, KafkaSettings, StoreSettings
from inference_container.stores.address import S3Address
from inference_container.stores.opening import open_store
from inference_container.stores.places import Places
from inference_container.stores.ports import ObjectStore, RemovingStore
from serving.errors import DependencyFailed
from serving.settings import SettingsError


@dataclass(frozen=True, slots=True)
class Outside:
    """What a service is given of the world; tests hand in one that fails as they like."""

    broker: Broker | None
    #: A store of its own for each use, which allows what is named and no more; None where no store is named.
    store: Callable[[Places], ObjectStore | None]


def outside_of(settings: InferenceSettings) -> Outside:
    """
    Raises:
        SettingsError: What was set can not be meant together, or is no address.
    """
    store_place(settings)  # what is wrong with it is said at the start, also where nothing is stored
    return Outside(broker_of(settings), lambda places: store_of(settings, places))


def store_of(settings: StoreSettings, places: Places) -> RemovingStore | None:
    """A store that allows `places` and no more; None where no store is named. Whether it answers is not asked.

    Raises:
        SettingsError: What was set can not be meant together, or is no address.
    """
    where = store_place(settings)
    if where is None:
        return None
    try:
        return open_store(where, places)
    except DependencyFailed as error:
        raise SettingsError(error.message) from error


def store_place(settings: StoreSettings) -> Path | S3Address | None:
    """
    Raises:
        SettingsError: as `store_of`.
    """
    if settings.s3_endpoint and settings.store_path:
        raise SettingsError("S3_ENDPOINT and STORE_PATH name two stores; keep one")
    if settings.store_path:
        return Path(settings.store_path)
    if not settings.s3_endpoint:
        return None
    identity = settings.s3_credentials == "identity"
    if identity and (settings.s3_access_key or settings.s3_secret_key):
        raise SettingsError("S3_CREDENTIALS=identity and S3_ACCESS_KEY say two things; keep one")
    if not identity and not (settings.s3_access_key and settings.s3_secret_key):
        raise SettingsError("S3_ENDPOINT: set S3_ACCESS_KEY and S3_SECRET_KEY too, or S3_CREDENTIALS=identity")
    return S3Address(
        settings.s3_endpoint,
        settings.s3_access_key,
        settings.s3_secret_key,
        settings.s3_secure,
        settings.s3_region,
        settings.s3_ca_file or None,
        identity=identity,
    )


def places_of(name: str, text: str) -> Places:
    """An allow-list as an operator writes it; `name` is the variable's.

    Raises:
        SettingsError: It is none.
    """
    try:
        return Places.read(text)
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from error


def broker_of(settings: KafkaSettings) -> Broker | None:
    """None where no broker is named."""
    servers = tuple(part.strip() for part in settings.kafka_bootstrap_servers.split(",") if part.strip())
    if not servers:
        return None
    return open_broker(None if servers == (IN_PROCESS,) else _connection(settings, servers))


def _connection(settings: KafkaSettings, servers: tuple[str, ...]) -> KafkaConnection:
    login = KafkaLogin(settings.kafka_sasl_mechanism, settings.kafka_sasl_username, settings.kafka_sasl_password)
    return KafkaConnection(
        servers,
        security_protocol=settings.kafka_security_protocol,
        tls=KafkaTls(
            _file(settings.kafka_ssl_ca_file),
            _file(settings.kafka_ssl_cert_file),
            _file(settings.kafka_ssl_key_file),
            settings.kafka_ssl_key_password or None,
        ),
        login=login if settings.kafka_security_protocol.startswith("SASL") else None,
    )


def _file(named: str) -> Path | None:
    return Path(named) if named else None
