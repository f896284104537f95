"""What the commands have in common: how an error is told, how a call is written down, and what they reach: the store
and the broker of the service.
"""

import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from serving.plain_errors import plain_errors

if TYPE_CHECKING:
    from inference_container.broker.ports import Broker
    from inference_container.settings import InferenceSettings
    from inference_container.stores.places import Places
    from inference_container.stores.ports import RemovingStore

__all__ = ["broker_from_environment", "command_line", "interruptible", "plain_errors", "store_from_environment"]


def command_line() -> str:
    """As a person would type it again."""
    return shlex.join(["python", "-m", "inference_container", *sys.argv[1:]])


def store_from_environment(places: "Places", folder: Path | None = None) -> "RemovingStore":
    """The object store that the service uses too: S3_* or STORE_PATH, from the environment and `.env`.

    Args:
        places: what this command may touch, and no more.
        folder: a store of plain files that the caller named; wins over the settings.

    Raises:
        SettingsError: No store is named, or what was set is no address or can not be meant together.
        DependencyFailed: The folder that the caller named can not be made.
    """
    if folder is not None:
        from inference_container.stores.files import FileStore

        return FileStore(folder, places)
    from inference_container.outside import store_of
    from inference_container.settings import InferenceSettings
    from serving.settings import SettingsError

    store = store_of(InferenceSettings.from_environment(), places)
    if store is None:
        raise SettingsError("There is no object store: set S3_ENDPOINT (with its keys) or STORE_PATH")
    return store


def broker_from_environment() -> "tuple[InferenceSettings, Broker]":
    """The broker that the service uses too, by KAFKA_* from the environment and `.env`, and what else is set there.

    Raises:
        SettingsError: No broker is named, or none that another process can reach.
    """
    from inference_container.outside import broker_of
    from inference_container.settings import InferenceSettings
    from inference_container.settings_claims import IN_PROCESS
    from serving.settings import SettingsError

    settings = InferenceSettings.from_environment()
    if settings.kafka_bootstrap_servers.strip() == IN_PROCESS:
        raise SettingsError("KAFKA_BOOTSTRAP_SERVERS: a broker inside the service can not be reached from a command")
    broker = broker_of(settings)
    if broker is None:
        raise SettingsError("There is no broker: set KAFKA_BOOTSTRAP_SERVERS")
    return settings, broker


@contextmanager
def interruptible() -> "Iterator[Callable[[], bool]]":
    """Whether somebody pressed Ctrl-C or sent SIGTERM: what runs is to end by itself, where nothing is left half done.

    A second time it is ended as any program is.
    """
    told = threading.Event()
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: object) -> None:
        told.set()
        for each, handler in before.items():
            signal.signal(each, handler)

    for each in before:
        signal.signal(each, note)
    try:
        yield told.is_set
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
