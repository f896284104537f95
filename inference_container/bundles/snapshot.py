"""A private copy of a bundle: what a set of workers loads, and loads again after each restart.

`model_switch` takes one when a bundle is activated. An operator may replace, truncate or delete the folder afterwards:
a worker that restarts still finds the model its siblings serve, and a mapped file never changes under it.
"""

import shutil
import tempfile
from pathlib import Path

from inference_container.bundles.sealed import SealedBundle
from inference_container.bundles.sealing import seal_bundle
from inference_container.errors import BundleRefused

#: What a bundle's files are called; notes and pictures beside them are not needed to serve.
_SUFFIXES = frozenset({".json", ".safetensors"})


def seal_snapshot(bundle: Path) -> SealedBundle:
    """Copies the bundle's files into a new temporary folder and checks the copy. Blocking.

    The caller gives the snapshot back in the end; one that is refused is gone already.

    Raises:
        BundleRefused: There is no such folder, it can not be read, or its papers are not in order.
    """
    copy = _take(bundle)
    try:
        return seal_bundle(copy)
    except BaseException:  # whatever it was, nobody else knows of the copy
        _remove(copy)
        raise


def drop_snapshot(sealed: SealedBundle) -> None:
    """Blocking. What can not be removed is left for the system's own cleaning of temporary files."""
    _remove(Path(sealed.folder))


def _take(bundle: Path) -> Path:
    private: Path | None = None
    try:
        if not bundle.is_dir():
            raise BundleRefused(f"There is no bundle directory named {bundle.name[:100]}.")
        private = Path(tempfile.mkdtemp(prefix="sluice-bundle-"))
        # The folder keeps its own name: sentences about the bundle call it that.
        copy = private / (bundle.resolve().name or "bundle")
        copy.mkdir()
        for file in sorted(bundle.iterdir()):
            if file.suffix in _SUFFIXES and file.is_file():
                shutil.copyfile(file, copy / file.name)
    except OSError as error:
        if private is not None:
            shutil.rmtree(private, ignore_errors=True)
        raise BundleRefused(f"The bundle {bundle.name[:100]} can not be copied: {error.strerror}.") from error
    return copy


def _remove(copy: Path) -> None:
    shutil.rmtree(copy.parent, ignore_errors=True)
