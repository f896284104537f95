"""One change of the pointer, or none: promote, roll back, and several who do it at once."""

import hashlib
import itertools
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from inference_container.bundles.files import GOLDEN, MANIFEST, WEIGHTS
from inference_container.errors import BundleRefused, PromotionRefused, StoreUnavailable
from inference_container.promotion.pointer import Pointer, pointer_key
from inference_container.promotion.promote import Baseline, Change, Promoter
from inference_container.promotion.shelf import Found, PointerShelf
from inference_container.stores.ports import ObjectInfo
from serving.errors import SluiceError
from tests.fakes.clock import ManualClock
from tests.unit.inference_container.bundles.samples import edit_manifest, reseal
from tests.unit.inference_container.promotion.house import BUNDLES, MODELS, POINTERS, House, Store, house, id_of
from tests.unit.inference_container.stores.suite import at_once


def standing(home: House, identifier: str = "default") -> Pointer:
    found = home.shelf.read(identifier)
    assert found is not None
    assert isinstance(found.pointer, Pointer)
    return found.pointer


def history(home: House) -> list[str]:
    """Bundles, the first one first."""
    return [each.bundle_id for each in home.shelf.latest("default")][::-1]


def keys(home: House, bucket: str = MODELS) -> list[str]:
    return [info.key for info in home.store.list(bucket, "")]


def test_files_lie_under_the_bundles_hash_and_the_pointer_names_them(home: House) -> None:
    bundle = home.bundle(1)
    change = home.promoter.promote(bundle, "default", "me@here")
    prefix = f"sample/{id_of(bundle)}/"
    assert keys(home) == sorted(f"{prefix}{name}" for name in (GOLDEN, MANIFEST, WEIGHTS))
    manifest = (bundle / MANIFEST).read_bytes()
    assert standing(home) == change.pointer
    assert change.pointer == Pointer(
        "default",
        id_of(bundle),
        MODELS,
        prefix,
        hashlib.sha256(manifest).hexdigest(),
        change.pointer.promoted_at,
        "me@here",
        None,
        orjson.loads(manifest)["metrics"] | {"targets": change.pointer.metrics["targets"]},  # type: ignore[index]
    )
    assert change.before is None
    assert home.announced == [change.pointer]


def test_the_pointer_comes_after_the_files_and_the_event_after_the_pointer(home: House, tmp_path: Path) -> None:
    steps: list[str] = []

    class Told(Store):
        @override
        def put_new(self, bucket: str, key: str, content: bytes, content_type: str = "") -> ObjectInfo | None:
            steps.append(key.rpartition("/")[2] if bucket == MODELS else key.split("/")[1])
            return super().put_new(bucket, key, content)

    store = Told(tmp_path / "told")
    shelf = PointerShelf(store, POINTERS, BUNDLES)
    promoter = Promoter(store, shelf, MODELS, ManualClock(), lambda pointer: steps.append("event"))
    promoter.promote(home.bundle(1), "default", "me")
    assert steps == [GOLDEN, WEIGHTS, MANIFEST, "current.json", "history", "event"]
    store.close()


def test_each_promotion_names_the_one_before(home: House) -> None:
    promoted = [home.promote(seed) for seed in (1, 2, 3)]
    assert [each.previous_bundle_id for each in promoted] == [None, promoted[0].bundle_id, promoted[1].bundle_id]
    assert history(home) == [each.bundle_id for each in promoted]


def test_files_that_are_there_are_not_written_again(home: House) -> None:
    home.promote(1)
    before = {info.key: info.etag for info in home.store.list(MODELS, "")}
    change = home.promoter.promote(home.bundle(1), "other", "me")
    assert change.uploaded == ()
    assert {info.key: info.etag for info in home.store.list(MODELS, "")} == before
    assert standing(home, "other").bundle_id == standing(home).bundle_id


def test_to_promote_once_more_what_is_served_keeps_what_a_rollback_goes_back_to(home: House) -> None:
    first, second = home.promote(1), home.promote(2)
    again = home.promote(2)
    assert (again.bundle_id, again.previous_bundle_id) == (second.bundle_id, first.bundle_id)
    assert again.promoted_at > second.promoted_at


def test_a_missing_file_is_put_back_by_promoting_again(home: House) -> None:
    pointer = home.promote(1)
    home.spoil(pointer, WEIGHTS, None)
    change = home.promoter.promote(home.bundle(1), "default", "me")
    assert change.uploaded == (pointer.key_of(WEIGHTS),)


def test_other_bytes_under_the_bundles_hash_are_an_error_and_the_pointer_stays(home: House) -> None:
    first, second = home.promote(1), home.promote(2)
    home.spoil(first, WEIGHTS, b"other")
    with pytest.raises(PromotionRefused, match="other bytes"):
        home.promote(1)
    assert standing(home) == second
    assert home.store.path(MODELS, first.key_of(WEIGHTS)).read_bytes() == b"other"


def test_the_same_files_with_another_manifest_need_another_name(home: House) -> None:
    first = home.promote(1)
    changed = home.bundle(1)
    edit_manifest(changed, lambda manifest: manifest.update(created_at="2025-06-01T00:00:00Z"))
    with pytest.raises(PromotionRefused, match="another name"):
        home.promote(1)
    edit_manifest(changed, lambda manifest: manifest.update(name="sample-b"))
    again = home.promote(1)
    assert again.bundle_id == first.bundle_id
    assert again.manifest_sha256 != first.manifest_sha256


@pytest.mark.parametrize("damage", ["manifest", "weights", "golden"])
def test_a_bundle_that_is_not_in_order_writes_nothing_at_all(home: House, damage: str) -> None:
    bundle = home.bundle(1)
    if damage == "manifest":
        edit_manifest(bundle, lambda manifest: manifest.update(surprise=1))
    elif damage == "weights":
        (bundle / WEIGHTS).write_bytes((bundle / WEIGHTS).read_bytes()[:-1] + b"\x00")
    else:
        golden = orjson.loads((bundle / GOLDEN).read_bytes())
        golden["windows"][0]["expected"]["load"][0] += 5.0
        (bundle / GOLDEN).write_bytes(orjson.dumps(golden))
        reseal(bundle)
    with pytest.raises(BundleRefused):
        home.promoter.promote(bundle, "default", "me")
    assert keys(home) == keys(home, POINTERS) == []
    assert home.announced == []


@pytest.mark.parametrize(
    ("rmse", "beats", "passes"),
    [
        (1.9, "persistence", True),
        (2.0, "persistence", False),
        (2.5, "persistence", False),
        (2.5, "seasonal-naive", True),
        (2.5, None, True),
    ],
)
def test_the_gate_asks_for_less_error_than_the_baseline(
    home: House, rmse: float, beats: Baseline | None, passes: bool
) -> None:
    bundle = home.bundle(1, rmse=rmse)
    if passes:
        home.promoter.promote(bundle, "default", "me", beats)
        return
    with pytest.raises(PromotionRefused, match=r"rmse .*not below 2"):
        home.promoter.promote(bundle, "default", "me", beats)
    assert keys(home) == keys(home, POINTERS) == []


def test_a_bundle_without_scores_does_not_pass_the_gate(home: House) -> None:
    bundle = home.bundle(1)

    def imported(manifest: dict[str, object]) -> None:
        del manifest["training"], manifest["metrics"]
        manifest["imported"] = {"arrays_sha256": "1" * 64, "spec_sha256": "2" * 64, "cli": "x", "versions": {}}

    edit_manifest(bundle, imported)
    with pytest.raises(PromotionRefused, match="no scores"):
        home.promoter.promote(bundle, "default", "me", "persistence")
    assert home.promoter.promote(bundle, "default", "me").pointer.metrics is None


def test_a_rollback_serves_the_one_before_and_another_one_the_later_again(home: House) -> None:
    first, second = home.promote(1), home.promote(2)
    back = home.promoter.rollback("default", "me").pointer
    assert back.version == first.version
    assert (back.prefix, back.metrics) == (first.prefix, first.metrics)
    assert back.previous_bundle_id == second.bundle_id
    assert home.promoter.rollback("default", "me").pointer.version == second.version
    assert history(home) == [first.bundle_id, second.bundle_id, first.bundle_id, second.bundle_id]
    assert len(home.announced) == 4


def test_without_a_bundle_before_there_is_nothing_to_go_back_to(home: House) -> None:
    with pytest.raises(PromotionRefused, match="nothing to go back to"):
        home.promoter.rollback("default", "me")
    first = home.promote(1)
    with pytest.raises(PromotionRefused, match="nothing to go back to"):
        home.promoter.rollback("default", "me")
    assert standing(home) == first


@pytest.mark.parametrize(("file", "content"), [(WEIGHTS, None), (WEIGHTS, b"x"), (MANIFEST, b"{}"), (MANIFEST, None)])
def test_a_rollback_to_what_is_not_whole_any_more_changes_nothing(
    home: House, file: str, content: bytes | None
) -> None:
    first, second = home.promote(1), home.promote(2)
    home.spoil(first, file, content)
    with pytest.raises(BundleRefused):
        home.promoter.rollback("default", "me")
    assert standing(home) == second


def test_whoever_comes_too_late_hears_who_was_faster_and_changes_nothing(home: House) -> None:
    home.promote(1)

    class Slow(PointerShelf):
        @override
        def read(self, identifier: str) -> Found | None:
            found = super().read(identifier)
            if home.announced[-1].promoted_by == "tester":  # between reading and writing
                home.promoter.promote(home.bundle(2), "default", "faster@there")
            return found

    late = Promoter(home.store, Slow(home.store, POINTERS, BUNDLES), MODELS, ManualClock())
    with pytest.raises(PromotionRefused, match=r"faster@there promoted .* meanwhile") as caught:
        late.promote(home.bundle(3), "default", "slower@here")
    assert id_of(home.bundle(2)) in caught.value.message
    assert standing(home).promoted_by == "faster@there"
    assert history(home) == [id_of(home.bundle(seed)) for seed in (1, 2)]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4, unique=True), st.booleans())
def test_of_those_who_promote_at_once_exactly_one_always_wins(
    tmp_path_factory: pytest.TempPathFactory, seeds: list[int], fresh: bool
) -> None:
    with house(tmp_path_factory.mktemp("race")) as home:
        if not fresh:
            home.promote(5)
        before = home.shelf.read("default")

        class Same(PointerShelf):
            """All have seen the same before any of them writes."""

            first = True

            @override
            def read(self, identifier: str) -> Found | None:
                self.first, was = False, self.first
                return before if was else super().read(identifier)

        bundles = [home.bundle(seed) for seed in seeds]

        def act(index: int) -> Change | SluiceError:
            shelf = Same(home.store, POINTERS, BUNDLES)
            try:
                return Promoter(home.store, shelf, MODELS, ManualClock()).promote(
                    bundles[index], "default", f"p{index}"
                )
            except PromotionRefused as error:
                return error

        outcomes = at_once(len(seeds), act)
        (winner,) = [each for each in outcomes if isinstance(each, Change)]
        assert standing(home) == winner.pointer
        lost = [each.message for each in outcomes if isinstance(each, PromotionRefused)]
        assert len(lost) == len(seeds) - 1
        assert all(f"{winner.pointer.promoted_by} promoted {winner.pointer.bundle_id}" in each for each in lost)
        first = [] if fresh else [id_of(home.bundle(5))]
        assert history(home) == [*first, winner.pointer.bundle_id]


def test_promotions_that_try_until_they_win_are_all_in_the_history_each_after_the_one_it_names(home: House) -> None:
    bundles = [home.bundle(seed) for seed in (1, 2, 3)]

    def act(index: int) -> list[Pointer]:
        won: list[Pointer] = []
        while len(won) < 4:
            try:
                won.append(home.promoter.promote(bundles[index], "default", f"p{index}").pointer)
            except PromotionRefused:
                continue
        return won

    won = sorted((each for some in at_once(3, act) for each in some), key=lambda each: each.promoted_at)
    assert list(home.shelf.latest("default"))[::-1] == won
    for before, after in itertools.pairwise(won):
        same = before.bundle_id == after.bundle_id
        assert after.previous_bundle_id == (before.previous_bundle_id if same else before.bundle_id)


def test_a_clock_that_goes_back_does_not_bring_the_history_out_of_order(home: House) -> None:
    first = home.promote(1)
    behind = Promoter(home.store, home.shelf, MODELS, ManualClock())  # stands where the other one began
    second = behind.promote(home.bundle(2), "default", "me").pointer
    third = behind.promote(home.bundle(3), "default", "me").pointer
    assert first.promoted_at < second.promoted_at < third.promoted_at
    assert history(home) == [each.bundle_id for each in (first, second, third)]


def test_an_answer_that_got_lost_after_the_write_is_no_lost_race(home: House, tmp_path: Path) -> None:
    first = home.promote(1)

    class Deaf(Store):
        @override
        def replace(self, bucket: str, key: str, content: bytes, etag: str) -> ObjectInfo:
            super().replace(bucket, key, content, etag)
            return super().replace(bucket, key, content, etag)  # as the client does when it hears nothing

    store = Deaf(home.store.root)
    promoter = Promoter(store, PointerShelf(store, POINTERS, BUNDLES), MODELS, ManualClock())
    change = promoter.promote(home.bundle(2), "default", "me")
    assert standing(home) == change.pointer
    assert history(home) == [first.bundle_id, change.pointer.bundle_id]
    store.close()


def test_a_crash_before_the_history_was_written_is_made_good_by_the_next_promotion(home: House) -> None:
    first = home.promote(1)
    home.store.path(POINTERS, next(key for key in keys(home, POINTERS) if "history" in key)).unlink()
    assert history(home) == []
    second = home.promote(2)
    assert history(home) == [first.bundle_id, second.bundle_id]
    assert home.promoter.rollback("default", "me").pointer.version == first.version


@pytest.mark.parametrize("old", [b'{"run_id": "1", "model_uri": "runs:/1/GRU"}', b"\x00garbage"])
def test_what_stood_in_the_pointers_place_and_was_none_is_replaced_and_kept(home: House, old: bytes) -> None:
    home.write_pointer(old)
    pointer = home.promote(1)
    assert pointer.previous_bundle_id is None
    assert standing(home) == pointer
    kept = [key for key in keys(home, POINTERS) if "replaced" in key]
    assert [home.store.path(POINTERS, key).read_bytes() for key in kept] == [old]


def test_a_pointer_that_was_overwritten_by_something_else_is_not_forgotten(home: House) -> None:
    first, second = home.promote(1), home.promote(2)
    home.write_pointer(b'{"run_id": "1"}')
    back = home.promoter.rollback("default", "me").pointer
    assert (back.version, back.previous_bundle_id) == (second.version, first.bundle_id)
    home.write_pointer(b'{"run_id": "2"}')
    third = home.promote(3)
    assert third.previous_bundle_id == second.bundle_id
    assert third.promoted_at > back.promoted_at > second.promoted_at


def test_a_store_that_is_away_changes_nothing(home: House) -> None:
    first = home.promote(1)
    home.store.down = True
    with pytest.raises(StoreUnavailable):
        home.promote(2)
    home.store.down = False
    assert standing(home) == first


def test_identifiers_do_not_know_of_each_other(home: House) -> None:
    first, other = home.promote(1), home.promote(2, "other")
    assert (standing(home), standing(home, "other")) == (first, other)
    assert other.previous_bundle_id is None
    assert pointer_key("other") in keys(home, POINTERS)
