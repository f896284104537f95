"""What a restart finds on the disk, whatever happened to the disk and to the store."""

import os
import time
from pathlib import Path

import pytest

from inference_container.bundles.files import GOLDEN, MANIFEST, WEIGHTS
from inference_container.errors import BundleRefused, StoreUnavailable
from inference_container.promotion.cache import BundleCache
from inference_container.promotion.pointer import Pointer
from tests.unit.inference_container.promotion.house import BUNDLES, House
from tests.unit.inference_container.stores.suite import at_once


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return tmp_path / "disk"


@pytest.fixture
def cache(disk: Path) -> BundleCache:
    return BundleCache(disk, "default", BUNDLES)


def served(home: House, cache: BundleCache, seed: int) -> Pointer:
    pointer = home.promote(seed)
    cache.bring(home.store, pointer)
    cache.served(pointer)
    return pointer


def folders(disk: Path) -> list[str]:
    """Bundles that are kept, by their ids."""
    return sorted(each.name.partition("-")[0] for each in (disk / "for-default").iterdir() if each.is_dir())


def test_an_empty_disk_has_nothing_and_is_not_written(home: House, cache: BundleCache, disk: Path) -> None:
    assert cache.last_good() is None
    assert cache.find(home.promote(1)) is None
    assert not disk.exists()


def test_what_was_brought_is_whole_and_is_not_asked_for_again(home: House, cache: BundleCache) -> None:
    pointer = home.promote(1)
    place = cache.bring(home.store, pointer)
    assert {each.name for each in place.iterdir()} == {MANIFEST, WEIGHTS, GOLDEN}
    assert (place / WEIGHTS).read_bytes() == (home.bundle(1) / WEIGHTS).read_bytes()
    home.store.asked.clear()
    assert cache.bring(home.store, pointer) == place == cache.find(pointer)
    assert home.store.asked == []


def test_what_was_brought_is_not_good_before_it_has_served(home: House, cache: BundleCache) -> None:
    pointer = home.promote(1)
    place = cache.bring(home.store, pointer)
    assert cache.last_good() is None
    cache.served(pointer)
    assert cache.last_good() == (pointer, place)


def test_the_last_two_that_served_are_kept(home: House, cache: BundleCache, disk: Path) -> None:
    pointers = []
    for seed in (1, 2, 3):
        pointers.append(served(home, cache, seed))
        place = cache.find(pointers[-1])
        assert place is not None
        os.utime(place, (time.time() - 3600,) * 2)
    assert folders(disk) == sorted(each.bundle_id for each in pointers[1:])
    good = cache.last_good()
    assert good is not None
    assert good[0] == pointers[2]


def test_one_that_was_brought_just_now_is_left_for_who_is_about_to_serve_it(
    home: House, cache: BundleCache, disk: Path
) -> None:
    first, second = home.promote(1), home.promote(2)
    for pointer in (second, first):
        cache.bring(home.store, pointer)
    cache.served(first)  # by another process, which is behind
    assert folders(disk) == sorted([first.bundle_id, second.bundle_id])


def test_who_is_late_to_say_that_an_earlier_one_served_does_not_make_it_the_last(
    home: House, cache: BundleCache
) -> None:
    first, second = home.promote(1), home.promote(2)
    for pointer in (second, first):
        cache.bring(home.store, pointer)
        cache.served(pointer)
    good = cache.last_good()
    assert good is not None
    assert good[0] == second


def test_after_a_rollback_the_earlier_one_is_the_last(home: House, cache: BundleCache) -> None:
    first = served(home, cache, 1)
    served(home, cache, 2)
    back = home.promoter.rollback("default", "me").pointer
    cache.bring(home.store, back)
    cache.served(back)
    good = cache.last_good()
    assert good is not None
    assert (good[0], good[0].version) == (back, first.version)


@pytest.mark.parametrize("file", [MANIFEST, WEIGHTS, GOLDEN])
@pytest.mark.parametrize("content", [None, b"", b"short"])
def test_a_bundle_that_rotted_on_the_disk_is_passed_over_for_the_one_before(
    home: House, cache: BundleCache, file: str, content: bytes | None
) -> None:
    first, second = served(home, cache, 1), served(home, cache, 2)
    place = cache.find(second)
    assert place is not None
    if content is None:
        (place / file).unlink()
    else:
        (place / file).write_bytes(content)
    good = cache.last_good()
    assert good is not None
    assert good[0] == first
    assert cache.find(second) is None
    assert cache.bring(home.store, second) == place  # mended from the store
    assert cache.find(second) == place


@pytest.mark.parametrize("listed", [b"", b"{}", b"[{}]", b"null", b"\xff"])
def test_a_list_that_can_not_be_read_is_as_good_as_none(
    home: House, cache: BundleCache, disk: Path, listed: bytes
) -> None:
    pointer = served(home, cache, 1)
    (disk / "for-default" / "good.json").write_bytes(listed)
    assert cache.last_good() is None
    assert cache.find(pointer) is not None
    cache.served(pointer)
    assert cache.last_good() is not None


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (MANIFEST, b"{}", "not the one in the pointer"),
        (MANIFEST, None, "manifest.json of the bundle is not in the store"),
        (WEIGHTS, None, "model.safetensors of the bundle is not in the store"),
        (WEIGHTS, b"x" * 10_000_000, "10000000 bytes in the store"),
        (GOLDEN, b"", "golden.json has 0 bytes"),
    ],
)
def test_what_lies_in_the_store_and_is_not_what_the_pointer_names_leaves_nothing_behind(
    home: House, cache: BundleCache, disk: Path, file: str, content: bytes | None, said: str
) -> None:
    pointer = home.promote(1)
    home.spoil(pointer, file, content)
    with pytest.raises(BundleRefused, match=said):
        cache.bring(home.store, pointer)
    assert folders(disk) == []


def test_one_wrong_bit_is_seen(home: House, cache: BundleCache) -> None:
    pointer = home.promote(1)
    content = bytearray((home.bundle(1) / WEIGHTS).read_bytes())
    content[-1] ^= 1
    home.spoil(pointer, WEIGHTS, bytes(content))
    with pytest.raises(BundleRefused, match=r"sha256 of model\.safetensors"):
        cache.bring(home.store, pointer)


def test_a_pointer_to_another_bundles_manifest_is_refused(home: House, cache: BundleCache) -> None:
    first, second = home.promote(1), home.promote(2)
    mixed = Pointer(
        "default", first.bundle_id, second.bucket, second.prefix, second.manifest_sha256, second.promoted_at, "me"
    )
    with pytest.raises(BundleRefused, match="another bundle"):
        cache.bring(home.store, mixed)


def test_a_store_that_is_away_is_no_fault_of_the_bundle(home: House, cache: BundleCache) -> None:
    pointer = home.promote(1)
    home.store.down = True
    with pytest.raises(StoreUnavailable):
        cache.bring(home.store, pointer)


def test_several_who_bring_the_same_at_once_all_get_it(home: House, disk: Path) -> None:
    pointer = home.promote(1)
    found = at_once(4, lambda _: BundleCache(disk, "default", BUNDLES).bring(home.store, pointer))
    assert len(set(found)) == 1
    assert folders(disk) == [pointer.bundle_id]


def test_identifiers_keep_to_themselves(home: House, cache: BundleCache, disk: Path) -> None:
    served(home, cache, 1)
    assert BundleCache(disk, "other", BUNDLES).last_good() is None


def test_a_bundle_from_a_place_that_is_not_allowed_any_more_is_not_served(home: House, disk: Path) -> None:
    pointer = home.promote(1)
    cache = BundleCache(disk, "default", BUNDLES)
    cache.bring(home.store, pointer)
    cache.served(pointer)
    assert BundleCache(disk, "default", type(BUNDLES)({"elsewhere": ("",)})).last_good() is None


def test_what_a_killed_download_left_behind_is_removed_a_day_later(home: House, cache: BundleCache, disk: Path) -> None:
    served(home, cache, 1)
    fresh, old = disk / "for-default" / ".bringing-fresh", disk / "for-default" / ".bringing-old"
    for folder in (fresh, old):
        folder.mkdir()
    os.utime(old, (time.time() - 2 * 24 * 3600,) * 2)
    served(home, cache, 2)
    assert (fresh.exists(), old.exists()) == (True, False)


def test_a_refused_bundle_is_dropped(home: House, cache: BundleCache, disk: Path) -> None:
    pointer = home.promote(1)
    cache.bring(home.store, pointer)
    cache.drop(pointer)
    assert folders(disk) == []


def test_caches_that_say_so_at_once_lose_nothing_of_the_list(home: House, disk: Path) -> None:
    pointers = [home.promote(1), home.promote(2)]
    caches = [BundleCache(disk, "default", BUNDLES) for _ in range(4)]
    for pointer in pointers:
        caches[0].bring(home.store, pointer)
    at_once(4, lambda at: caches[at].served(pointers[at % 2]))
    good = caches[0].last_good()
    assert good is not None
    assert good[0] == pointers[1]
    assert folders(disk) == sorted(each.bundle_id for each in pointers)
