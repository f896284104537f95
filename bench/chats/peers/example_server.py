"""Starts `examples/server/server.py` of llama-cpp-python as it stands, on a wheel without multimodal support.

    python -m bench.chats.peers.example_server SERVER.py PORT MODEL N_CTX SLOTS N_THREADS N_BATCH

That program imports `llama_cpp.mtmd_cpp` whatever its configuration says, and the import fails where the library for
images and sound was not built. An empty module takes its place; nothing in it is asked for while no images come.
"""

import json
import runpy
import sys
import tempfile
from pathlib import Path
from types import ModuleType


def configuration(
    port: str, model: str, n_ctx: str, slots: str, n_threads: str, n_batch: str
) -> dict[str, dict[str, str | int]]:
    """Its configuration file. What is not named keeps the default its authors chose."""
    return {
        "server": {"host": "127.0.0.1", "port": int(port)},
        "model": {
            "path": model,
            "alias": "default",
            "n_ctx": int(n_ctx),
            "n_seq_max": int(slots),
            "n_batch": int(n_batch),
            "threads": int(n_threads),
            "threads_batch": int(n_threads),
        },
    }


def main() -> None:
    server, *values = sys.argv[1:]
    sys.modules["llama_cpp.mtmd_cpp"] = ModuleType("llama_cpp.mtmd_cpp")
    with tempfile.TemporaryDirectory(prefix="sluice-") as scratch:
        config = Path(scratch) / "config.json"
        config.write_text(json.dumps(configuration(*values)))
        sys.argv = [server, "--config-file", str(config)]
        runpy.run_path(server, run_name="__main__")


if __name__ == "__main__":
    main()
