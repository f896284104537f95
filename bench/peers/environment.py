"""Where the peers' packages are installed: an environment beside the project's own, made once per machine.

`bench.predict` asks for its interpreter. It lies in the user's cache, not in the checkout: mosec and litserve pin what
they like, and none of it may reach an environment that serves.
"""

import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

#: Versions the quoted ratios belong to; torch is the one the service trains with.
PINNED = ("mosec==0.9.8", "litserve==0.2.19", "torch==2.13.0")
#: Taken at the versions the project itself is tried with, so that no side runs on a faster library.
SHARED = ("numpy", "orjson", "fastapi", "uvicorn", "uvloop", "httptools", "pandas")
CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
#: PyTorch's index of CPU builds, 200 MB instead of a CUDA build's 4.7 GB; an empty value asks the default index only.
TORCH_INDEX = os.environ.get("TORCH_INDEX", "https://download.pytorch.org/whl/cpu")


class PeersMissing(Exception):
    """The peers could not be installed; the message is the installer's last words."""


def cache_folder() -> Path:
    """The user's cache for this project, as the rest of the project spells it."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sluice"


def peers_python() -> Path:
    """The interpreter of the peers' environment, which is made first when it is missing or was made from other pins.

    Raises:
        PeersMissing: an installer failed.
    """
    folder = cache_folder() / "bench-peers"
    python, mark = folder / "bin" / "python", folder / "made-from"
    asked = [*PINNED, *SHARED, "-c", str(CONSTRAINTS)]
    recipe = hashlib.sha256("\n".join((sys.version, *asked, CONSTRAINTS.read_text())).encode()).hexdigest()
    if python.exists() and mark.is_file() and mark.read_text() == recipe:
        return python
    print(f"Installing the peers, once: {', '.join((*PINNED, *SHARED))}", file=sys.stderr, flush=True)
    venv.create(folder, clear=True, with_pip=not has_uv())
    if TORCH_INDEX:
        # Should that index not answer, the default one has a build as well, only a much larger one.
        torch = next(each for each in PINNED if each.startswith("torch"))
        install(python, ["--no-deps", "--index-url", TORCH_INDEX, torch])
    failure = install(python, asked)
    if failure:
        raise PeersMissing(f"The peers' packages could not be installed:\n{failure}")
    mark.write_text(recipe)
    return python


def install(python: Path, arguments: Sequence[str]) -> str:
    """Empty when it went well, else what the installer said."""
    if has_uv():
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python)]
    else:
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        # An index that is not there is given up within seconds, not after the client's patient retries.
        env={"UV_HTTP_RETRIES": "1", **os.environ},
    )
    return "" if done.returncode == 0 else done.stderr.strip()[-2000:] or f"status {done.returncode}"


def has_uv() -> bool:
    asked = subprocess.run([sys.executable, "-m", "uv", "--version"], capture_output=True, check=False)
    return asked.returncode == 0


if __name__ == "__main__":
    try:
        print(peers_python())
    except PeersMissing as missing:
        sys.exit(str(missing))
