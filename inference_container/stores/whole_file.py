"""A file that is there whole or not at all: written beside its place, synced, then named. For what stores download."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from serving.durable import sync_folder

#: Bytes of one piece, wherever objects are read piece by piece.
PIECE = 32 * 1024


@contextmanager
def whole_file(into: Path) -> Iterator[BinaryIO]:
    """The block writes; its end gives the file its name, an error leaves what was there. Raises OSError."""
    into.parent.mkdir(parents=True, exist_ok=True)
    part = into.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(into)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(into.parent)
