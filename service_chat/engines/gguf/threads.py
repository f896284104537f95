"""How many threads llama.cpp gets, and how long they may spin while they wait for each other.

Called by `worker` (the count) and by `process` (the environment, which must stand before the child's first import).
A thread more than there are CPUs costs more than it brings: all wait at every barrier for the one that is not running.
In a container the number of CPUs of the machine says nothing, so the cgroup's quota counts too.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

from serving.cores import read_quota

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


def engine_environment(present: Mapping[str, str]) -> dict[str, str]:
    """What to add to the child's environment. An operator's own choice of waiting policy is left alone."""
    if "GOMP_SPINCOUNT" in present or "OMP_WAIT_POLICY" in present:
        return {}
    return {"GOMP_SPINCOUNT": _SPIN_COUNT}


def spin_in_words(present: Mapping[str, str]) -> str:
    """The waiting policy as libgomp reads it from the environment of this process, for the log."""
    found = [f"{name}={present[name]}" for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY") if name in present]
    return " ".join(found) or "libgomp's default"
