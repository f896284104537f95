"""What is left for a second engine."""

from pathlib import Path

import pytest

from service_chat.engines.gguf.memory import available_bytes, parse_available, parse_group

MEMINFO = "MemTotal:       16000 kB\nMemFree:         100 kB\nMemAvailable:    8000 kB\n"


def test_the_machine_says_what_it_could_give() -> None:
    assert parse_available(MEMINFO) == 8000 * 1024
    assert parse_available("") is None


@pytest.mark.parametrize(
    ("limit", "used", "stat", "left"),
    [
        ("1000", "700", "anon 300\ninactive_file 200", 500),
        ("1000", "700", "", 300),
        ("1000", "1700", "", 0),
        ("max", "700", "", None),
        ("", "", "", None),
    ],
)
def test_a_group_has_left_its_limit_less_its_use_and_cache_that_can_go_counts_as_free(
    limit: str, used: str, stat: str, left: int | None
) -> None:
    assert parse_group(limit, used, stat) == left


def files(folder: Path, **texts: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name.replace("_", ".", 1)).write_text(text)


def test_the_tightest_of_machine_group_and_groups_above_counts(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "own").write_text("0::/pod/box\n")
    files(tmp_path / "cg" / "pod", memory_max="5000", memory_current="1000", memory_stat="inactive_file 500\n")
    files(tmp_path / "cg" / "pod" / "box", memory_max="max", memory_current="1000", memory_stat="")
    assert available_bytes(tmp_path / "meminfo", tmp_path / "cg", tmp_path / "own") == 4500


def test_version_1_groups_are_read_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("5:memory:/box\n3:cpu,cpuacct:/box\n")
    folder = tmp_path / "cg" / "memory" / "box"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text("3000")
    (folder / "memory.usage_in_bytes").write_text("2500")
    (folder / "memory.stat").write_text("total_inactive_file 100\n")
    assert available_bytes(tmp_path / "none", tmp_path / "cg", tmp_path / "own") == 600


def test_where_nobody_says_it_is_not_known(tmp_path: Path) -> None:
    assert available_bytes(tmp_path / "a", tmp_path / "b", tmp_path / "c") is None
