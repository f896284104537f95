"""What `resources` saw, as metrics: of the process, of its children, and of the cgroup that both live in."""

import resource
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from serving.described import Label
from serving.readings import LabelledReading, Reading
from serving.resources import Usage
from serving.usage import CpuThrottling, MemoryUse, ProcessUse

T = TypeVar("T")

_CHILD = (Label("child", of="what a child process is: `engine`, `worker`, `shadow`; all of a kind together"),)


def usage_readings(latest: Callable[[], Usage]) -> Sequence[Reading | LabelledReading]:
    """What the process, its children and its cgroup use; no sample for what this machine does not tell."""

    def of(part: Callable[[Usage], T | None], pick: Callable[[T], float | None]) -> Callable[[], float | None]:
        def read() -> float | None:
            found = part(latest())
            return pick(found) if found is not None else None

        return read

    def process(pick: Callable[[ProcessUse], float]) -> Callable[[], float | None]:
        return of(lambda usage: usage.process, pick)

    def throttling(pick: Callable[[CpuThrottling], float]) -> Callable[[], float | None]:
        return of(lambda usage: usage.throttling, pick)

    def memory(pick: Callable[[MemoryUse], float | None]) -> Callable[[], float | None]:
        return of(lambda usage: usage.memory, pick)

    return (
        Reading(
            "process_resident_memory_bytes",
            "Memory of the API process, without its children.",
            process(lambda use: use.rss_bytes),
        ),
        Reading(
            "process_max_resident_memory_bytes",
            "Peak memory of the API process, without its children.",
            lambda: _peak_memory(latest()),
        ),
        Reading(
            "process_start_time_seconds",
            "When the API process was started.",
            lambda: latest().started_at,
            unit="seconds since 1970",
        ),
        Reading("process_open_fds", "Open file descriptors of the API process.", lambda: latest().open_fds),
        Reading("process_max_fds", "How many it may have.", lambda: latest().max_fds),
        LabelledReading(
            "child_resident_memory_bytes",
            "Memory of the child processes, the pages that they share counted for each.",
            _CHILD,
            lambda: {(kind,): float(use.rss_bytes) for kind, use in latest().children.items()},
        ),
        LabelledReading(
            "child_cpu_seconds",
            "CPU time of the child processes, of those that ended too, but for what they used after the last scrape.",
            _CHILD,
            lambda: {(kind,): use.cpu_s for kind, use in latest().children.items()},
            "counter",
        ),
        Reading(
            "cgroup_cpu_periods",
            "Periods of the cgroup's CPU quota in which something ran; of the group with the lowest quota of ours and "
            "those above it.",
            throttling(lambda cpu: cpu.periods),
            "counter",
        ),
        Reading(
            "cgroup_cpu_throttled_periods",
            "Those of them in which the quota was used up and everything stood still.",
            throttling(lambda cpu: cpu.throttled_periods),
            "counter",
        ),
        Reading(
            "cgroup_cpu_throttled_seconds",
            "How long it stood still, summed over the CPUs.",
            throttling(lambda cpu: cpu.throttled_s),
            "counter",
        ),
        Reading(
            "cgroup_memory_bytes",
            "Memory that the cgroup can not give back by itself: without file pages that were not used lately; of the "
            "group with the lowest limit of ours and those above it.",
            memory(lambda use: use.bytes),
        ),
        Reading(
            "cgroup_memory_limit_bytes",
            "What that group may use before the kernel kills; no sample where there is no limit.",
            memory(lambda use: use.limit_bytes),
        ),
    )


def _peak_memory(usage: Usage) -> float:
    """Bytes. Where there is no /proc, `ru_maxrss`: Linux counts it in KiB, macOS in bytes."""
    if usage.peak_rss_bytes is not None:
        return usage.peak_rss_bytes
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)
