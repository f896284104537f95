"""The writing side of a bundle: weights, golden windows and manifest into a new directory, all or nothing.

`training` and `importer` call it. What it writes is what `loader` reads, and the last thing it does is to load it.
"""

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson
from safetensors.numpy import save

from inference_container.bundles.files import GOLDEN, MANIFEST, QUANTILES, WEIGHTS
from inference_container.bundles.golden_file import encode_golden
from inference_container.bundles.loader import bundle_id_of, load_bundle, open_inferencer
from inference_container.bundles.manifest import FORMAT, Manifest
from inference_container.bundles.manifest_parts import (
    FileEntry,
    Imported,
    Input,
    LinearModel,
    Metrics,
    Output,
    RecurrentModel,
    ScalerEntry,
    Training,
)
from inference_container.bundles.sealed import Golden
from inference_container.errors import BundleRefused
from inference_container.forecasting.backends.protocol import Weights


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A model on its way into a bundle: `training` and `metrics` when it was trained here, else `imported`."""

    name: str
    created_at: datetime
    model: RecurrentModel | LinearModel
    input: Input
    output: Output
    scaler: ScalerEntry
    training: Training | None = None
    metrics: Metrics | None = None
    imported: Imported | None = None


def make_manifest(draft: Draft, files: dict[str, bytes]) -> Manifest:
    """The manifest of `draft` for the given contents of its files."""
    entries = {
        name: FileEntry(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
        for name, content in files.items()
    }
    return Manifest(
        format=FORMAT,
        bundle_id=bundle_id_of(entries),
        name=draft.name,
        created_at=draft.created_at,
        files=entries,
        model=draft.model,
        input=draft.input,
        output=draft.output,
        scaler=draft.scaler,
        training=draft.training,
        imported=draft.imported,
        metrics=draft.metrics,
    )


def write_bundle(draft: Draft, weights: Weights, golden: Golden, into: Path, quantiles: bytes | None = None) -> Path:
    """Write the bundle to `into/<name>`, replacing an older one of that name, and return its path.

    `quantiles` are the bytes of the file of that name, for a bundle that has one.

    Raises:
        BundleRefused: the bundle just written does not pass its own checks, or something that is no bundle stands
            in its place; nothing is replaced then.
    """
    return write_bundle_at(draft, weights, golden, into / draft.name, quantiles)


def write_bundle_at(
    draft: Draft, weights: Weights, golden: Golden, target: Path, quantiles: bytes | None = None
) -> Path:
    """The same, into the directory `target` itself.

    Raises:
        BundleRefused: as above.
    """
    refuse_to_replace(target)
    files = {WEIGHTS: save(dict(weights)), GOLDEN: encode_golden(golden)}
    if quantiles is not None:
        files[QUANTILES] = quantiles
    manifest = make_manifest(draft, files)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is a rename within one file system.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{draft.name}-") as scratch:
        fresh = Path(scratch) / draft.name
        fresh.mkdir()
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        (fresh / MANIFEST).write_bytes(manifest.encode())
        open_inferencer(load_bundle(fresh))
        _keep_notes(target, fresh)
        if target.exists():
            target.rename(Path(scratch) / "replaced")
        fresh.rename(target)
    return target


def refuse_to_replace(target: Path) -> None:
    """Whoever is about to work for a while asks first whether its result may be put there.

    Raises:
        BundleRefused: `target` is something other than nothing, an empty directory or a bundle.
    """
    if target.exists() and not _replaceable(target):
        raise BundleRefused(f"{target} exists and is not a bundle; it is left as it is.")


def _replaceable(target: Path) -> bool:
    if not target.is_dir():
        return False
    if not any(target.iterdir()):
        return True
    # Browser extensions and web pages have a manifest.json as well: ours says what it is.
    try:
        manifest = orjson.loads((target / MANIFEST).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return False
    return isinstance(manifest, dict) and manifest.get("format") == FORMAT


def _keep_notes(old: Path, fresh: Path) -> None:
    """A README beside a bundle was written by a person: a new training run does not throw it away."""
    readme = old / "README.md"
    if readme.is_file():
        shutil.copy2(readme, fresh / readme.name)
