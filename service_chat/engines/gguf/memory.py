"""How much memory a second engine could have: what the machine has left, or our cgroup, whichever is less.

Asked by `swap` before two models stand side by side for a moment. Page cache that can be dropped counts as free, since
a model that was just read would otherwise forbid its own replacement.
"""

from pathlib import Path, PurePosixPath

_MEMINFO = Path("/proc/meminfo")
_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")

#: What a loaded model takes, for each byte of its file: the file itself, nearly as much again where its weights are
#: repacked for the CPU's wide instructions, and the cache.
PER_FILE_BYTE = 2.2


def available_bytes(meminfo: Path = _MEMINFO, cgroups: Path = _CGROUPS, own_cgroup: Path = _OWN_CGROUP) -> int | None:
    """None where nobody says. Reads a few small files."""
    machine = parse_available(_text(meminfo))
    return min((left for left in (machine, *_groups(cgroups, own_cgroup)) if left is not None), default=None)


def parse_available(meminfo: str) -> int | None:
    """`MemAvailable` of /proc/meminfo, in bytes."""
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return None


def parse_group(limit: str, used: str, stat: str, reclaimable: str = "inactive_file") -> int | None:
    """What a cgroup has left, in bytes, from its limit, its use and its `memory.stat`; None where it has no limit."""
    if not limit.isdigit() or not used.isdigit():
        return None  # version 2 writes `max`; version 1 a number larger than any machine, which does no harm
    names = dict(line.split(maxsplit=1) for line in stat.splitlines() if " " in line)
    return max(0, int(limit) - int(used) + int(names.get(reclaimable, "0")))


def _groups(root: Path, own: Path) -> list[int | None]:
    left: list[int | None] = []
    for line in _text(own).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        here = PurePosixPath(path.lstrip("/"))
        if not controllers:
            # Inside a container the path may be the host's and lead nowhere; the mount's root is then our own group.
            for folder in {root / here, *(root / parent for parent in here.parents), root}:
                limit, used, stat = (_text(folder / name) for name in ("memory.max", "memory.current", "memory.stat"))
                left.append(parse_group(limit, used, stat))
        elif "memory" in controllers.split(","):
            base = root / "memory"
            for folder in {base / here, base}:
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat")
                limit, used, stat = (_text(folder / name) for name in names)
                left.append(parse_group(limit, used, stat, "total_inactive_file"))
    return left


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
