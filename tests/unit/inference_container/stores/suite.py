"""What every object store here promises. One suite; each store runs it in a subclass that names what it lacks."""

import hashlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest

from inference_container.errors import ObjectChanged, ObjectMissing, ObjectRefused, ObjectTooLarge
from inference_container.stores.places import PROBE, Places
from inference_container.stores.ports import ObjectInfo, ObjectStore, RemovingStore
from serving.errors import DependencyFailed, SluiceError

T = TypeVar("T")

#: Names that nobody else has on a server that is given.
DATA, LOGS = "sluice-test-data", "sluice-test-logs"
PLACES = Places({DATA: ("",), LOGS: ("results/", "notes/")})
SIX_PIECES = bytes(range(256)) * 640 + b"tail"
#: Lacks that a subclass may name.
CONDITIONS, CONTENT_TYPE, NESTED_NAMES = "conditions", "content type", "nested names"


def at_once(number: int, act: Callable[[int], T]) -> list[T]:
    """What `act(0)` to `act(number - 1)` return, begun together by threads."""
    found: list[T] = []
    failed: list[BaseException] = []
    gate = threading.Barrier(number)

    def run(index: int) -> None:
        gate.wait(10)
        try:
            found.append(act(index))
        except BaseException as error:  # told below, on the thread of the test
            failed.append(error)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    if failed:
        raise failed[0]
    return found


class StoreSuite:
    lacks: ClassVar[frozenset[str]] = frozenset()
    #: What a key is refused with whose path leads through another object, where names can not nest.
    not_nested: ClassVar[type[SluiceError]] = ObjectRefused

    @pytest.fixture
    def store(self) -> ObjectStore:
        """Empty, with the buckets of `PLACES` made."""
        # No default: a suite that forgot its store would pass on nothing.
        raise NotImplementedError("a subclass brings its store")

    def refuses_conditions(self, store: ObjectStore) -> bool:
        """Whether this store has none; then it says so before it writes anything."""
        if CONDITIONS not in self.lacks:
            return False
        there = store.put(DATA, "there", b"mine")
        with pytest.raises(DependencyFailed):
            store.put_new(DATA, "there", b"theirs")
        with pytest.raises(DependencyFailed):
            store.put_new(DATA, "new", b"theirs")
        with pytest.raises(DependencyFailed):
            store.replace(DATA, "there", b"theirs", "0" * 32)
        info, content = store.get(DATA, "there", 10)
        assert (info.etag, content) == (there.etag, b"mine")
        assert [info.key for info in store.list(DATA, "")] == ["there"]
        return True

    def test_what_was_put_is_read_again(self, store: ObjectStore) -> None:
        put = store.put(DATA, "a/b.parquet", b"content", "application/vnd.apache.parquet")
        info, content = store.get(DATA, "a/b.parquet", 100)
        assert content == b"content"
        assert (info.bucket, info.key, info.size) == (DATA, "a/b.parquet", 7)
        assert (put.etag, put.size) == (info.etag, 7)
        assert store.stat(DATA, "a/b.parquet") == info
        assert datetime.now(UTC) - info.modified < timedelta(minutes=5)

    def test_an_object_may_be_empty(self, store: ObjectStore) -> None:
        store.put(DATA, "empty", b"")
        assert store.get(DATA, "empty", 0)[1] == b""
        with store.open(DATA, "empty") as opened:
            assert (opened.info.size, b"".join(opened.pieces)) == (0, b"")

    def test_a_content_type_is_kept(self, store: ObjectStore) -> None:
        store.put(DATA, "strange.csv", b"x", "application/x-strange")
        kept = "text/csv" if CONTENT_TYPE in self.lacks else "application/x-strange"
        assert store.stat(DATA, "strange.csv").content_type.split(";")[0] == kept

    def test_a_second_put_replaces_and_is_another_version(self, store: ObjectStore) -> None:
        first = store.put(DATA, "k", b"one")
        second = store.put(DATA, "k", b"two")
        assert first.etag != second.etag
        assert store.get(DATA, "k", 10)[1] == b"two"

    @pytest.mark.parametrize(
        "key", ["ä/ö/漢字.json", "with space/a+b=c&d?e#f%2e.txt", "emoji/🙂", "x" * 200, "-", "~a"]
    )
    def test_a_key_may_hold_any_sign_of_any_language(self, store: ObjectStore, key: str) -> None:
        store.put(DATA, key, key.encode())
        assert store.get(DATA, key, 1000)[1] == key.encode()
        assert [info.key for info in store.list(DATA, "")] == [key]

    def test_a_missing_object_or_bucket_is_told_as_such(self, store: ObjectStore, tmp_path: Path) -> None:
        store.put(DATA, "there", b"x")
        for key in ("absent", "absent/deeper", "there2"):
            with pytest.raises(ObjectMissing):
                store.stat(DATA, key)
            with pytest.raises(ObjectMissing):
                store.get(DATA, key, 10)
            with pytest.raises(ObjectMissing), store.open(DATA, key):
                pass
            with pytest.raises(ObjectMissing):
                store.fetch(DATA, key, tmp_path / "got" / "file")
        assert not any(path.is_file() for path in tmp_path.glob("got/*"))

    def test_more_than_the_caller_takes_is_refused_with_its_size(self, store: ObjectStore) -> None:
        store.put(DATA, "big", b"12345")
        with pytest.raises(ObjectTooLarge) as caught:
            store.get(DATA, "big", 4)
        assert caught.value.details == {"size": 5, "at_most": 4}
        assert store.get(DATA, "big", 5)[1] == b"12345"

    @pytest.mark.parametrize(
        ("start", "length"),
        [(0, None), (0, 1), (1, 1), (5, 40_000), (32_768, 32_768), (163_840, None), (163_843, 50), (9, 0)],
    )
    def test_any_part_is_read_in_pieces(self, store: ObjectStore, start: int, length: int | None) -> None:
        store.put(DATA, "long", SIX_PIECES)
        end = None if length is None else start + length
        with store.open(DATA, "long", start, length) as opened:
            pieces = list(opened.pieces)
            assert opened.info.size == len(SIX_PIECES)
        assert b"".join(pieces) == SIX_PIECES[start:end]
        assert all(0 < len(piece) <= 32 * 1024 for piece in pieces)

    @pytest.mark.parametrize("start", [4, 400])
    def test_behind_the_end_there_is_nothing(self, store: ObjectStore, start: int) -> None:
        store.put(DATA, "short", b"1234")
        with store.open(DATA, "short", start, 10) as opened:
            assert (opened.info.size, list(opened.pieces)) == (4, [])

    def test_a_reader_may_stop_in_the_middle(self, store: ObjectStore) -> None:
        store.put(DATA, "long", SIX_PIECES)
        for _ in range(20):  # more often than there are connections to lose
            with store.open(DATA, "long") as opened:
                assert 0 < len(next(opened.pieces)) <= 32 * 1024
        assert store.get(DATA, "long", len(SIX_PIECES))[1] == SIX_PIECES

    def test_a_version_that_is_gone_is_not_read(self, store: ObjectStore) -> None:
        old = store.put(DATA, "k", b"one")
        new = store.put(DATA, "k", b"two")
        with pytest.raises(ObjectChanged), store.open(DATA, "k", etag=old.etag):
            pass
        with store.open(DATA, "k", 1, 1, etag=new.etag) as opened:
            assert b"".join(opened.pieces) == b"w"

    def test_of_many_who_make_one_object_exactly_one_wins(self, store: ObjectStore) -> None:
        if self.refuses_conditions(store):
            return
        for round_ in range(3):
            key = f"locks/{round_}"
            contents = [f"writer {number}".encode() * 50 for number in range(8)]

            def make(number: int, key: str = key, contents: list[bytes] = contents) -> tuple[int, ObjectInfo | None]:
                return number, store.put_new(DATA, key, contents[number])

            won = [(number, info) for number, info in at_once(8, make) if info is not None]
            assert len(won) == 1
            number, info = won[0]
            assert store.get(DATA, key, 10_000) == (store.stat(DATA, key), contents[number])
            assert info.etag == store.stat(DATA, key).etag

    def test_what_is_there_is_never_made_anew(self, store: ObjectStore) -> None:
        if self.refuses_conditions(store):
            return
        assert store.put_new(DATA, "once", b"first") is not None
        assert store.put_new(DATA, "once", b"second") is None
        assert store.get(DATA, "once", 10)[1] == b"first"

    def test_of_many_who_replace_one_version_exactly_one_wins(self, store: ObjectStore) -> None:
        if self.refuses_conditions(store):
            return
        version = store.put(DATA, "pointer", b"start").etag

        def change(number: int) -> str | None:
            try:
                return store.replace(DATA, "pointer", f"value {number}".encode(), version).etag
            except ObjectChanged:
                return None

        won = [etag for etag in at_once(8, change) if etag is not None]
        assert won == [store.stat(DATA, "pointer").etag]

    def test_only_the_version_that_was_read_is_replaced(self, store: ObjectStore) -> None:
        if self.refuses_conditions(store):
            return
        old = store.put(DATA, "pointer", b"one")
        new = store.replace(DATA, "pointer", b"two", old.etag)
        with pytest.raises(ObjectChanged):
            store.replace(DATA, "pointer", b"three", old.etag)
        assert store.get(DATA, "pointer", 10) == (store.stat(DATA, "pointer"), b"two")
        assert new.etag == store.stat(DATA, "pointer").etag
        with pytest.raises(ObjectMissing):
            store.replace(DATA, "absent", b"x", new.etag)

    def test_a_listing_has_the_order_of_the_keys_and_can_go_on(self, store: ObjectStore) -> None:
        keys = ["a/b/1", "a/b/2", "a.x", "a/b.c", "b", "ab/1", "z/ü", "z/u"]
        for key in keys:
            store.put(DATA, key, key.encode())
        listed = list(store.list(DATA, ""))
        assert [info.key for info in listed] == sorted(keys)
        assert {info.key: info.etag for info in listed} == {key: store.stat(DATA, key).etag for key in keys}
        assert [info.size for info in listed] == [len(info.key.encode()) for info in listed]
        assert [info.key for info in store.list(DATA, "a/b")] == ["a/b.c", "a/b/1", "a/b/2"]
        assert [info.key for info in store.list(DATA, "a/b/")] == ["a/b/1", "a/b/2"]
        assert list(store.list(DATA, "nothing/")) == []
        assert [info.key for info in store.list(DATA, "", "a/b/1")] == ["a/b/2", "ab/1", "b", "z/u", "z/ü"]
        assert [info.key for info in store.list(DATA, "a/", "a/b")] == ["a/b.c", "a/b/1", "a/b/2"]

    def test_two_names_may_nest(self, store: ObjectStore) -> None:
        store.put(DATA, "a", b"short")
        if NESTED_NAMES in self.lacks:
            with pytest.raises(self.not_nested):
                store.put(DATA, "a/b", b"deep")
        else:
            store.put(DATA, "a/b", b"deep")
            assert store.get(DATA, "a/b", 10)[1] == b"deep"
        assert store.get(DATA, "a", 10)[1] == b"short"

    def test_a_download_is_whole_and_leaves_nothing_else(self, store: ObjectStore, tmp_path: Path) -> None:
        store.put(DATA, "bundle/weights", SIX_PIECES)
        got = tmp_path / "got"
        got.mkdir()
        (got / "weights").write_bytes(b"old")
        info = store.fetch(DATA, "bundle/weights", got / "weights")
        assert info == store.stat(DATA, "bundle/weights")
        assert hashlib.sha256((got / "weights").read_bytes()).digest() == hashlib.sha256(SIX_PIECES).digest()
        assert [path.name for path in got.iterdir()] == ["weights"]

    @pytest.mark.parametrize(
        ("bucket", "key"),
        [
            *((DATA, key) for key in ("", "/", "/abs", "a//b", "a/", "../x", "a/../../x", "./a", "a/.", "..", "a\\b")),
            *((DATA, key) for key in ("nul\0", "line\nfeed", "\x7f", "\udcff", "x" * 1025, "y/" + "x" * 256, PROBE)),
            *((LOGS, key) for key in ("secret", "result", "results", "notes/../secret", f"results/{PROBE}")),
            *((bucket, "k") for bucket in ("other", "", "..", ".sluice", f"{DATA}/../other", "Data", f"{DATA}\0")),
        ],
    )
    def test_nothing_outside_the_allowed_places_is_asked_for(self, store: ObjectStore, bucket: str, key: str) -> None:
        with pytest.raises(ObjectRefused):
            store.stat(bucket, key)
        with pytest.raises(ObjectRefused):
            store.put(bucket, key, b"x")
        with pytest.raises(ObjectRefused):
            store.put_new(bucket, key, b"x")
        with pytest.raises(ObjectRefused):
            store.replace(bucket, key, b"x", "0")
        with pytest.raises(ObjectRefused), store.open(bucket, key):
            pass
        with pytest.raises(ObjectRefused):
            store.get(bucket, key, 1)

    def test_a_listing_stays_inside_the_allowed_places(self, store: ObjectStore) -> None:
        store.put(LOGS, "results/1", b"x")
        store.put(LOGS, "notes/1", b"x")
        assert [info.key for info in store.list(LOGS, "results/")] == ["results/1"]
        for prefix in ("", "r", "results", "../", "other/"):
            with pytest.raises(ObjectRefused):
                store.list(LOGS, prefix)

    def test_what_was_removed_is_gone_and_may_be_removed_again(self, store: RemovingStore) -> None:
        store.put(DATA, "a/b", b"1")
        store.put(DATA, "a/c", b"2")
        for _ in range(2):
            store.remove(DATA, "a/b")
            with pytest.raises(ObjectMissing):
                store.stat(DATA, "a/b")
        assert [info.key for info in store.list(DATA, "")] == ["a/c"]
        store.put(DATA, "a/b", b"3")
        assert store.get(DATA, "a/b", 1)[1] == b"3"

    def test_nothing_outside_the_allowed_places_is_removed(self, store: RemovingStore) -> None:
        for bucket, key in ((LOGS, "elsewhere/a"), (DATA, "../a"), ("sluice-test-other", "a")):
            with pytest.raises(ObjectRefused):
                store.remove(bucket, key)

    def test_buckets_may_be_ensured_again(self, store: ObjectStore) -> None:
        store.put(DATA, "k", b"kept")
        store.ensure_buckets()
        assert store.get(DATA, "k", 10)[1] == b"kept"
