"""A bundle directory to something that answers: files verified, manifest checked, golden windows replayed.

A worker process calls `load_bundle` and `open_inferencer` at its start. The first stops before the weights meet a
backend, for whoever wants the manifest without torch. Nothing in a bundle is ever executed.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load

from inference_container.bundles.golden import Golden, check_golden, decode_golden
from inference_container.bundles.manifest import GOLDEN, MANIFEST, WEIGHTS, FileEntry, Manifest
from inference_container.errors import BundleRefused
from inference_container.forecasting.backends.choice import BackendChoice, open_backend
from inference_container.forecasting.backends.protocol import Weights
from inference_container.forecasting.inferencer import Inferencer


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A bundle whose files are whole and whose manifest holds together."""

    path: Path
    manifest: Manifest
    weights: Weights
    golden: Golden


def bundle_id_of(files: Mapping[str, FileEntry]) -> str:
    """The bundle's identity: sha256 over a line `<sha256>  <name>` per file, sorted by name."""
    lines = "".join(f"{files[name].sha256}  {name}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def read_manifest(path: Path) -> Manifest:
    """The manifest of the bundle directory `path`.

    Raises:
        BundleRefused: absent, unreadable, an unknown or missing key (named), or a broken relation.
    """
    encoded = _read(path / MANIFEST)
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
    path = Path(path)
    try:
        there = path.is_dir()
    except OSError:  # a name too long to be one
        there = False
    if not there:
        raise BundleRefused(f"There is no bundle directory named {path.name[:100]}.")
    manifest = read_manifest(path)
    contents = {name: _verified(path / name, entry) for name, entry in manifest.files.items()}
    if bundle_id_of(manifest.files) != manifest.bundle_id:
        raise BundleRefused("bundle_id is not the hash over the bundle's files.")
    return Bundle(path, manifest, decode_weights(contents[WEIGHTS]), decode_golden(contents[GOLDEN]))


def open_inferencer(
    bundle: Bundle, identifier: str = "default", *, backend: BackendChoice = "auto"
) -> tuple[Inferencer, float]:
    """Give a bundle its backend and replay its golden windows.

    Blocks for as long as importing torch takes, when the architecture needs it.

    Returns:
        What answers queries, and the largest golden error in units of the target's scale.

    Raises:
        BundleRefused: the weights do not fit; its subclass GoldenMismatch when forecasts differ from the recorded ones.
    """
    plan = bundle.manifest.plan()
    inferencer = Inferencer(plan, open_backend(plan.network, bundle.weights, backend), identifier=identifier)
    return inferencer, check_golden(bundle.golden, inferencer)


def decode_weights(encoded: bytes) -> Weights:
    """Tensors by name.

    Raises:
        BundleRefused: not a safetensors file of finite float32 tensors.
    """
    try:
        tensors = load(encoded)
    except SafetensorError as error:
        raise BundleRefused(f"{WEIGHTS} can not be read: {error}.") from error
    for name, tensor in tensors.items():
        if tensor.dtype != np.float32 or not bool(np.all(np.isfinite(tensor))):
            raise BundleRefused(f"Tensor {name} of {WEIGHTS} is not finite float32.")
    return tensors


def _verified(path: Path, entry: FileEntry) -> bytes:
    content = _read(path)
    if len(content) != entry.bytes:
        raise BundleRefused(f"{path.name} has {len(content)} bytes; the manifest says {entry.bytes}.")
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise BundleRefused(f"The sha256 of {path.name} is not the one in the manifest.")
    return content


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():  # a pipe would be waited on for ever
            raise BundleRefused(f"{path.name} of the bundle is not a file.")
        return path.read_bytes()
    except OSError as error:
        raise BundleRefused(f"{path.name} of the bundle can not be read: {error.strerror}.") from error
