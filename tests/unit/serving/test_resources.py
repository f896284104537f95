"""What the process and its children use: real children, and made-up ones that come and go as hypothesis likes."""

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.child import Child, RestartPolicy, living
from serving.clock import SystemClock
from serving.metrics import Metrics
from serving.resources import ChildrenUse, ResourceLog, Resources, Usage, kind_of, line_of
from serving.usage import CpuThrottling, MemoryUse, ProcessUse
from tests.fakes.children import Remembering, busy
from tests.unit.serving.test_usage import linux, stat_line, write
from tests.unit.until import until

pytestmark = pytest.mark.anyio
MB = 1024 * 1024
POLICY = RestartPolicy(first_wait_s=5.0, grace_s=1.0)


def child(name: str, megabytes: int, listener: Remembering) -> Child[int]:
    return Child(name, busy, megabytes, listener, SystemClock(), POLICY)


@linux
async def test_children_are_seen_by_kind_and_what_they_used_stays_when_they_end() -> None:
    resources, listeners = Resources(), [Remembering() for _ in range(2)]
    async with child("worker-0", 40, listeners[0]) as one, child("worker2-7", 60, listeners[1]):
        for listener in listeners:
            await listener.messages.get()
        both = await resources.look()
        assert set(living().values()) == {"worker-0", "worker2-7"}
        assert both.children["worker"].count == 2
        assert both.children["worker"].rss_bytes > 100 * MB
        assert both.children["worker"].cpu_s >= 0.5
        one.kill()
        await listeners[0].exits.get()
        await until(lambda: len(living()) == 1)
        left = await resources.look()
        assert left.children["worker"].count == 1
        assert left.children["worker"].rss_bytes < both.children["worker"].rss_bytes
        assert left.children["worker"].cpu_s >= both.children["worker"].cpu_s
    assert living() == {}
    none = await resources.look()
    resources.close()
    assert (none.children["worker"].count, none.children["worker"].rss_bytes) == (0, 0)
    assert none.children["worker"].cpu_s >= left.children["worker"].cpu_s


#: One look: which of a few processes live, each with the number of its life and the ticks it has used in it.
LOOKS = st.lists(
    st.dictionaries(st.integers(2, 4), st.tuples(st.integers(1, 3), st.integers(0, 50)), max_size=3), max_size=8
)


@given(looks=LOOKS)
def test_the_cpu_of_children_never_falls(
    tmp_path_factory: pytest.TempPathFactory, looks: list[dict[int, tuple[int, int]]]
) -> None:
    proc = tmp_path_factory.mktemp("proc")
    write(proc / "self/stat", stat_line())
    alive: dict[int, str] = {}
    resources, before, used = Resources(lambda: alive, proc), 0.0, dict[tuple[int, int], int]()
    for look in looks:
        alive.clear()
        for pid, (life, more) in look.items():
            used[pid, life] = used.get((pid, life), 0) + more  # a process's own count does not fall
            write(proc / str(pid) / "stat", stat_line(utime=used[pid, life], start=life))
            alive[pid] = f"worker-{pid}"
        told = resources.look_now().children.get("worker", ChildrenUse())
        assert told.cpu_s >= before - 1e-9
        assert told.count == len(look)
        before = told.cpu_s


@pytest.mark.parametrize(
    ("name", "kind"),
    [("worker-0", "worker"), ("worker27-3", "worker"), ("engine", "engine"), ("9", "other"), ("", "other")],
)
def test_a_kind_is_a_name_without_what_numbers_it(name: str, kind: str) -> None:
    assert kind_of(name) == kind


async def test_the_loop_is_free_while_the_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    os.mkfifo(tmp_path / "self/stat")  # reading it waits until somebody writes
    resources = Resources(dict, tmp_path)
    looking = asyncio.create_task(resources.look())
    await asyncio.sleep(0.05)
    assert not looking.done()
    await asyncio.to_thread((tmp_path / "self/stat").write_text, stat_line(utime=7))
    assert (await looking).process is not None
    resources.close()


async def test_a_machine_that_tells_nothing_has_no_samples_and_a_scrape_all_the_same(tmp_path: Path) -> None:
    metrics = Metrics(Resources(dict, tmp_path, tmp_path, tmp_path / "own"))
    told = (await metrics.scrape()).decode()
    metrics.resources.close()
    samples = {line.split("{")[0].split(" ")[0] for line in told.splitlines() if not line.startswith("#")}
    named = {name for name in samples if name.startswith(("process_", "child_", "cgroup_"))}
    # What Python itself knows, and the limit of descriptors.
    assert named == {"process_cpu_seconds_total", "process_max_resident_memory_bytes", "process_max_fds"}
    assert "# HELP cgroup_memory_bytes " in told


@linux
async def test_a_scrape_tells_what_is_true_at_that_moment() -> None:
    metrics = Metrics()
    first = await metrics.scrape()
    ballast = bytearray(b"x") * (64 * MB)
    second = await metrics.scrape()
    metrics.resources.close()
    assert value(second, "process_resident_memory_bytes") - value(first, "process_resident_memory_bytes") > 50 * MB
    assert value(second, "process_max_resident_memory_bytes") >= len(ballast)
    assert value(second, "process_start_time_seconds") == value(first, "process_start_time_seconds")


def value(exposition: bytes, name: str) -> float:
    return next(float(line.split()[1]) for line in exposition.decode().splitlines() if line.startswith(f"{name} "))


@linux
async def test_the_log_tells_what_was_used_since_the_last_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    resources = Resources(dict)

    def lines() -> list[Mapping[str, object]]:
        return [vars(record)["event_fields"] for record in caplog.records if record.msg == "resource_usage"]

    async with ResourceLog(resources, SystemClock(), 0.05):
        await until(lambda: len(lines()) >= 2)
    resources.close()
    told = len(lines())
    await asyncio.sleep(0.1)
    assert len(lines()) == told  # it ends with its context
    (first, *_) = lines()
    assert isinstance(first["mem_mb"], float)
    assert first["mem_mb"] > 5
    assert isinstance(first["cpu_percent"], float)


def test_a_line_has_percents_of_one_cpu_and_null_for_what_is_not_known() -> None:
    before = Usage(
        ProcessUse(MB, 1.0, 1), throttling=CpuThrottling(1, 1, 0.5), children={"worker": ChildrenUse(2, MB, 10)}
    )
    now = Usage(
        ProcessUse(3 * MB, 2.5, 1),
        throttling=CpuThrottling(9, 4, 2.0),
        memory=MemoryUse(7 * MB, None),
        open_fds=11,
        children={"worker": ChildrenUse(2, 5 * MB, 14), "engine": ChildrenUse(1, MB, 1)},
    )
    line = line_of(before, now, 2.0)
    assert line == {
        "cpu_percent": 75.0,
        "mem_mb": 3.0,
        "open_fds": 11,
        "children": {
            "worker": {"count": 2, "cpu_percent": 200.0, "mem_mb": 5.0},
            "engine": {"count": 1, "cpu_percent": 50.0, "mem_mb": 1.0},
        },
        "throttled_s": 1.5,
        "cgroup_mem_mb": 7.0,
        "cgroup_limit_mb": None,
    }
    assert line_of(Usage(), Usage(), 2.0) == {**dict.fromkeys(line), "children": {}}
