"""The papers of a bundle: manifest, golden windows and quantiles, read once and for all who will serve it.

`snapshot` seals the copy that workers load, in a thread of the API process; `loader` reads the same papers for the
trainer and the command line. What is wrong with them is found here, before any worker starts. No numpy: the API process
holds none.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from inference_container.bundles.files import (
    GOLDEN,
    MANIFEST,
    QUANTILES,
    WEIGHTS,
    read_file,
    read_verified,
    verify_file,
)
from inference_container.bundles.golden_file import decode_golden
from inference_container.bundles.manifest import Manifest
from inference_container.bundles.manifest_parts import FileEntry
from inference_container.bundles.quantiles import decode_quantiles
from inference_container.bundles.sealed import FileSeal, Golden, SealedBundle
from inference_container.errors import BundleRefused
from inference_container.forecasting.plan import ForecastPlan

#: Parts of the manifest that describe nothing: hashes and the scaler's numbers.
_NOT_ON_THE_CARD = {"files", "scaler", "format"}


@dataclass(frozen=True, slots=True)
class Papers:
    """All that a bundle says of itself. The weights have not been looked at."""

    manifest: Manifest
    golden: Golden
    #: With the quantiles, when there are any.
    plan: ForecastPlan
    #: Of the weights.
    seal: FileSeal
    #: Of the manifest as it stood on disk.
    manifest_sha256: str


def bundle_id_of(files: Mapping[str, FileEntry]) -> str:
    """The bundle's identity: sha256 over a line `<sha256>  <name>` per file, sorted by name."""
    lines = "".join(f"{files[name].sha256}  {name}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def read_manifest(path: Path) -> Manifest:
    """The manifest of the bundle directory `path`.

    Raises:
        BundleRefused: absent, unreadable, an unknown or missing key (named), or a broken relation.
    """
    encoded = read_file(path / MANIFEST)
    try:
        return Manifest.model_validate_json(encoded)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or MANIFEST}: {fault['msg']}" for fault in error.errors()[:5]
        )
        raise BundleRefused(f"{MANIFEST} of {path.name} is not valid: {faults}.") from error


def read_papers(path: Path) -> Papers:
    """Read everything but the weights, and verify size and sha256 of each file and the bundle's identity.

    Files that the manifest does not list, such as a README, are left alone.

    Raises:
        BundleRefused: with a sentence on what does not fit.
    """
    try:
        there = path.is_dir()
    except OSError:  # a name too long to be one
        there = False
    if not there:
        raise BundleRefused(f"There is no bundle directory named {path.name[:100]}.")
    manifest = read_manifest(path)
    seals = {name: FileSeal(entry.sha256, entry.bytes) for name, entry in manifest.files.items()}
    contents = {name: read_verified(path / name, seal) for name, seal in seals.items() if name != WEIGHTS}
    if bundle_id_of(manifest.files) != manifest.bundle_id:
        raise BundleRefused("bundle_id is not the hash over the bundle's files.")
    golden, quantiles = decode_golden(contents[GOLDEN]), contents.get(QUANTILES)
    output = manifest.output
    plan = manifest.plan(decode_quantiles(quantiles, output.targets, output.horizon) if quantiles else None)
    manifest_sha256 = hashlib.sha256(read_file(path / MANIFEST)).hexdigest()
    return Papers(manifest, golden, plan, seals[WEIGHTS], manifest_sha256)


def seal_bundle(path: Path) -> SealedBundle:
    """What workers are given of the bundle directory `path`. Blocking.

    The weights are read for their hash alone: whoever computes maps them.

    Raises:
        BundleRefused: with a sentence on what does not fit.
    """
    papers = read_papers(path)
    verify_file(path / WEIGHTS, papers.seal)
    card = papers.manifest.model_dump(mode="json", exclude=_NOT_ON_THE_CARD)
    return SealedBundle(
        str(path), papers.manifest.name, papers.plan, papers.golden, papers.seal, card, papers.manifest_sha256
    )
