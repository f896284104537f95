"""The writing side of a bundle: weights, golden windows and manifest into a new directory, all or nothing.

`training` calls it. What it writes is what `loader` reads, and the last thing it does is to load it.
"""

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson
from safetensors.numpy import save

from inference_container.bundles.golden import Golden
from inference_container.bundles.loader import bundle_id_of, load_bundle, open_inferencer
from inference_container.bundles.manifest import (
    FORMAT,
    GOLDEN,
    MANIFEST,
    WEIGHTS,
    FileEntry,
    Input,
    LinearModel,
    Manifest,
    Metrics,
    Output,
    RecurrentModel,
    ScalerEntry,
    Training,
)
from inference_container.errors import BundleRefused
from inference_container.forecasting.backends.protocol import Weights


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A trained model on its way into a bundle."""

    name: str
    created_at: datetime
    model: RecurrentModel | LinearModel
    input: Input
    output: Output
    scaler: ScalerEntry
    training: Training
    metrics: Metrics


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
        metrics=draft.metrics,
    )


def write_bundle(draft: Draft, weights: Weights, golden: Golden, into: Path) -> Path:
    """Write the bundle to `into/<name>`, replacing an older one of that name, and return its path.

    Raises:
        BundleRefused: the bundle just written does not pass its own checks, or something that is no bundle stands
            in its place; nothing is replaced then.
    """
    files = {WEIGHTS: save(dict(weights)), GOLDEN: golden.encode()}
    manifest = make_manifest(draft, files)
    into.mkdir(parents=True, exist_ok=True)
    target = into / draft.name
    if target.exists() and not (target / MANIFEST).is_file():
        raise BundleRefused(f"{target} exists and is not a bundle; it is left as it is.")
    with tempfile.TemporaryDirectory(dir=into, prefix=f".{draft.name}-") as scratch:
        fresh = Path(scratch) / draft.name
        fresh.mkdir()
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        (fresh / MANIFEST).write_bytes(
            orjson.dumps(manifest.model_dump(mode="json"), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        )
        open_inferencer(load_bundle(fresh))
        _keep_notes(target, fresh)
        if target.exists():
            target.rename(Path(scratch) / "replaced")
        fresh.rename(target)
    return target


def _keep_notes(old: Path, fresh: Path) -> None:
    """A README beside a bundle was written by a person: a new training run does not throw it away."""
    readme = old / "README.md"
    if readme.is_file():
        shutil.copy2(readme, fresh / readme.name)
