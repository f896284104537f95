"""How much room is left: on this machine's own file systems, and on one that does not answer."""

import os
import threading
from pathlib import Path

import pytest

from serving.disks import Disks, DiskUse, read_disk
from serving.metrics import Metrics

pytestmark = pytest.mark.anyio
ROOM = DiskUse(30, 100)


def test_what_is_free_is_what_df_says(tmp_path: Path) -> None:
    found, told = read_disk(tmp_path), os.statvfs(tmp_path)
    assert found is not None
    assert abs(found.free_bytes - told.f_bavail * told.f_frsize) < 64 * 1024 * 1024  # others write meanwhile
    assert 0 < found.free_bytes <= found.size_bytes <= told.f_blocks * told.f_frsize


def test_a_folder_that_is_not_made_yet_will_lie_in_what_is_above_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for missing in (tmp_path / "a" / "b", tmp_path / "file" / "below"):
        found = read_disk(missing)
        assert found is not None
        assert found.size_bytes == getattr(read_disk(tmp_path), "size_bytes", None)


def test_a_file_system_without_an_end_has_no_room_to_speak_of() -> None:
    if not Path("/proc/self").exists():
        pytest.skip("a file system of size 0 is Linux's /proc")
    assert read_disk(Path("/proc/self")) is None


def test_what_may_not_be_looked_at_is_not_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refused(_: object) -> os.statvfs_result:
        raise PermissionError

    monkeypatch.setattr("serving.disks.os.statvfs", refused)
    assert read_disk(tmp_path) is None


async def test_a_folder_has_one_name(tmp_path: Path) -> None:
    disks = Disks(read=lambda _: ROOM)
    disks.watch({"records": tmp_path, "audit": tmp_path / "..", "chats": tmp_path, "models": None})
    assert set(await disks.look()) == {"records", "audit"}
    disks.close()


async def test_a_file_system_that_hangs_keeps_nobody_and_hides_no_other(tmp_path: Path) -> None:
    answers, asked = threading.Event(), list[Path]()

    def read(folder: Path) -> DiskUse | None:
        asked.append(folder)
        if folder.name == "network":
            answers.wait(30)
        return ROOM

    disks = Disks(read, patience_s=0.05)
    disks.watch({"models": tmp_path / "network", "records": tmp_path / "local"})
    try:
        for _ in range(3):
            assert await disks.look() == {"records": ROOM}
        assert asked.count(tmp_path / "network") == 1  # nobody asks again while it hangs
        answers.set()
        while "models" not in await disks.look():
            pass
    finally:
        answers.set()
        disks.close()
    assert await Disks().look() == {}


async def test_a_scrape_tells_the_room_by_folder(tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.disks.watch({"records": tmp_path})
    text = (await metrics.scrape()).decode()
    metrics.close()
    metrics.close()
    (free,) = [line for line in text.splitlines() if line.startswith('disk_free_bytes{folder="records"}')]
    (size,) = [line for line in text.splitlines() if line.startswith('disk_size_bytes{folder="records"}')]
    assert 0 < float(free.split()[1]) <= float(size.split()[1])
    after = (await metrics.scrape()).decode()  # closed is not broken
    assert "disk_free_bytes{" in after
    metrics.close()
