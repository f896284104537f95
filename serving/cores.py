"""How many CPUs this process may use: its affinity, and the quota of its cgroup.

In a container the number of CPUs of the machine says nothing. `service_chat` sizes llama.cpp's threads by it,
`inference_container` its worker processes.
"""

import math
import os
from pathlib import Path

from serving.cgroup import OWN, ROOT, groups_of, read_text


def whole_cores() -> int:
    """CPUs that this process can keep busy, at least 1. Reads a few small files."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = read_quota()
    return max(1, affinity if quota is None else min(affinity, math.floor(quota)))


def read_quota(root: Path = ROOT, own: Path = OWN) -> float | None:
    """The least CPU quota of our cgroup and those above it, in CPUs. None where there is none, or no cgroups."""
    quotas = (
        group_quota(groups.version, folder) for groups in groups_of("cpu", root, own) for folder in groups.folders
    )
    return min((quota for quota in quotas if quota is not None), default=None)


def group_quota(version: int, folder: Path) -> float | None:
    """Of one group."""
    if version == 2:
        return parse_cpu_max(read_text(folder / "cpu.max"))
    return parse_cfs(read_text(folder / "cpu.cfs_quota_us"), read_text(folder / "cpu.cfs_period_us"))


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
