"""What a process uses, read from files as they are found in the wild, and from those of this very machine."""

import subprocess
import sys
from pathlib import Path

import pytest

from serving.usage import (
    CpuThrottling,
    MemoryUse,
    count_open_fds,
    most_open_fds,
    read_boot_time,
    read_memory,
    read_peak_rss,
    read_process,
    read_throttling,
    ticks_a_second,
)

MB = 1024 * 1024
linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads Linux's own files")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def stat_line(name: str = "python", utime: int = 0, stime: int = 0, start: int = 0, pages: int = 0) -> str:
    return (
        f"7 ({name}) S 1 7 7 0 -1 4194560 9 0 0 0 {utime} {stime} 0 0 20 0 4 0 {start} 999 {pages} 18446744073709551615"
    )


@pytest.mark.parametrize("name", ["python", "a b", "a) R 5 (b", ""])
def test_the_numbers_come_behind_the_name_whatever_it_holds(tmp_path: Path, name: str) -> None:
    write(tmp_path / "7/stat", stat_line(name, utime=150, stime=50, start=4200, pages=3))
    found = read_process(7, tmp_path)
    assert found is not None
    assert (found.cpu_s, found.started_ticks) == (200 / ticks_a_second(), 4200)
    assert found.rss_bytes % 3 == 0
    assert found.rss_bytes // 3 >= 4096


@pytest.mark.parametrize("text", [None, "", "7 (python) S 1", "nonsense"])
def test_a_process_that_is_gone_is_no_process_of_no_size(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        write(tmp_path / "7/stat", text)
    assert read_process(7, tmp_path) is None


@linux
def test_this_process_is_as_large_as_what_it_holds() -> None:
    before = read_process()
    ballast = bytearray(b"x") * (64 * MB)
    after, peak = read_process(), read_peak_rss()
    assert before is not None
    assert after is not None
    assert peak is not None
    assert after.rss_bytes - before.rss_bytes > 50 * MB
    assert peak >= len(ballast)
    assert after.cpu_s >= before.cpu_s > 0
    assert after.started_ticks == before.started_ticks


@linux
def test_the_peak_is_of_this_program_and_not_of_the_one_that_started_it() -> None:
    """`ru_maxrss` is the larger of both."""
    inner = "from serving.usage import read_peak_rss; print(read_peak_rss())"
    outer = (
        f"import subprocess, sys; big = bytearray(b'x') * {300 * MB}; subprocess.run([sys.executable, '-c', {inner!r}])"
    )
    told = subprocess.run([sys.executable, "-c", outer], capture_output=True, check=True, text=True)
    assert 0 < int(told.stdout) < 150 * MB


@linux
def test_open_files_are_counted() -> None:
    before = count_open_fds()
    with Path("/dev/null").open() as first, Path("/dev/null").open() as second:
        during = count_open_fds()
        assert first.fileno() != second.fileno()
    assert before is not None
    assert during == before + 2
    assert during < (most_open_fds() or 2**31)


@linux
def test_the_machine_was_started_before_this_process() -> None:
    assert (read_boot_time() or 0) > 0


def test_where_there_is_no_proc_nothing_is_told(tmp_path: Path) -> None:
    assert read_process("self", tmp_path) is None
    assert read_peak_rss(tmp_path) is None
    assert read_boot_time(tmp_path) is None
    assert count_open_fds(tmp_path) is None
    assert read_throttling(tmp_path, tmp_path / "own") is None
    assert read_memory(tmp_path, tmp_path / "own") is None


V2_STAT = "usage_usec 900\nnr_periods 40\nnr_throttled 7\nthrottled_usec 2500000\n"
THROTTLED = CpuThrottling(40, 7, 2.5)


def test_throttling_of_the_only_group_that_a_container_sees(tmp_path: Path) -> None:
    write(tmp_path / "own", "0::/\n")
    write(tmp_path / "fs/cpu.max", "50000 100000\n")
    write(tmp_path / "fs/cpu.stat", V2_STAT)
    assert read_throttling(tmp_path / "fs", tmp_path / "own") == THROTTLED


def test_throttling_is_that_of_the_group_with_the_lowest_quota(tmp_path: Path) -> None:
    write(tmp_path / "own", "0::/pod/box\n")
    write(tmp_path / "fs/pod/cpu.max", "100000 100000\n")
    write(tmp_path / "fs/pod/cpu.stat", V2_STAT)
    write(tmp_path / "fs/pod/box/cpu.max", "max 100000\n")
    write(tmp_path / "fs/pod/box/cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_usec 0\n")
    assert read_throttling(tmp_path / "fs", tmp_path / "own") == THROTTLED


def test_without_any_quota_nothing_is_throttled(tmp_path: Path) -> None:
    write(tmp_path / "own", "0::/box\n")
    write(tmp_path / "fs/box/cpu.stat", "usage_usec 9\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n")
    assert read_throttling(tmp_path / "fs", tmp_path / "own") == CpuThrottling(0, 0, 0.0)


def test_version_one_counts_nanoseconds(tmp_path: Path) -> None:
    write(tmp_path / "own", "4:cpu,cpuacct:/docker/abc\n0::/\n")
    write(tmp_path / "fs/cpu/docker/abc/cpu.cfs_quota_us", "50000\n")
    write(tmp_path / "fs/cpu/docker/abc/cpu.cfs_period_us", "100000\n")
    write(tmp_path / "fs/cpu/docker/abc/cpu.stat", "nr_periods 40\nnr_throttled 7\nthrottled_time 2500000000\n")
    assert read_throttling(tmp_path / "fs", tmp_path / "own") == THROTTLED


def test_a_group_whose_controller_is_off_tells_nothing(tmp_path: Path) -> None:
    write(tmp_path / "own", "0::/box\n")
    write(tmp_path / "fs/box/cpu.stat", "usage_usec 9\nuser_usec 9\nsystem_usec 0\n")
    assert read_throttling(tmp_path / "fs", tmp_path / "own") is None


def test_memory_is_without_what_the_kernel_takes_back(tmp_path: Path) -> None:
    write(tmp_path / "own", "0::/\n")
    write(tmp_path / "fs/memory.current", f"{900 * MB}\n")
    write(tmp_path / "fs/memory.max", f"{1000 * MB}\n")
    write(tmp_path / "fs/memory.stat", f"anon {200 * MB}\nactive_file {100 * MB}\ninactive_file {600 * MB}\n")
    assert read_memory(tmp_path / "fs", tmp_path / "own") == MemoryUse(300 * MB, 1000 * MB)


def test_memory_is_that_of_the_group_with_the_lowest_limit(tmp_path: Path) -> None:
    write(tmp_path / "own", "0::/pod/box\n")
    for folder, current, most in (("pod", 800, 1000), ("pod/box", 100, 5000)):
        write(tmp_path / "fs" / folder / "memory.current", f"{current * MB}\n")
        write(tmp_path / "fs" / folder / "memory.max", f"{most * MB}\n")
    assert read_memory(tmp_path / "fs", tmp_path / "own") == MemoryUse(800 * MB, 1000 * MB)


@pytest.mark.parametrize("most", ["max", None])
def test_memory_without_a_limit_has_none(tmp_path: Path, most: str | None) -> None:
    write(tmp_path / "own", "0::/box\n")
    write(tmp_path / "fs/box/memory.current", f"{100 * MB}\n")
    if most is not None:
        write(tmp_path / "fs/box/memory.max", most)
    assert read_memory(tmp_path / "fs", tmp_path / "own") == MemoryUse(100 * MB, None)


def test_memory_of_version_one(tmp_path: Path) -> None:
    write(tmp_path / "own", "4:memory:/docker/abc\n")
    write(tmp_path / "fs/memory/memory.limit_in_bytes", "9223372036854771712\n")
    write(tmp_path / "fs/memory/docker/abc/memory.usage_in_bytes", f"{700 * MB}\n")
    write(tmp_path / "fs/memory/docker/abc/memory.limit_in_bytes", f"{1000 * MB}\n")
    write(tmp_path / "fs/memory/docker/abc/memory.stat", f"cache 1\ntotal_inactive_file {200 * MB}\n")
    assert read_memory(tmp_path / "fs", tmp_path / "own") == MemoryUse(500 * MB, 1000 * MB)
