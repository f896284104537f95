"""Opens a store, of either kind.

Each is imported only when it is asked for, so that a process without an S3 server never loads the client.
"""

from pathlib import Path

from inference_container.stores.address import S3Address
from inference_container.stores.places import Places
from inference_container.stores.ports import RemovingStore


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
