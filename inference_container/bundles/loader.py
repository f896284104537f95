"""A bundle directory to something that answers: files verified, manifest checked, golden windows replayed.

A worker process calls `map_bundle` and `open_inferencer` at its start. The first stops before the weights meet a
backend, for whoever wants the manifest without one. Nothing in a bundle is ever executed.
"""

import hashlib
import mmap
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TypeAlias

from pydantic import ValidationError

from inference_container.bundles.golden import SAME_NETWORK, Agreement, Golden, check_golden, decode_golden
from inference_container.bundles.manifest import GOLDEN, MANIFEST, QUANTILES, WEIGHTS, FileEntry, Manifest
from inference_container.bundles.quantiles import decode_quantiles
from inference_container.bundles.tensor_file import decode_weights
from inference_container.errors import BundleRefused, GoldenMismatch
from inference_container.forecasting.backends.choice import BackendChoice, BackendName, backends_for, open_backend
from inference_container.forecasting.backends.protocol import Weights
from inference_container.forecasting.inferencer import Inferencer
from inference_container.forecasting.plan import QuantilePlan
from serving.errors import SluiceError

#: What a file holds: bytes of our own, or a private mapping. Writable, because torch warns about memory that is not;
#: nobody writes, and in a mapping it would reach neither the file nor the other workers.
_Content: TypeAlias = bytearray | mmap.mmap


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A bundle whose files are whole and whose manifest holds together."""

    path: Path
    manifest: Manifest
    weights: Weights
    golden: Golden
    #: None when the bundle carries none.
    quantiles: QuantilePlan | None


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A bundle that gives the recorded forecasts."""

    inferencer: Inferencer
    #: Largest golden error, in units of the target's scale.
    golden_max_rel_err: float
    #: Why the backend is not the fastest that knows the architecture; None when it is.
    fallback: str | None


def bundle_id_of(files: Mapping[str, FileEntry]) -> str:
    """The bundle's identity: sha256 over a line `<sha256>  <name>` per file, sorted by name."""
    lines = "".join(f"{files[name].sha256}  {name}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def read_manifest(path: Path) -> Manifest:
    """The manifest of the bundle directory `path`.

    Raises:
        BundleRefused: absent, unreadable, an unknown or missing key (named), or a broken relation.
    """
    with _opened(path / MANIFEST) as file:
        encoded = file.read()
    try:
        return Manifest.model_validate_json(encoded)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or MANIFEST}: {fault['msg']}" for fault in error.errors()[:5]
        )
        raise BundleRefused(f"{MANIFEST} of {path.name} is not valid: {faults}.") from error


def load_bundle(path: Path | str) -> Bundle:
    """Read a bundle directory and verify size and sha256 of every file, and its identity.

    Files that the manifest does not list, such as a README, are left alone.

    Raises:
        BundleRefused: with a sentence on what does not fit.
    """
    return _load(Path(path), _read)


def map_bundle(path: Path | str) -> Bundle:
    """As `load_bundle`, with weights that lie in the page cache once, for all processes that map them.

    Only for a directory that nobody else writes to, as `snapshot.take_snapshot` makes one: a file that is cut short
    under a mapping ends the process with SIGBUS, in the middle of a batch.

    Raises:
        BundleRefused: with a sentence on what does not fit.
    """
    return _load(Path(path), _map)


def open_inferencer(bundle: Bundle, identifier: str = "default", *, backend: BackendChoice = "auto") -> Opened:
    """Give a bundle the first backend that repeats its golden windows.

    All but the last must agree as two programs over the same weights do; the last has the bundle's own tolerance, which
    allows for the kernels of the machine that recorded it. Blocks for as long as the backends take to import.

    Raises:
        BundleRefused: the weights do not fit; its subclass GoldenMismatch when forecasts differ from the recorded ones.
    """
    *faster, last = backends_for(bundle.manifest.model.arch, backend)
    reason: str | None = None
    for name in faster:
        try:
            return _open(bundle, identifier, name, SAME_NETWORK, reason)
        except Exception as error:  # whatever a backend has against a bundle, the next one may serve it
            reason = f"{name}: {error.message if isinstance(error, SluiceError) else type(error).__name__}"
    try:
        return _open(bundle, identifier, last, None, reason)
    except GoldenMismatch:
        raise
    except BundleRefused as error:
        if reason is None:
            raise
        raise BundleRefused(f"{error.message} Before that, {reason}") from error


def _open(
    bundle: Bundle, identifier: str, name: BackendName, agreement: Agreement | None, fallback: str | None
) -> Opened:
    plan = bundle.manifest.plan(bundle.quantiles)
    inferencer = Inferencer(plan, open_backend(plan.network, bundle.weights, name), identifier=identifier)
    return Opened(inferencer, check_golden(bundle.golden, inferencer, agreement), fallback)


def _load(path: Path, content_of: Callable[[BufferedReader, int], _Content]) -> Bundle:
    try:
        there = path.is_dir()
    except OSError:  # a name too long to be one
        there = False
    if not there:
        raise BundleRefused(f"There is no bundle directory named {path.name[:100]}.")
    manifest = read_manifest(path)
    contents = {name: _verified(path / name, entry, content_of) for name, entry in manifest.files.items()}
    if bundle_id_of(manifest.files) != manifest.bundle_id:
        raise BundleRefused("bundle_id is not the hash over the bundle's files.")
    quantiles = contents.get(QUANTILES)
    return Bundle(
        path,
        manifest,
        decode_weights(contents[WEIGHTS]),
        decode_golden(bytes(contents[GOLDEN])),
        decode_quantiles(bytes(quantiles), manifest.output.targets, manifest.output.horizon) if quantiles else None,
    )


def _verified(path: Path, entry: FileEntry, content_of: Callable[[BufferedReader, int], _Content]) -> _Content:
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size != entry.bytes:
            raise BundleRefused(f"{path.name} has {size} bytes; the manifest says {entry.bytes}.")
        content = content_of(file, size)
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise BundleRefused(f"The sha256 of {path.name} is not the one in the manifest.")
    return content


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
