"""The box that images are tried in: what a listing notices, and whose processes are whose. It takes no builder."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.image_box import Unacceptable, changed, inside, listing, owners, size_of, under, wait_until
from tests.integration.processes import eventually


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("opt/app", "proc", "tmp"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "opt/app/code").write_text("code")
    (tmp_path / "opt/link").symlink_to("app/code")
    (tmp_path / "proc/1").write_text("")
    return tmp_path


def test_a_listing_has_every_entry_but_those_of_the_kernel(root: Path) -> None:
    found = listing(root)
    assert set(found) == {"/opt", "/opt/app", "/opt/app/code", "/opt/link", "/tmp"}
    assert size_of(found) == 4


@pytest.mark.parametrize(
    ("meddle", "path"),
    [
        (lambda root: (root / "opt/app/new").touch(), "/opt/app/new"),
        (lambda root: (root / "opt/app/code").unlink(), "/opt/app/code"),
        (lambda root: (root / "opt/app/code").write_text("other"), "/opt/app/code"),
        (lambda root: os.utime(root / "opt/app/code", (0, 0)), "/opt/app/code"),
        (lambda root: (root / "opt/app").chmod(0o700), "/opt/app"),
        (lambda root: ((root / "opt/link").unlink(), (root / "opt/link").symlink_to("app")), "/opt/link"),
    ],
)
def test_whatever_is_written_is_noticed(root: Path, meddle: Callable[[Path], object], path: str) -> None:
    before = listing(root)
    assert changed(before, listing(root)) == []
    meddle(root)
    assert changed(before, listing(root)) == [path]


def test_a_path_is_under_a_folder_and_not_under_one_that_begins_alike() -> None:
    assert under("/tmp", ("/tmp",))
    assert under("/tmp/a", ("/var", "/tmp"))
    assert not under("/tmpfiles/a", ("/tmp",))


def test_the_processes_inside_are_the_whole_tree_with_the_command_first() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    try:
        eventually(lambda: len(inside(process)) == 2, 20)
        assert inside(process)[0] == process.pid
        assert owners(process) == {os.getuid()}
    finally:
        process.communicate(b"\n", timeout=20)


def test_waiting_ends_when_the_process_does() -> None:
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
    with pytest.raises(Unacceptable, match="status 7"):
        wait_until(lambda: False, process, 20)
