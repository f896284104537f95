"""The ONNX model of a network, written once per machine and read back after each restart.

`backends.onnx` asks for it. Models lie in the user's cache folder under a name that holds two hashes, of what the graph
was made from and of the file itself, so that a file which is torn, rotten or of another version is simply not it.
Where nothing can be kept, the model is made anew at each start, at the price of a second.
"""

import contextlib
import hashlib
import os
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import orjson

from inference_container.errors import BundleRefused
from inference_container.forecasting.backends.protocol import Weights
from inference_container.forecasting.plan import NetworkPlan

#: What `backends.graph` writes; it stands here because that room can not be imported without `onnx`. Part of the key:
#: raise it with every change to the graph.
GRAPH_VERSION = 1
INPUT, OUTPUT = "features", "forecast"
_WRITER = "inference_container.forecasting.backends.graph"
_WRITER_LIMIT_S = 90.0
#: Models that are kept; the one that was not used for longest goes first.
KEPT = 32


def graph_model(network: NetworkPlan, weights: Weights) -> Path | bytes:
    """The model's file, or its content where no private folder can be written.

    Blocks for about a second when the graph has to be written.

    Raises:
        BundleRefused: the graph can not be written; the sentence says why.
    """
    key = _key(network, weights)
    folder = _private_folder()
    kept = _look_up(folder, key) if folder is not None else None
    if kept is not None:
        return kept
    content = _write_elsewhere(network, weights)
    return content if folder is None else _keep(folder, key, content)


def _key(network: NetworkPlan, weights: Weights) -> str:
    digest = hashlib.sha256(orjson.dumps([GRAPH_VERSION, asdict(network)]))
    for name in sorted(weights):
        digest.update(orjson.dumps([name, weights[name].shape]))
        digest.update(np.ascontiguousarray(weights[name]).data)
    return digest.hexdigest()


def _private_folder() -> Path | None:
    """Ours alone: in a folder where others may write, a file could change between its check and its use."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME", ""))
        folder = (base if base.is_absolute() else Path.home() / ".cache") / "sluice" / "onnx"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        ours = found.st_uid == os.geteuid() and not found.st_mode & 0o022
        return folder if ours and os.access(folder, os.W_OK) else None
    except (OSError, RuntimeError):  # RuntimeError: this user has no home
        return None


def _look_up(folder: Path, key: str) -> Path | None:
    for path in folder.glob(f"{key}-*.onnx"):
        with contextlib.suppress(OSError):
            with path.open("rb") as file:
                whole = hashlib.file_digest(file, "sha256").hexdigest() == path.stem[len(key) + 1 :]
            if whole:
                os.utime(path)
                return path
            path.unlink()
    return None


def _keep(folder: Path, key: str, content: bytes) -> Path | bytes:
    """Under its final name from the first moment on: two workers that write at once write the same."""
    import tempfile

    path = folder / f"{key}-{hashlib.sha256(content).hexdigest()}.onnx"
    try:
        handle, scratch = tempfile.mkstemp(dir=folder, prefix=".part-")  # readable by us alone
        try:
            os.close(handle)
            Path(scratch).write_bytes(content)
            Path(scratch).replace(path)
        except OSError:
            Path(scratch).unlink(missing_ok=True)
            raise
        _prune(folder)
    except OSError:  # a full disk is no reason not to serve
        return content
    return path


def _prune(folder: Path) -> None:
    """Also what a writer left that was killed half-way."""
    for path in sorted(folder.iterdir(), key=_last_used, reverse=True)[KEPT:]:
        path.unlink(missing_ok=True)


def _last_used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # gone meanwhile: another worker prunes too
        return 0.0


def _write_elsewhere(network: NetworkPlan, weights: Weights) -> bytes:
    """In a process that ends with its work, and takes with it what `onnx` occupies."""
    # Imported here: a warm start, which is nearly every start, needs none of them.
    import subprocess

    from safetensors.numpy import save

    request = orjson.dumps(asdict(network)) + b"\n" + save(dict(weights))
    paths = os.pathsep.join(path for path in sys.path if path)
    try:
        done = subprocess.run(
            [sys.executable, "-m", _WRITER],
            input=request,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": paths},
            timeout=_WRITER_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BundleRefused(f"The ONNX graph could not be written: {type(error).__name__}.") from error
    if done.returncode != 0 or not done.stdout:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1][:300] if lines else f"the writer ended with status {done.returncode}"
        raise BundleRefused(f"The ONNX graph could not be written: {reason}")
    return done.stdout
