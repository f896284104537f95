"""The file of API keys (API_KEYS_FILE): read at the start, read again when it changes, written by `keys` commands.

The service looks at it once a second, in a thread. A file that has become wrong changes nothing: the keys of the last
good one go on, and an event says so each time it changes to something wrong.
"""

import asyncio
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from service_chat import events
from service_chat.access.grant import Grant
from service_chat.access.keys import ApiKey, KeyRing, parse_keys
from serving.clock import Clock
from serving.events import unexpected_error
from serving.logging import where

#: How often the file is looked at: a key that was revoked works so long at most. Seconds.
LOOK_EVERY_S = 1.0

#: What changes with a file: inode, size, time of writing, time of any change. A mounted secret is a link that turns,
#: hence the inode; a file that could not be read until somebody gave it another mode was not written anew.
_Mark: TypeAlias = tuple[int, int, int, int]


class KeyFile:
    """Open it as a context; before that it knows what the file held at the start."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """
        Raises:
            ValueError: The file can not be read, or a line of it is wrong.
        """
        self._path, self._clock = path, clock
        self._mark: _Mark | str
        self._mark, self._ring = _read(path)
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "KeyFile":
        events.api_keys_loaded(keys=len(self._ring.keys))
        self._watching = asyncio.create_task(self._watch(), name="api-keys")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    def find(self, text: str) -> Grant | None:
        """What the key allows; None when there is no such key, or not any more. Takes microseconds."""
        return self._ring.find(text, self._clock.now())

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            try:
                await asyncio.to_thread(self._look)
            except Exception as defect:  # one of ours; a watch that ends would leave revoked keys good for ever
                unexpected_error(error_type=type(defect).__name__, at=where(defect))

    def _look(self) -> None:
        seen = _mark_of(self._path)
        if seen == self._mark:
            return
        try:
            self._mark, self._ring = _read(self._path)
        except ValueError as error:
            self._mark = seen
            events.api_keys_refused(reason=str(error), keys=len(self._ring.keys))
        else:
            events.api_keys_loaded(keys=len(self._ring.keys))


def add_key(path: Path, key: ApiKey) -> None:
    """Appends a line; the file is made when absent, for its owner alone to read.

    Raises:
        ValueError: What is there already can not be read, or a line of it is wrong.
        OSError: It can not be written.
    """
    with _locked(path):
        before = path.read_text() if path.exists() else ""
        parse_keys(before)
        _replace(path, f"{before}{'' if before.endswith(chr(10)) or not before else chr(10)}{key.line()}")


def keep_key(path: Path, key: ApiKey) -> bool:
    """Has the file hold this key and no other of its owner; whether that was anything new.

    Raises:
        ValueError: What is there already can not be read, a line of it is wrong, or the id is somebody else's.
        OSError: It can not be written.
    """
    with _locked(path):
        before = path.read_text() if path.exists() else ""
        had = [each for each in parse_keys(before).keys.values() if each.owner == key.owner]
        if [replace(each, created=key.created) for each in had] == [key]:
            return False
        lines = before.splitlines(keepends=True)
        kept = "".join(line for line in lines if not any(_is_line_of(line, each.id) for each in had))
        after = f"{kept}{'' if kept.endswith(chr(10)) or not kept else chr(10)}{key.line()}"
        parse_keys(after)
        _replace(path, after)
        return True


def remove_key(path: Path, key_id: str) -> bool:
    """Takes a key's line out and leaves all others as they are; whether there was one.

    Raises:
        ValueError: The file can not be read, or a line of it is wrong.
        OSError: It can not be written.
    """
    with _locked(path):
        before = path.read_text()
        if key_id not in parse_keys(before).keys:
            return False
        kept = [line for line in before.splitlines(keepends=True) if not _is_line_of(line, key_id)]
        _replace(path, "".join(kept))
        return True


def keys_in(path: Path) -> list[ApiKey]:
    """In the file's order. Raises ValueError like `KeyFile`."""
    return list(_read(path)[1].keys.values())


def _is_line_of(line: str, key_id: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#") and key_id in parse_keys(line).keys


def _read(path: Path) -> tuple[_Mark, KeyRing]:
    try:
        with path.open(encoding="utf-8") as file:
            mark = _of(os.fstat(file.fileno()))  # of the very file that is read, should another take its place
            return mark, parse_keys(file.read())
    except UnicodeDecodeError:
        raise ValueError("it is no UTF-8 text") from None
    except OSError as error:
        raise ValueError(error.strerror or type(error).__name__) from None


def _mark_of(path: Path) -> _Mark | str:
    try:
        return _of(path.stat())
    except OSError as error:
        return type(error).__name__


def _of(stat: os.stat_result) -> _Mark:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer at a time, by a lock on the folder: the file itself is replaced while the lock is held."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _replace(path: Path, text: str) -> None:
    """In one step: who reads meanwhile sees the old file or the new one, never half of one."""
    target = path.resolve()  # a link stays a link
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            if target.exists():
                stat = target.stat()
                os.fchmod(file.fileno(), stat.st_mode & 0o777)
                if (stat.st_uid, stat.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(file.fileno(), stat.st_uid, stat.st_gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
