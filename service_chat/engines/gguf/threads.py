"""How many threads llama.cpp gets, and how long they may spin while they wait for each other.

Called by `worker` (the count) and by `process` (the environment, which must stand before the child's first import).
A thread more than there are CPUs costs more than it brings: all wait at every barrier for the one that is not running.
In a container the number of CPUs of the machine says nothing, so the cgroup's quota counts too.
"""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")
#: Rounds of a waiting OpenMP thread before it sleeps. libgomp's default spins for milliseconds: with one other busy
#: process on the machine decoding fell to a sixth. Sleeping at once (OMP_WAIT_POLICY=passive) costs up to 38 % on a
#: quiet one. 500 was the best of both on two kinds of CPU.
_SPIN_COUNT = "500"


@dataclass(frozen=True, slots=True)
class ThreadPlan:
    count: int
    reason: str  #: how it came about, for the log


def plan_threads(wanted: int | None, affinity: int, quota: float | None) -> ThreadPlan:
    """`wanted` if somebody set it, else what is smaller: the CPUs we may run on, or the whole CPUs of the quota."""
    if wanted is not None:
        return ThreadPlan(wanted, "set by the operator")
    if quota is not None and quota < affinity:
        return ThreadPlan(max(1, math.floor(quota)), f"cgroup quota of {quota:g} CPUs")
    return ThreadPlan(affinity, f"affinity to {affinity} CPUs")


def thread_plan(wanted: int | None) -> ThreadPlan:
    """The plan for this process. Reads a few small files."""
    return plan_threads(wanted, len(os.sched_getaffinity(0)), read_quota())


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


def engine_environment(present: Mapping[str, str]) -> dict[str, str]:
    """What to add to the child's environment. An operator's own choice of waiting policy is left alone."""
    if "GOMP_SPINCOUNT" in present or "OMP_WAIT_POLICY" in present:
        return {}
    return {"GOMP_SPINCOUNT": _SPIN_COUNT}


def spin_in_words(present: Mapping[str, str]) -> str:
    """The waiting policy as libgomp reads it from the environment of this process, for the log."""
    found = [f"{name}={present[name]}" for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY") if name in present]
    return " ".join(found) or "libgomp's default"


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
