"""Two files out of the source of the llama.cpp package that the project pins: a tokenizer, and the strongest peer.

Called by `model` (the tokenizer) and by `stage` (the server). Neither is in the wheel, and the source is 77 MB, so it
is fetched once, by pip with whatever index this machine is set up for, and only these files are kept.
"""

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from bench.peers.environment import cache_folder
from scripts.llama_wheel import PACKAGE, PROJECT, pinned_version

#: Qwen2's vocabulary and merges in a file without weights.
TOKENIZER = "vendor/llama.cpp/models/ggml-vocab-qwen2.gguf"
#: A server with a scheduler of its own: continuous batching, a radix tree of prefixes.
EXAMPLE_SERVER = "examples/server/server.py"


class SourceMissing(Exception):
    """The source could not be fetched, or lacks a file; the message says which."""


def source_file(member: str) -> Path:
    """Where one of the two lies, fetched first when it is missing.

    Raises:
        SourceMissing: pip failed, or the release has no such file.
    """
    version = pinned_version(PROJECT.read_text())
    kept = cache_folder() / "bench" / f"{PACKAGE}-{version}"
    wanted = kept / Path(member).name
    if not wanted.is_file():
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetching-", dir=kept) as scratch:
            _unpack(_fetch(Path(scratch), version), kept, Path(scratch))
    if not wanted.is_file():
        raise SourceMissing(f"{PACKAGE} {version} has no {member}")
    return wanted


def _fetch(scratch: Path, version: str) -> Path:
    print(f"Fetching the source of {PACKAGE} {version}, once", file=sys.stderr, flush=True)
    # pip asks a package for its metadata even to download it; for this one that takes CMake, but no compiler.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", PACKAGE]
    command += ["--disable-pip-version-check", "--dest", str(scratch), f"{PACKAGE}=={version}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    archives = sorted(scratch.glob("*.tar.gz"))
    if done.returncode != 0 or not archives:
        raise SourceMissing(f"{PACKAGE} {version} could not be fetched:\n{done.stderr.strip()[-2000:]}")
    return archives[0]


def _unpack(archive: Path, kept: Path, scratch: Path) -> None:
    with tarfile.open(archive) as packed:
        for member in packed:
            # The first part of a name is the release's own folder.
            name = member.name.partition("/")[2]
            opened = packed.extractfile(member) if name in (TOKENIZER, EXAMPLE_SERVER) else None
            if opened is None:
                continue
            whole = scratch / Path(name).name
            with opened, whole.open("wb") as file:
                shutil.copyfileobj(opened, file)
            whole.replace(kept / whole.name)
