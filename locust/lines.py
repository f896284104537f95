"""The JSONL of a run: one JSON object a line, whoever writes at the same time.

Many workers once appended to one file through buffers of their own, and 250 lines of a run were two halves of
different ones. Here a line is one `write` to a descriptor that was opened with O_APPEND: the kernel puts it at the end
as a whole, for every process of this machine. Workers on other machines have a file of their own there (a network file
system keeps no such promise).
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

#: Longer values are cut: a line is for people and for one write.
_LONGEST = 2_000


class Lines:
    def __init__(self, path: Path, run_id: str, truncate: bool = False, clock: Callable[[], float] = time.time) -> None:
        """The file is made when the first line comes. `truncate` empties it now, for all processes that write to it."""
        self._path, self._run_id, self._clock = path, run_id, clock
        self._file: int | None = None
        if truncate and path.exists():
            os.truncate(path, 0)

    def write(self, event: str, **fields: object) -> None:
        """`fields` must be plain JSON values."""
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        told = {name: _cut(value) for name, value in fields.items()}
        line = {"ts": round(self._clock(), 3), "run_id": self._run_id, "pid": os.getpid(), "event": event, **told}
        data = json.dumps(line, ensure_ascii=False).encode() + b"\n"
        written = os.write(self._file, data)
        if written != len(data):  # the disk is full: the rest would land behind somebody else's line
            raise OSError(f"{self._path}: {written} of {len(data)} bytes of a line were written")

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _cut(value: object) -> object:
    return value[:_LONGEST] + "…" if isinstance(value, str) and len(value) > _LONGEST else value
