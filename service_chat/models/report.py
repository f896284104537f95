"""How the slow steps of getting a model tell where they are, and the hash all of them take.

Called from the loader of the engine process, which passes it on as load progress and as a sign of life.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

#: (phase, bytes done, bytes in all or None). Called at least every few seconds while a step runs, also without news.
#: Phases: "waiting" for another process that fetches the same file, "downloading", "verifying".
Report = Callable[[str, int, int | None], None]

_BLOCK = 1 << 22


def sha256_of(path: Path, report: Report) -> str:
    """The file's hash, lower-case hexadecimal. Raises OSError."""
    digest, done, size = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            done += len(block)
            report("verifying", done, size)
    return digest.hexdigest()
