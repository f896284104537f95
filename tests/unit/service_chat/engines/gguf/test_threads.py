"""Thread counts from affinity and quota, on cgroup files as they are found in the wild."""

from pathlib import Path

import pytest

from service_chat.engines.gguf.threads import (
    engine_environment,
    parse_cfs,
    parse_cpu_max,
    plan_threads,
    read_quota,
    spin_in_words,
)


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


@pytest.mark.parametrize(
    ("wanted", "affinity", "quota", "count"),
    [
        (None, 8, None, 8),
        (None, 8, 2.0, 2),
        (None, 8, 2.9, 2),
        (None, 8, 0.5, 1),
        (None, 2, 16.0, 2),
        (4, 2, 1.0, 4),
    ],
)
def test_the_smaller_of_affinity_and_quota_wins_unless_somebody_chose(
    wanted: int | None, affinity: int, quota: float | None, count: int
) -> None:
    assert plan_threads(wanted, affinity, quota).count == count


def test_the_plan_says_how_it_came_about() -> None:
    assert plan_threads(None, 8, 2.5).reason == "cgroup quota of 2.5 CPUs"
    assert plan_threads(None, 8, None).reason == "affinity to 8 CPUs"
    assert plan_threads(3, 8, None).reason == "set by the operator"


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


def test_spinning_is_bounded_unless_an_operator_decided() -> None:
    assert engine_environment({}) == {"GOMP_SPINCOUNT": "500"}
    assert engine_environment({"GOMP_SPINCOUNT": "9"}) == {}
    assert engine_environment({"OMP_WAIT_POLICY": "passive"}) == {}


@pytest.mark.parametrize(
    ("present", "words"),
    [
        (engine_environment({}), "GOMP_SPINCOUNT=500"),
        ({"OMP_WAIT_POLICY": "passive", "HOME": "/"}, "OMP_WAIT_POLICY=passive"),
        ({"OMP_WAIT_POLICY": "active", "GOMP_SPINCOUNT": "9"}, "GOMP_SPINCOUNT=9 OMP_WAIT_POLICY=active"),
        ({}, "libgomp's default"),
    ],
)
def test_the_waiting_policy_is_told_as_libgomp_sees_it(present: dict[str, str], words: str) -> None:
    assert spin_in_words(present) == words
