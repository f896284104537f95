"""What a process uses, and what its cgroup says of it: read from Linux's own files, one moment at a time.

`resources` calls it, off the event loop. What can not be read is None and never a number: elsewhere than on Linux there
is nothing, a kernel may lack a controller. Five small files for the process and one for each child take a fifth of a
millisecond; psutil would read the same ones, and takes longer to import than this service does to answer.

Formats: proc(5); https://docs.kernel.org/admin-guide/cgroup-v2.html and cgroup-v1/memory.html beside it.
"""

import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from serving.cgroup import OWN, ROOT, groups_of, read_text
from serving.cores import group_quota

PROC = Path("/proc")
#: Version 1 has a number for "no limit": the largest that is a whole page.
_NO_LIMIT = 2**60


@dataclass(frozen=True, slots=True)
class ProcessUse:
    rss_bytes: int
    cpu_s: float  #: of all its threads, in the kernel and outside of it
    started_ticks: int  #: since the machine's start; tells a process from a later one with its number


@dataclass(frozen=True, slots=True)
class CpuThrottling:
    """Of the group with the lowest CPU quota of ours and those above it; without any quota, of our own."""

    periods: int  #: in which something ran
    throttled_periods: int  #: in which the quota was used up before the end
    throttled_s: float  #: summed over CPUs


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Of the group with the lowest memory limit of ours and those above it; without any limit, of our own."""

    bytes: int  #: without file pages that were not used lately: the kernel takes those back before it kills anybody
    limit_bytes: int | None  #: None: no limit


def ticks_a_second() -> int:
    return os.sysconf("SC_CLK_TCK")


def read_process(pid: int | str = "self", proc: Path = PROC) -> ProcessUse | None:
    """None when there is no such process any more."""
    # The name in parentheses may hold anything, parentheses and spaces too.
    fields = read_text(proc / str(pid) / "stat").rpartition(")")[2].split()
    try:
        ticks, pages = int(fields[11]) + int(fields[12]), int(fields[21])
        return ProcessUse(pages * os.sysconf("SC_PAGE_SIZE"), ticks / ticks_a_second(), int(fields[19]))
    except (ValueError, IndexError):
        return None


def read_peak_rss(proc: Path = PROC) -> int | None:
    """Bytes, at most since this program began. `getrusage` gives what stood in its place before `exec`, too: a small
    service that a large process starts would be as large as that one."""
    for line in read_text(proc / "self" / "status").splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * 1024
    return None


def read_boot_time(proc: Path = PROC) -> int | None:
    """Seconds since 1970 at the machine's start."""
    for line in read_text(proc / "stat").splitlines():
        if line.startswith("btime "):
            return int(line.split()[1])
    return None


def count_open_fds(proc: Path = PROC) -> int | None:
    try:
        return sum(1 for _ in (proc / "self" / "fd").iterdir()) - 1  # one of them is this look itself
    except OSError:
        return None


def most_open_fds() -> int | None:
    """None: as many as one likes."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def read_throttling(root: Path = ROOT, own: Path = OWN) -> CpuThrottling | None:
    for groups in groups_of("cpu", root, own):
        tightest = _tightest({folder: group_quota(groups.version, folder) for folder in groups.folders})
        for folder in groups.folders if tightest is None else (tightest,):
            found = _throttling(folder)
            if found is not None:
                return found
    return None


def read_memory(root: Path = ROOT, own: Path = OWN) -> MemoryUse | None:
    for groups in groups_of("memory", root, own):
        usage, limit, cache = _MEMORY_FILES[groups.version]
        limits = {folder: _limit(folder / limit) for folder in groups.folders}
        tightest = _tightest(limits)
        for folder in groups.folders if tightest is None else (tightest,):
            used = _number(folder / usage)
            if used is not None:
                return MemoryUse(max(0, used - _keyed(folder / "memory.stat").get(cache, 0)), limits[folder])
    return None


#: By version: what is used, what is allowed, and the line of memory.stat that can be taken back.
_MEMORY_FILES = {
    1: ("memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file"),
    2: ("memory.current", "memory.max", "inactive_file"),
}


def _throttling(folder: Path) -> CpuThrottling | None:
    stat = _keyed(folder / "cpu.stat")
    if "nr_periods" not in stat:
        return None
    # Version 1 counts nanoseconds under another name.
    throttled_s = stat["throttled_usec"] / 1e6 if "throttled_usec" in stat else stat.get("throttled_time", 0) / 1e9
    return CpuThrottling(stat["nr_periods"], stat.get("nr_throttled", 0), throttled_s)


def _tightest(limits: Mapping[Path, float | None]) -> Path | None:
    known = [(limit, folder) for folder, limit in limits.items() if limit is not None]
    return min(known)[1] if known else None


def _limit(path: Path) -> int | None:
    limit = _number(path)
    return None if limit is None or limit >= _NO_LIMIT else limit


def _number(path: Path) -> int | None:
    text = read_text(path)
    return int(text) if text.isdigit() else None


def _keyed(path: Path) -> dict[str, int]:
    """A file of lines `name number`."""
    parts = (line.split() for line in read_text(path).splitlines())
    return {line[0]: int(line[1]) for line in parts if len(line) == 2 and line[1].isdigit()}
