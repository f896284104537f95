"""CPU quotas, on cgroup files as they are found in the wild."""

from pathlib import Path

import pytest

from serving.cores import parse_cfs, parse_cpu_max, read_quota, whole_cores


def test_a_process_always_has_a_core() -> None:
    assert whole_cores() >= 1


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("200000 100000", 2.0),
        ("50000 100000", 0.5),
        ("max 100000", None),
        ("max", None),
        ("", None),
        ("0 100000", None),
        ("1 0", None),
        ("a b", None),
    ],
)
def test_cpu_max_of_version_two(text: str, cpus: float | None) -> None:
    assert parse_cpu_max(text) == cpus


@pytest.mark.parametrize(
    ("quota", "period", "cpus"), [("150000", "100000", 1.5), ("-1", "100000", None), ("", "", None)]
)
def test_quota_of_version_one(quota: str, period: str, cpus: float | None) -> None:
    assert parse_cfs(quota, period) == cpus


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_quota_of_a_group_above_counts_too(tmp_path: Path) -> None:
    write(tmp_path / "own", "0::/kubepods/pod1/box\n")
    write(tmp_path / "fs/kubepods/cpu.max", "800000 100000")
    write(tmp_path / "fs/kubepods/pod1/cpu.max", "200000 100000\n")
    write(tmp_path / "fs/kubepods/pod1/box/cpu.max", "max 100000\n")
    assert read_quota(tmp_path / "fs", tmp_path / "own") == 2.0


def test_inside_a_container_the_root_of_the_mount_is_our_group(tmp_path: Path) -> None:
    write(tmp_path / "own", "0::/../../the/hosts/path\n")
    write(tmp_path / "fs/cpu.max", "150000 100000\n")
    assert read_quota(tmp_path / "fs", tmp_path / "own") == 1.5


def test_version_one_is_read_from_its_own_files(tmp_path: Path) -> None:
    write(tmp_path / "own", "12:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/x\n")
    write(tmp_path / "fs/cpu/docker/abc/cpu.cfs_quota_us", "300000\n")
    write(tmp_path / "fs/cpu/docker/abc/cpu.cfs_period_us", "100000\n")
    assert read_quota(tmp_path / "fs", tmp_path / "own") == 3.0


def test_without_cgroups_there_is_no_quota(tmp_path: Path) -> None:
    assert read_quota(tmp_path, tmp_path / "nothing") is None
