"""The file store: the suite of all stores, and what only files can get wrong."""

import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from inference_container.errors import ObjectMissing, ObjectRefused
from inference_container.stores.files import FileStore
from inference_container.stores.places import Places
from inference_container.stores.ports import ObjectStore
from serving.errors import DependencyFailed, SluiceError
from tests.unit.inference_container.stores.suite import CONTENT_TYPE, DATA, LOGS, NESTED_NAMES, PLACES, StoreSuite


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def files(root: Path) -> Iterator[FileStore]:
    store = FileStore(root, PLACES)
    store.ensure_buckets()
    yield store
    store.close()


class TestFileStore(StoreSuite):
    lacks: ClassVar = frozenset({CONTENT_TYPE, NESTED_NAMES})

    @override
    @pytest.fixture
    def store(self, files: FileStore) -> ObjectStore:
        return files


def _make_once(root: Path, number: int, gate: "multiprocessing.synchronize.Barrier") -> None:
    store = FileStore(root, PLACES)
    gate.wait(20)
    won = store.put_new(DATA, "claimed", f"process {number}".encode()) is not None
    version = store.stat(DATA, "pointer").etag
    gate.wait(20)
    try:
        store.replace(DATA, "pointer", str(number).encode(), version)
        replaced = True
    except SluiceError:
        replaced = False
    os._exit(won + 2 * replaced)


def test_of_many_processes_exactly_one_wins(root: Path, files: FileStore) -> None:
    files.put(DATA, "pointer", b"start")
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(4)
    processes = [context.Process(target=_make_once, args=(root, number, gate)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    codes = [process.exitcode or 0 for process in processes]
    assert [sum(code & 1 for code in codes), sum(code >> 1 for code in codes)] == [1, 1]


def test_a_link_is_never_followed_out_of_the_folder(root: Path, files: FileStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / DATA / "file").symlink_to(outside / "secret")
    (root / DATA / "folder").symlink_to(outside)
    for key in ("file", "folder/secret", "folder"):
        with pytest.raises(ObjectMissing):
            files.get(DATA, key, 100)
    assert list(files.list(DATA, "")) == []
    for key in ("folder/secret", "folder/new"):
        with pytest.raises(ObjectRefused):
            files.put(DATA, key, b"x")
        with pytest.raises(ObjectRefused):
            files.put_new(DATA, key, b"x")
    with pytest.raises(ObjectRefused):
        files.put_new(DATA, "file", b"x")
    files.put(DATA, "file", b"mine")  # takes the place of the link
    assert files.get(DATA, "file", 10)[1] == b"mine"
    assert [(path.name, path.read_bytes()) for path in outside.iterdir()] == [("secret", b"secret")]


def test_a_bucket_that_is_a_link_holds_nothing(root: Path, files: FileStore, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "k").write_bytes(b"x")
    (root / LOGS).rmdir()
    (root / LOGS).symlink_to(tmp_path / "other")
    with pytest.raises(ObjectMissing):
        list(files.list(LOGS, "results/"))
    with pytest.raises(ObjectMissing):
        files.stat(LOGS, "results/k")


def test_a_fifo_holds_nobody(root: Path, files: FileStore) -> None:
    os.mkfifo(root / DATA / "pipe")
    with pytest.raises(ObjectMissing):
        files.get(DATA, "pipe", 10)
    assert list(files.list(DATA, "")) == []


def test_a_write_that_fails_leaves_what_was_there_and_no_litter(
    root: Path, files: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.put(DATA, "k", b"old")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for write in (files.put, files.put_new):
        with pytest.raises(DependencyFailed) as caught:
            write(DATA, "k", b"new")
        assert caught.value.details == {"reason": "ENOSPC"}
        assert caught.value.code == "store_unavailable"
    monkeypatch.undo()
    assert files.get(DATA, "k", 10)[1] == b"old"
    assert [path.name for path in (root / ".sluice").iterdir() if path.suffix != ".lock"] == []


def test_no_write_makes_a_bucket(root: Path) -> None:
    store = FileStore(root, PLACES)
    with pytest.raises(DependencyFailed):
        store.put(DATA, "k", b"x")
    assert not (root / DATA).exists()
    store.close()


def test_two_writes_of_one_size_are_two_versions_whatever_the_clock_says(
    files: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_700_000_000_000_000_000)
    etags = [files.put(DATA, "k", content).etag for content in (b"one", b"two", b"six")]
    assert len(set(etags)) == 3


def test_a_file_that_was_put_there_by_hand_is_an_object(root: Path, files: FileStore) -> None:
    (root / DATA / "mine.CSV").write_bytes(b"a,b\n")
    info, content = files.get(DATA, "mine.CSV", 10)
    assert (info.content_type, content) == ("text/csv", b"a,b\n")


@given(key=st.text("ab../\\\\% \0é", max_size=12), bucket=st.text(max_size=4))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_key_ever_leads_out_of_the_folder(root: Path, files: FileStore, key: str, bucket: str) -> None:
    for place in (DATA, bucket):
        try:
            files.put(place, key, b"x")
        except ObjectRefused:
            continue
        assert place == DATA
        assert (root / DATA / key).resolve().is_relative_to((root / DATA).resolve())
    assert {path.name for path in root.parent.iterdir()} == {"objects"}
    assert {path.name for path in root.iterdir()} <= {".sluice", DATA, LOGS}


def test_places_are_read_from_what_an_operator_writes() -> None:
    assert Places.read(" data, logs/results/ ,logs/notes/x,") == Places(
        {"data": ("",), "logs": ("results/", "notes/x")}
    )
    assert Places.read("").buckets == {}
    for wrong in ("Data", "a", "data/../x", "data//", "-a-", "data/a/../b", "logs/\x01"):
        with pytest.raises(ValueError, match=r"bucket|data|logs"):
            Places.read(wrong)
