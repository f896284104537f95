"""The file of keys: read again when it changes, kept when it breaks, written whole."""

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from service_chat.access.key_file import LOOK_EVERY_S, KeyFile, add_key, keys_in, remove_key
from service_chat.access.keys import new_key
from tests.fakes.clock import ManualClock
from tests.unit.until import until

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def first(path: Path) -> str:
    return added(path)


def added(path: Path, owner: str | None = None) -> str:
    text, key = new_key(["triage"], NOW, owner=owner)
    add_key(path, key)
    return text


@pytest.fixture
def opened(path: Path, first: str) -> KeyFile:
    """Made here because reading a file would block a test's loop."""
    return KeyFile(path, ManualClock())


@asynccontextmanager
async def watched(file: KeyFile) -> AsyncIterator[Callable[[], None]]:
    """Yields what turns the clock to the next look."""
    clock = file._clock
    assert isinstance(clock, ManualClock)
    async with file:
        await until(lambda: bool(clock._sleepers))
        yield lambda: clock.turn(LOOK_EVERY_S)


async def looked(file: KeyFile, turn: Callable[[], None]) -> None:
    """Until a look that began now has ended: the next sleep has begun."""
    turn()
    clock = file._clock
    assert isinstance(clock, ManualClock)
    await until(lambda: bool(clock._sleepers))


def in_thread(work: Callable[[], object]) -> None:
    thread = Thread(target=work)
    thread.start()
    thread.join()


async def test_a_new_key_works_and_a_revoked_one_does_not_at_the_next_look(
    path: Path, first: str, opened: KeyFile
) -> None:
    second: list[str] = []
    async with watched(opened) as turn:
        in_thread(lambda: second.append(added(path)))
        assert opened.find(second[0]) is None
        await looked(opened, turn)
        assert opened.find(first) is not None
        assert opened.find(second[0]) is not None
        in_thread(lambda: remove_key(path, first.split("_")[1]))
        await looked(opened, turn)
        assert opened.find(first) is None
        assert opened.find(second[0]) is not None


@pytest.mark.parametrize("broken", ["{", '{"id": 1}\n', None, b"\xff\xfe"])
async def test_a_file_that_breaks_or_goes_leaves_the_keys_as_they_were_and_says_so_once(
    path: Path, first: str, opened: KeyFile, broken: str | bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    def spoil() -> None:
        if broken is None:
            path.unlink()
        elif isinstance(broken, bytes):
            path.write_bytes(broken)
        else:
            path.write_text(broken)

    async with watched(opened) as turn:
        in_thread(spoil)
        for _ in range(3):
            await looked(opened, turn)
        assert opened.find(first) is not None
        refused = [record for record in caplog.records if record.message == "api_keys_refused"]
        assert len(refused) == 1
        mended: list[str] = []
        in_thread(lambda: path.unlink(missing_ok=True))
        in_thread(lambda: mended.append(added(path)))
        await looked(opened, turn)
        assert opened.find(mended[0]) is not None
        assert opened.find(first) is None


async def test_a_defect_of_ours_does_not_end_the_watch(
    path: Path, opened: KeyFile, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(opened) as turn:
        with monkeypatch.context() as patch:
            patch.setattr("service_chat.access.key_file._mark_of", lambda _: 1 / 0)
            await looked(opened, turn)
        assert "unexpected_error" in [record.message for record in caplog.records]
        second: list[str] = []
        in_thread(lambda: second.append(added(path)))
        await looked(opened, turn)
        assert opened.find(second[0]) is not None


async def test_a_link_that_is_turned_is_a_change(tmp_path: Path) -> None:
    """As a cluster mounts a secret: the file behind the link is another one, of the same size and age."""
    texts: list[str] = []
    files: list[KeyFile] = []
    link = tmp_path / "keys"

    def prepare() -> None:
        for name in ("a", "b"):
            texts.append(added(tmp_path / name))
            os.utime(tmp_path / name, ns=(1, 1))
        link.symlink_to("a")
        files.append(KeyFile(link, ManualClock()))

    in_thread(prepare)
    (file,) = files
    async with watched(file) as turn:
        assert file.find(texts[0]) is not None

        def turned() -> None:
            link.unlink()
            link.symlink_to("b")

        in_thread(turned)
        await looked(file, turn)
        assert (file.find(texts[0]), file.find(texts[1]) is not None) == (None, True)


async def test_a_file_that_may_be_read_at_last_is_read_though_nobody_wrote_it_again(
    path: Path, first: str, opened: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator revokes a key as another user, sees `api_keys_refused`, and mends the mode."""
    plain = Path.open

    def forbidden(self: Path, *args: Any, **more: Any) -> Any:
        if self.stat().st_mode & 0o777 == 0:  # also where the tests run as root, who may read everything
            raise PermissionError(13, "Permission denied")
        return plain(self, *args, **more)

    def revoked_and_locked() -> None:
        remove_key(path, first.split("_")[1])
        path.chmod(0)

    monkeypatch.setattr(Path, "open", forbidden)
    async with watched(opened) as turn:
        in_thread(revoked_and_locked)
        await looked(opened, turn)
        assert opened.find(first) is not None
        in_thread(lambda: path.chmod(0o600))
        await looked(opened, turn)
        assert opened.find(first) is None


@pytest.mark.parametrize("content", [None, "{", b"\xff"])
def test_a_service_does_not_start_on_a_file_that_can_not_be_used(path: Path, content: str | bytes | None) -> None:
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=r"No such file|line 1|UTF-8"):
        KeyFile(path, ManualClock())


def test_a_file_that_is_made_is_for_its_owner_alone_and_one_that_was_there_keeps_its_mode(path: Path) -> None:
    added(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    added(path)
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in path.parent.iterdir()] == ["keys"]


def test_others_lines_and_remarks_stay_as_they_are(path: Path) -> None:
    path.write_text("# the clinic's keys")  # without an end of line
    first, second = added(path), added(path, owner="clinic")
    assert path.read_text().startswith("# the clinic's keys\n{")
    assert [key.owner for key in keys_in(path)] == [None, "clinic"]
    assert remove_key(path, first.split("_")[1])
    assert not remove_key(path, first.split("_")[1])
    assert [key.id for key in keys_in(path)] == [second.split("_")[1]]
    assert path.read_text().startswith("# the clinic's keys\n{")


def test_nothing_is_written_into_a_file_that_is_wrong(path: Path) -> None:
    path.write_text("{\n")
    _, key = new_key(["triage"], NOW)
    with pytest.raises(ValueError, match="line 1"):
        add_key(path, key)
    assert path.read_text() == "{\n"


def test_two_who_add_at_once_both_do(path: Path) -> None:
    threads = [Thread(target=added, args=(path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys_in(path)) == 8
    assert all(json.loads(line)["scopes"] == ["triage"] for line in path.read_text().splitlines())
