"""Where the chat peers' packages are: an environment in the user's cache, with the same llama.cpp as the service's own.

`bench.chats.stage` asks for its interpreter. The wheel comes out of the cache that `make setup` fills, and is built as
there when it is missing: two builds of llama.cpp with other flags would make every ratio a ratio of compilers.
"""

import hashlib
import os
import sys
import venv
from pathlib import Path

from bench.peers.environment import CONSTRAINTS, PeersMissing, cache_folder, has_uv, install
from scripts import llama_wheel

#: What `examples/server` names at its head, and what the naive server wants; versions as the project is tried with.
PACKAGES = ("fastapi", "uvicorn", "jinja2", "numpy", "pydantic", "openai", "safetensors", "websockets")


def wheel() -> Path:
    """The wheel of llama.cpp that this project installs on this machine.

    Raises:
        PeersMissing: It is not there and could not be built.
    """
    extra = os.environ.get("LLAMA_CMAKE_ARGS", "")
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    try:
        version = llama_wheel.pinned_version(llama_wheel.PROJECT.read_text())
        key = llama_wheel.wheel_key(version, llama_wheel.this_cpu(), tag, extra)
        return llama_wheel.build(llama_wheel.cache_root(os.environ) / key, version, extra)
    except llama_wheel.BuildFailed as failure:
        raise PeersMissing(str(failure)) from failure


def peers_python() -> Path:
    """The interpreter of that environment, which is made first when it is missing or was made from other pins.

    Raises:
        PeersMissing: An installer failed.
    """
    folder = cache_folder() / "bench-peers-chat"
    python, mark = folder / "bin" / "python", folder / "made-from"
    asked = [str(wheel()), *PACKAGES, "-c", str(CONSTRAINTS)]
    recipe = hashlib.sha256("\n".join((sys.version, *asked, CONSTRAINTS.read_text())).encode()).hexdigest()
    if python.exists() and mark.is_file() and mark.read_text() == recipe:
        return python
    print(f"Installing the chat peers' packages, once: {', '.join(PACKAGES)}", file=sys.stderr, flush=True)
    venv.create(folder, clear=True, with_pip=not has_uv())
    if failure := install(python, asked):
        raise PeersMissing(f"The chat peers' packages could not be installed:\n{failure}")
    mark.write_text(recipe)
    return python
