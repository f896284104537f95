"""Where objects are: what `wiring` makes of the settings, and `open_store`, which opens either kind.

Apart from the stores themselves, so that a process without an S3 server never loads the client.
"""

from dataclasses import dataclass, field
from pathlib import Path

from inference_container.stores.places import Places
from inference_container.stores.ports import RemovingStore


@dataclass(frozen=True, slots=True)
class S3Address:
    """Where the server is and how long it may take, in seconds."""

    endpoint: str  #: host:port
    access_key: str
    secret_key: str = field(repr=False)
    secure: bool = True
    region: str = "us-east-1"  #: told, never asked for: that would be one request and one right more
    ca_file: str | None = None  #: who signs the server's certificate; None: whom the system trusts
    connections: int = 16
    connect_timeout_s: float = 3.0
    read_timeout_s: float = 10.0  #: without a byte
    whole_timeout_s: float = 60.0  #: of `get`, however steadily it drips
    attempts: int = 3
    identity: bool = False  #: instead of the keys: credentials that the platform gives this process, for a time


def open_store(where: Path | S3Address, places: Places) -> RemovingStore:
    """Files under a folder, or a server.

    Raises:
        DependencyFailed: The folder can not be made, or the address is none. Whether a server answers is not asked.
    """
    if isinstance(where, Path):
        from inference_container.stores.files import FileStore

        return FileStore(where, places)
    from inference_container.stores.s3 import S3Store

    return S3Store(where, places)
