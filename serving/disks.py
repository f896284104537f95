"""How much room is left where a service writes: by folder, of the file system that it lies on.

`metrics` looks when a scraper asks. A network's file system may answer nothing, for hours: each folder is looked at
beside the event loop, a look that is not back within a second is left behind, and until it is there the folder has no
sample; the others have theirs. Folders of one file system tell of the same room: each is named, so that an alert says
what can not be written.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from serving.crew import Crew
from serving.described import Label
from serving.readings import LabelledReading

#: A scrape waits five seconds for all of its answer.
_PATIENCE_S = 1.0
_FOLDER = (Label("folder", of="what is kept there: `models`, `records`, `audit`, `chats`, `bundles`, `store`, `tmp`"),)


@dataclass(frozen=True, slots=True)
class DiskUse:
    free_bytes: int  #: that we may take, without what is kept back for root
    size_bytes: int  #: likewise, full and free


def read_disk(folder: Path) -> DiskUse | None:
    """None where nobody can tell, or where there is no end to it. What is not made yet will lie in what is above it."""
    for place in (folder, *folder.parents):
        try:
            found = os.statvfs(place)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return None
        used = found.f_blocks - found.f_bfree
        size = (used + found.f_bavail) * found.f_frsize
        return DiskUse(found.f_bavail * found.f_frsize, size) if size > 0 else None
    return None


class Disks:
    """Lives on the event loop. Close it with the service."""

    def __init__(self, read: Callable[[Path], DiskUse | None] = read_disk, patience_s: float = _PATIENCE_S) -> None:
        self._read, self._patience_s = read, patience_s
        self._folders: dict[str, Path] = {}
        self._looks: dict[str, Future[DiskUse | None]] = {}
        self._crew: Crew | None = None
        #: By folder's name, as of the last look.
        self.latest: Mapping[str, DiskUse] = {}

    def watch(self, folders: Mapping[str, Path | None]) -> None:
        """What is looked at from now on. A folder has the first of its names; None has none."""
        seen: dict[Path, str] = {}
        for name, folder in folders.items():
            if folder is not None:
                seen.setdefault(folder.absolute(), name)
        self._folders = {name: folder for folder, name in seen.items()}

    async def look(self) -> Mapping[str, DiskUse]:
        if not self._folders:
            return self.latest
        if self._crew is None:
            self._crew = Crew(len(self._folders), "disks")
        for name, folder in self._folders.items():
            if name not in self._looks:
                self._looks[name] = self._crew.submit(self._read, folder)
        waiting = [asyncio.wrap_future(look) for look in self._looks.values()]
        _, late = await asyncio.wait(waiting, timeout=self._patience_s)
        for each in late:
            each.cancel()  # what runs already runs on; nobody tells a loop that may be closed by then
        back = {name: self._looks.pop(name) for name, look in tuple(self._looks.items()) if look.done()}
        found = {name: look.result() for name, look in back.items() if not look.cancelled()}
        self.latest = {name: use for name, use in found.items() if use is not None}
        return self.latest

    def close(self) -> None:
        """Idempotent; a later look starts threads anew."""
        crew, self._crew = self._crew, None
        if crew is not None:
            crew.shutdown(wait=False, cancel_futures=True)
        self._looks.clear()


def disk_readings(latest: Callable[[], Mapping[str, DiskUse]]) -> Sequence[LabelledReading]:
    return (
        LabelledReading(
            "disk_free_bytes",
            "Room that is left on the file system of a folder that is written to; no sample where that does not "
            "answer. A limit that a cluster puts on the folder itself is not seen here.",
            _FOLDER,
            lambda: {(name,): float(use.free_bytes) for name, use in latest().items()},
        ),
        LabelledReading(
            "disk_size_bytes",
            "What that file system can hold, without what is kept back for root.",
            _FOLDER,
            lambda: {(name,): float(use.size_bytes) for name, use in latest().items()},
        ),
    )
