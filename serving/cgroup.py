"""Where this process stands in the machine's cgroups, version 2 or 1: the folders that say what it may use and used.

`cores` asks for the CPU quota, `resources` for throttling and memory. A limit may be set on a group above ours, so all
of them are given, our own first.
"""

from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")

Controller = Literal["cpu", "memory"]


class Groups(NamedTuple):
    version: Literal[1, 2]
    folders: tuple[Path, ...]  #: our own group, then those above it; they need not exist


def groups_of(controller: Controller, root: Path = ROOT, own: Path = OWN) -> list[Groups]:
    """A hierarchy for each version that `own` names, the older one first; none where there are no cgroups. Reads one
    small file."""
    found: list[Groups] = []
    for line in read_text(own).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:  # version 2 has one line and names no controller
            found.append(Groups(2, _folders(root, path)))
        elif controller in controllers.split(","):
            found.append(Groups(1, _folders(root / controller, path)))
    return sorted(found)


def _folders(root: Path, path: str) -> tuple[Path, ...]:
    # Inside a container the path may be the host's and lead nowhere; the mount's root is then our own group.
    here = PurePosixPath(path.lstrip("/"))
    return tuple(dict.fromkeys((root / here, *(root / parent for parent in here.parents), root)))


def read_text(path: Path) -> str:
    """What stands in a small file; nothing where it can not be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
