"""A private copy of a bundle: what a set of workers loads, and loads again after each restart.

`model_switch` takes one when a bundle is activated. An operator may replace, truncate or delete the folder afterwards:
a worker that restarts still finds the model its siblings serve, and a mapped file never changes under it.
"""

import shutil
import tempfile
from pathlib import Path

from inference_container.errors import BundleRefused

#: What a bundle's files are called; notes and pictures beside them are not needed to serve.
_SUFFIXES = frozenset({".json", ".safetensors"})


def take_snapshot(bundle: Path) -> Path:
    """Copies the bundle's files into a new temporary folder. Blocking; the caller removes the folder in the end.

    Raises:
        BundleRefused: There is no such folder, or it can not be read.
    """
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


def drop_snapshot(copy: Path) -> None:
    """Blocking. What can not be removed is left for the system's own cleaning of temporary files."""
    shutil.rmtree(copy.parent, ignore_errors=True)
