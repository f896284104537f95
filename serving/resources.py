"""What this process and its children use, for the metrics and for a line in the log every few seconds.

Looked at when somebody asks, a scrape or the log, and on a thread of its own: these are files, and a default pool that
is full of calls to a store that hangs must not keep a scrape from saying so. Nothing is sampled in between, so no
number is older than the question. A child that ends takes along what it used since the last look; what was seen of it
stays in the sums, which never fall.
"""

import asyncio
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from serving import cgroup, events, usage
from serving.child import living
from serving.clock import Clock
from serving.usage import CpuThrottling, MemoryUse, ProcessUse

_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ChildrenUse:
    """Of all children of one kind."""

    count: int = 0
    rss_bytes: int = 0
    cpu_s: float = 0.0  #: those that ended included


@dataclass(frozen=True, slots=True)
class Usage:
    """One look; None is what could not be read."""

    process: ProcessUse | None = None
    started_at: float | None = None  #: seconds since 1970
    peak_rss_bytes: int | None = None
    open_fds: int | None = None
    max_fds: int | None = None
    throttling: CpuThrottling | None = None
    memory: MemoryUse | None = None
    children: Mapping[str, ChildrenUse] = field(default_factory=dict)  #: by kind


class Resources:
    def __init__(
        self,
        children: Callable[[], Mapping[int, str]] = living,
        proc: Path = usage.PROC,
        cgroups: Path = cgroup.ROOT,
        own: Path = cgroup.OWN,
    ) -> None:
        """`children`: process numbers and names of those that live, asked on the caller's thread."""
        self._children, self._proc, self._cgroups, self._own = children, proc, cgroups, own
        self._thread: ThreadPoolExecutor | None = None
        self._one_at_a_time = threading.Lock()
        self._boot: float | None = None
        #: By number and start: kind, and CPU when last seen.
        self._seen: dict[tuple[int, int], tuple[str, float]] = {}
        self._ended: dict[str, float] = {}
        #: As of the last look.
        self.latest = Usage()

    async def look(self) -> Usage:
        """A fresh look; the event loop is free meanwhile."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="resources")
        children = dict(self._children())
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.look_now, children)

    def look_now(self, children: Mapping[int, str] | None = None) -> Usage:
        """As `look`, on this thread. It reads files."""
        alive = dict(self._children()) if children is None else children
        with self._one_at_a_time:
            self.latest = self._read(alive)
            return self.latest

    def close(self) -> None:
        """Ends the thread. Idempotent; a later look starts another."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=False)

    def _read(self, alive: Mapping[int, str]) -> Usage:
        process = usage.read_process("self", self._proc)
        if self._boot is None:
            self._boot = usage.read_boot_time(self._proc)
        started_at = None
        if process is not None and self._boot is not None:
            started_at = self._boot + process.started_ticks / usage.ticks_a_second()
        return Usage(
            process=process,
            started_at=started_at,
            peak_rss_bytes=usage.read_peak_rss(self._proc),
            open_fds=usage.count_open_fds(self._proc),
            max_fds=usage.most_open_fds(),
            throttling=usage.read_throttling(self._cgroups, self._own),
            memory=usage.read_memory(self._cgroups, self._own),
            children=self._family(alive) if process is not None else {},
        )

    def _family(self, alive: Mapping[int, str]) -> dict[str, ChildrenUse]:
        before, self._seen = self._seen, {}
        uses = {kind: ChildrenUse(cpu_s=cpu_s) for kind, cpu_s in self._ended.items()}
        for pid, name in alive.items():
            found = usage.read_process(pid, self._proc)
            if found is None:
                continue  # it ended this very moment
            kind = kind_of(name)
            self._seen[pid, found.started_ticks] = kind, found.cpu_s
            so_far = uses.get(kind, ChildrenUse())
            uses[kind] = ChildrenUse(so_far.count + 1, so_far.rss_bytes + found.rss_bytes, so_far.cpu_s + found.cpu_s)
        for life, (kind, cpu_s) in before.items():
            if life not in self._seen:
                self._ended[kind] = self._ended.get(kind, 0.0) + cpu_s
                uses[kind] = replace(uses.get(kind, ChildrenUse()), cpu_s=uses.get(kind, ChildrenUse()).cpu_s + cpu_s)
        return uses


def kind_of(child: str) -> str:
    """What a child's name says it is, without what numbers it: `worker` of `worker2-0`. Numbers have no end."""
    found = re.match(r"[a-z_]+", child)
    return found[0].rstrip("_") if found is not None else "other"


class ResourceLog:
    """A line in the log every few seconds (ENABLE_RESOURCE_LOGS). Open it as a context."""

    def __init__(self, resources: Resources, clock: Clock, every_s: float) -> None:
        self._resources, self._clock, self._every_s = resources, clock, every_s
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "ResourceLog":
        self._task = asyncio.create_task(self._tell(), name="resource-log")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _tell(self) -> None:
        before, looked_at = await self._resources.look(), self._clock.monotonic()
        while True:
            await self._clock.sleep(self._every_s)
            now, at = await self._resources.look(), self._clock.monotonic()
            events.resource_usage(**line_of(before, now, at - looked_at))
            before, looked_at = now, at


def line_of(before: Usage, now: Usage, seconds: float) -> dict[str, object]:
    """The fields of `resource_usage`; what could not be read is null."""
    throttling = _more(before.throttling, now.throttling)
    return {
        "cpu_percent": _percent(before.process, now.process, seconds),
        "mem_mb": _mb(now.process.rss_bytes if now.process is not None else None),
        "open_fds": now.open_fds,
        "children": {
            kind: {
                "count": use.count,
                "cpu_percent": round((use.cpu_s - before.children.get(kind, ChildrenUse()).cpu_s) * 100 / seconds, 1),
                "mem_mb": _mb(use.rss_bytes),
            }
            for kind, use in now.children.items()
        },
        "throttled_s": throttling,
        "cgroup_mem_mb": _mb(now.memory.bytes if now.memory is not None else None),
        "cgroup_limit_mb": _mb(now.memory.limit_bytes if now.memory is not None else None),
    }


def _percent(before: ProcessUse | None, now: ProcessUse | None, seconds: float) -> float | None:
    """Of one CPU: two that are busy are 200."""
    if before is None or now is None:
        return None
    return round((now.cpu_s - before.cpu_s) * 100 / seconds, 1)


def _more(before: CpuThrottling | None, now: CpuThrottling | None) -> float | None:
    return None if before is None or now is None else round(now.throttled_s - before.throttled_s, 3)


def _mb(size: int | None) -> float | None:
    return None if size is None else round(size / _MB, 1)
