"""How many CPUs this process may use: its affinity, and the quota of its cgroup.

In a container the number of CPUs of the machine says nothing. `service_chat` sizes llama.cpp's threads by it,
`inference_container` its worker processes.
"""

import math
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def whole_cores() -> int:
    """CPUs that this process can keep busy, at least 1. Reads a few small files."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = read_quota()
    return max(1, affinity if quota is None else min(affinity, math.floor(quota)))


def read_quota(root: Path = _CGROUPS, own: Path = _OWN_CGROUP) -> float | None:
    """The least CPU quota of our cgroup and those above it, in CPUs. None where there is none, or no cgroups."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return None
    quotas: list[float] = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:  # version 2 has one line and names no controller
            quotas += _quotas(root, path, lambda folder: parse_cpu_max(_text(folder / "cpu.max")))
        elif "cpu" in controllers.split(","):
            quotas += _quotas(
                root / "cpu",
                path,
                lambda folder: parse_cfs(_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")),
            )
    return min(quotas, default=None)


def parse_cpu_max(text: str) -> float | None:
    """cgroup v2: `QUOTA PERIOD` in microseconds, or `max PERIOD`."""
    parts = text.split()
    return parse_cfs(parts[0], parts[1]) if len(parts) == 2 else None


def parse_cfs(quota: str, period: str) -> float | None:
    """cgroup v1: two files in microseconds, the quota -1 for none."""
    try:
        cpus = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return cpus if cpus > 0 else None


def _quotas(root: Path, path: str, read: Callable[[Path], float | None]) -> list[float]:
    # Inside a container the path may be the host's and lead nowhere; the mount's root is then our own group.
    here = PurePosixPath(path.lstrip("/"))
    folders = [root / here, *(root / parent for parent in here.parents), root]
    return [quota for quota in map(read, folders) if quota is not None]


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
