"""The files of a bundle: what they are called, and how one is read that nobody has to believe.

`sealing` and `loader` read and check them, `opener` maps the weights. Neither numpy nor a validation library: the API
process does without the first and a worker without the second.
"""

import hashlib
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

from typing_extensions import Buffer

from inference_container.bundles.sealed import FileSeal
from inference_container.errors import BundleRefused

MANIFEST, WEIGHTS, GOLDEN = "manifest.json", "model.safetensors", "golden.json"
#: The one file a bundle may do without.
QUANTILES = "quantiles.json"

ContentT = TypeVar("ContentT", bound=Buffer)


def read_file(path: Path) -> bytes:
    """The content as it is; for the manifest, which vouches for the others.

    Raises:
        BundleRefused: no file, or one that can not be read.
    """
    with _opened(path) as file:
        return file.read()


def verify_file(path: Path, seal: FileSeal) -> None:
    """Nothing of the content stays in memory.

    Raises:
        BundleRefused: no such file, or not the one that was sealed.
    """
    with _opened(path) as file:
        _refuse_other_size(path, file, seal)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    _refuse_other_hash(path, digest, seal)


def read_verified(path: Path, seal: FileSeal) -> bytearray:
    """The content, of our own. Writable, because torch warns about memory that is not; nobody writes.

    Raises:
        BundleRefused: no such file, or not the one that was sealed.
    """
    return _verified(path, seal, _read)


def map_verified(path: Path, seal: FileSeal) -> mmap.mmap:
    """The content as a private mapping: what is written to it reaches neither the file nor other processes.

    Only where nobody else writes, as in a copy that `snapshot` made: a file that is cut short under a mapping ends the
    process with SIGBUS, in the middle of a batch.

    Raises:
        BundleRefused: no such file, or not the one that was sealed.
    """
    return _verified(path, seal, _map)


def _verified(path: Path, seal: FileSeal, content_of: Callable[[BufferedReader, int], ContentT]) -> ContentT:
    with _opened(path) as file:
        _refuse_other_size(path, file, seal)
        content = content_of(file, seal.bytes)
    _refuse_other_hash(path, hashlib.sha256(content).hexdigest(), seal)
    return content


def _refuse_other_size(path: Path, file: BufferedReader, seal: FileSeal) -> None:
    size = os.fstat(file.fileno()).st_size
    if size != seal.bytes:
        raise BundleRefused(f"{path.name} has {size} bytes; the manifest says {seal.bytes}.")


def _refuse_other_hash(path: Path, digest: str, seal: FileSeal) -> None:
    if digest != seal.sha256:
        raise BundleRefused(f"The sha256 of {path.name} is not the one in the manifest.")


def _read(file: BufferedReader, size: int) -> bytearray:
    content = bytearray(size)
    file.readinto(content)  # a file that has shrunk meanwhile leaves zeros, which the hash tells
    return content


def _map(file: BufferedReader, size: int) -> mmap.mmap:
    return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY)


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    try:
        if not path.is_file():  # a pipe would be waited on for ever
            raise BundleRefused(f"{path.name} of the bundle is not a file.")
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise BundleRefused(f"{path.name} of the bundle can not be read: {error.strerror}.") from error
