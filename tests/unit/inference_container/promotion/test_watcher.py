"""A replica follows the pointer, and goes on with what it has when there is nothing to follow."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from inference_container.bundles.files import GOLDEN, MANIFEST, WEIGHTS
from inference_container.promotion.pointer import Pointer, pointer_key
from inference_container.promotion.promote import Promoter
from inference_container.stores.places import Places
from serving.clock import SystemClock
from serving.events import FIELDS
from serving.lifecycle import State
from tests.unit.inference_container.bundles.samples import reseal
from tests.unit.inference_container.promotion.house import MODELS, POINTERS, House, Replica, id_of, started
from tests.unit.inference_container.promotion.test_pointer import OLD, form
from tests.unit.until import until

pytestmark = pytest.mark.anyio


class Told(logging.Handler):
    """Events that were logged, by name, with their fields."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, dict[str, object]]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append((record.getMessage(), getattr(record, FIELDS, {})))

    def of(self, name: str) -> list[dict[str, object]]:
        return [fields for told, fields in self.events if told == name]


@pytest.fixture(autouse=True)
def _made(home: House) -> None:
    """Bundles are made before the loop runs, which they would block."""
    for seed in (1, 2, 3):
        home.bundle(seed)


@pytest.fixture
def told() -> Iterator[Told]:
    handler, logger = Told(), logging.getLogger("inference_container")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)


def promote_broken(home: House, seed: int) -> Pointer:
    """A promoted bundle whose files are whole and whose forecasts are not those it recorded."""
    bundle = home.bundle(seed)
    golden = orjson.loads((bundle / GOLDEN).read_bytes())
    golden["windows"][0]["expected"]["load"][0] += 5.0
    (bundle / GOLDEN).write_bytes(orjson.dumps(golden))
    reseal(bundle)
    with pytest.MonkeyPatch.context() as patch:  # a careless promoter
        patch.setattr("inference_container.promotion.promote.open_inferencer", lambda loaded: None)
        return home.promote(seed)


async def test_a_new_pointer_is_followed_at_the_next_look(home: House, told: Told) -> None:
    async with home.replica(home.bundle(1)) as replica:
        assert await started(replica) == home.bundle(1)
        pointer = await asyncio.to_thread(home.promote, 2)
        async with replica.watcher:
            await until(lambda: replica.served == pointer.bundle_id)
            second = await asyncio.to_thread(home.promote, 3)
            await asyncio.sleep(0.02)
            assert replica.served == pointer.bundle_id
            replica.clock.turn(30.0)
            await until(lambda: replica.served == second.bundle_id)
    assert [each["bundle_id"] for each in told.of("promotion_active")] == [pointer.bundle_id, second.bundle_id]


async def test_a_hint_from_any_thread_makes_it_look_at_once(home: House, told: Told) -> None:
    async with home.replica(home.bundle(1)) as replica:
        await started(replica)
        async with replica.watcher:
            pointer = await asyncio.to_thread(home.promote, 2)
            thread = threading.Thread(target=replica.watcher.hint)
            thread.start()
            await until(lambda: replica.served == pointer.bundle_id)
            replica.watcher.hint()
            await until(lambda: told.of("promotion_already_active") == [{"bundle_id": pointer.bundle_id}])
            thread.join()
    replica.watcher.hint()  # a late one harms nobody


async def test_a_pointer_that_stays_costs_one_question(home: House) -> None:
    await asyncio.to_thread(home.promote, 2)
    async with home.replica() as replica:
        await started(replica)
        await replica.watcher.look()
        home.store.asked.clear()
        await replica.watcher.look()
        assert home.store.asked == [f"stat {POINTERS}/{pointer_key('default')}"]


async def test_the_first_bundle_is_the_promoted_one(home: House, told: Told) -> None:
    pointer = await asyncio.to_thread(home.promote, 2)
    async with home.replica(home.bundle(1)) as replica:
        first = await started(replica)
        assert first is not None
        assert id_of(first) == replica.served == pointer.bundle_id
        generations = replica.switch.statistics()
        await replica.watcher.look()
        assert replica.switch.statistics() == generations
    assert told.of("promotion_active") == [{"bundle_id": pointer.bundle_id, "source": "pointer"}]


async def test_what_is_being_loaded_is_not_loaded_a_second_time(home: House, told: Told) -> None:
    await asyncio.to_thread(home.promote, 2)
    async with home.replica() as replica:
        assert await replica.watcher.first() is not None
        await replica.watcher.look()  # before the switch has begun
        assert replica.served is None
        replica.clock.turn(61.0)  # nobody did load it
        await replica.watcher.look()
        assert replica.served is not None


async def test_it_looks_again_soon_while_nothing_is_served(home: House, told: Told) -> None:
    pointer = await asyncio.to_thread(home.promote, 2)
    async with home.replica() as replica:
        first = await replica.watcher.first()
        assert first is not None
        async with replica.watcher:
            await asyncio.sleep(0.02)  # it has looked, and found that the bundle is being loaded
            await replica.switch.serve(first)
            await until(lambda: replica.served == pointer.bundle_id)
            replica.clock.turn(1.0)
            await until(lambda: bool(told.of("promotion_active")))
            await until((home.folder / "disk" / "for-default" / "good.json").exists)


async def test_where_nothing_was_ever_promoted_bundle_path_serves(home: House, told: Told) -> None:
    async with home.replica(home.bundle(1)) as replica:
        assert await started(replica) == home.bundle(1)
        await replica.watcher.look()
        assert replica.served == id_of(home.bundle(1))
    assert told.of("promotion_active") == told.of("promotion_refused") == []


async def test_a_restart_while_the_store_is_away_serves_what_served_last(home: House, told: Told) -> None:
    pointer = await asyncio.to_thread(home.promote, 2)
    async with home.replica(home.bundle(1)) as replica:
        await started(replica)
        await replica.watcher.look()
    home.store.down = True
    async with home.replica(home.bundle(1)) as replica:
        await started(replica)
        await replica.watcher.look()
        assert replica.served == pointer.bundle_id
        assert replica.life.state is State.READY
        home.store.down = False
        second = await asyncio.to_thread(home.promote, 3)
        await replica.watcher.look()
        assert replica.served == second.bundle_id
    sources = [(each["bundle_id"], each["source"]) for each in told.of("promotion_active")]
    assert sources == [(pointer.bundle_id, "pointer"), (pointer.bundle_id, "disk"), (second.bundle_id, "pointer")]


async def test_without_store_and_disk_nothing_is_served_until_the_store_answers(home: House) -> None:
    pointer = await asyncio.to_thread(home.promote, 2)
    home.store.down = True
    async with home.replica(home.bundle(1)) as replica:
        assert await started(replica) is None
        await replica.watcher.look()
        assert replica.served is None
        home.store.down = False
        await replica.watcher.look()
        assert replica.served == pointer.bundle_id


async def test_an_outage_at_the_start_of_one_that_was_never_promoted_ends_with_bundle_path(home: House) -> None:
    home.store.down = True
    async with home.replica(home.bundle(1)) as replica:
        assert await started(replica) is None
        home.store.down = False
        await replica.watcher.look()
        assert replica.served == id_of(home.bundle(1))


async def test_a_store_that_hangs_does_not_hold_the_start(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await asyncio.to_thread(home.promote, 2)
    async with home.replica() as replica:
        await started(replica)
        await replica.watcher.look()
    released = threading.Event()
    monkeypatch.setattr(home.shelf, "read", lambda identifier: released.wait(10))
    async with home.replica() as replica:
        monkeypatch.setattr(replica.watcher, "_first_wait_s", 0.05)
        assert await replica.watcher.first() is not None
        released.set()


@pytest.mark.parametrize(("file", "content"), [(WEIGHTS, b"x"), (WEIGHTS, None), (MANIFEST, b"{}"), (GOLDEN, b"")])
async def test_a_corrupt_bundle_is_refused_once_and_the_old_one_goes_on(
    home: House, told: Told, file: str, content: bytes | None
) -> None:
    first = await asyncio.to_thread(home.promote, 1)
    async with home.replica() as replica:
        await started(replica)
        second = await asyncio.to_thread(home.promote, 2)
        home.spoil(second, file, content)
        for _ in range(3):
            await replica.watcher.look()
        assert replica.served == first.bundle_id
        (refused,) = told.of("promotion_refused")
        assert (refused["reason"], refused["bundle_id"]) == ("bundle_refused", second.bundle_id)
        assert len(told.of("model_rejected")) == 1
        (letter,) = replica.letters.sent
        assert (letter.key, letter.value) == (b"default", second.encode())
        assert (letter.why.reason, letter.loading) == ("bundle_refused", True)
        assert letter.source == f"model-selected-pointer-{second.bundle_id}"
        third = await asyncio.to_thread(home.promote, 3)
        await replica.watcher.look()
        assert replica.served == third.bundle_id


async def test_a_bundle_that_does_not_forecast_what_it_recorded_is_refused_once(home: House, told: Told) -> None:
    first = await asyncio.to_thread(home.promote, 1)
    async with home.replica() as replica:
        await started(replica)
        broken = await asyncio.to_thread(promote_broken, home, 2)
        for _ in range(3):
            await replica.watcher.look()
        assert replica.served == first.bundle_id
        assert len(told.of("model_rejected")) == 1
        assert [each["reason"] for each in told.of("promotion_refused")] == ["golden_mismatch"]
        assert [each.source for each in replica.letters.sent] == [f"model-selected-pointer-{broken.bundle_id}"]
        assert await asyncio.to_thread(replica.cache.find, broken) is None


async def test_a_refused_bundle_that_was_put_right_and_promoted_again_is_served(home: House) -> None:
    await asyncio.to_thread(home.promote, 1)
    async with home.replica() as replica:
        await started(replica)
        second = await asyncio.to_thread(home.promote, 2)
        home.spoil(second, WEIGHTS, None)
        await replica.watcher.look()
        await asyncio.to_thread(home.promote, 2)
        await replica.watcher.look()
        assert replica.served == second.bundle_id


@pytest.mark.parametrize("broken", ["files", "forecasts"])
async def test_a_restart_with_a_refused_bundle_serves_what_served_last_on_this_disk(home: House, broken: str) -> None:
    first = await asyncio.to_thread(home.promote, 1)
    async with home.replica() as replica:
        await started(replica)
        await replica.watcher.look()
    if broken == "files":
        home.spoil(await asyncio.to_thread(home.promote, 2), WEIGHTS, b"x")
    else:
        await asyncio.to_thread(promote_broken, home, 2)
    async with home.replica(home.bundle(3)) as replica:
        await started(replica)
        await replica.watcher.look()
        assert replica.served == first.bundle_id
        assert replica.life.state is State.READY
        assert len(replica.letters.sent) == 1


@pytest.mark.parametrize("broken", ["files", "forecasts"])
async def test_a_fresh_machine_with_a_refused_bundle_serves_what_was_promoted_before(
    home: House, told: Told, broken: str
) -> None:
    first = await asyncio.to_thread(home.promote, 1)
    if broken == "files":
        home.spoil(await asyncio.to_thread(home.promote, 2), WEIGHTS, b"x")
    else:
        await asyncio.to_thread(promote_broken, home, 2)
    async with home.replica(home.bundle(3)) as replica:
        await started(replica)
        await replica.watcher.look()
        assert replica.served == first.bundle_id
    assert told.of("promotion_active") == [{"bundle_id": first.bundle_id, "source": "history"}]


async def test_the_first_bundle_ever_promoted_being_refused_serves_nothing_rather_than_bundle_path(
    home: House, told: Told
) -> None:
    home.spoil(await asyncio.to_thread(home.promote, 2), WEIGHTS, b"x")
    async with home.replica(home.bundle(1)) as replica:
        assert await started(replica) is None
        for _ in range(3):
            await replica.watcher.look()
        assert replica.served is None
    assert len(told.of("promotion_refused")) == 1
    assert len(told.of("model_rejected")) == 1


@pytest.mark.parametrize("old", [OLD, form(OLD)])
async def test_a_pointer_of_old_is_refused_with_its_reason_and_what_served_goes_on(
    home: House, told: Told, old: bytes
) -> None:
    first = await asyncio.to_thread(home.promote, 1)
    async with home.replica(home.bundle(3)) as replica:
        await started(replica)
        await asyncio.to_thread(home.write_pointer, old)
        for _ in range(3):
            await replica.watcher.look()
        assert replica.served == first.bundle_id
    (refused,) = told.of("promotion_refused")
    assert refused["reason"] == "no_bundle_id"
    for disk in ("disk", "another"):  # neither here nor on a fresh machine does a restart change what is served
        async with home.replica(home.bundle(3), disk) as replica:
            await started(replica)
            await replica.watcher.look()
            assert replica.served == first.bundle_id


@pytest.mark.parametrize("old", [OLD, form(OLD)])
async def test_a_pointer_of_old_where_nothing_was_promoted_since_leaves_bundle_path(
    home: House, told: Told, old: bytes
) -> None:
    await asyncio.to_thread(home.write_pointer, old)
    async with home.replica(home.bundle(1)) as replica:
        assert await started(replica) == home.bundle(1)
        await replica.watcher.look()
        assert replica.served == id_of(home.bundle(1))
    assert [each["reason"] for each in told.of("promotion_refused")] == ["no_bundle_id"]


@pytest.mark.parametrize("key", ["current.json", "global/current.json"])
async def test_a_pointer_where_the_predecessor_had_it_is_told_of(home: House, told: Told, key: str) -> None:
    await asyncio.to_thread(home.store.put, POINTERS, key, OLD)
    async with home.replica(home.bundle(1)) as replica:
        assert await started(replica) == home.bundle(1)
    (refused,) = told.of("promotion_refused")
    assert refused["reason"] == "no_bundle_id"
    assert key in str(refused["error"])


@pytest.mark.parametrize("content", [b"garbage", b"{}"[:1], b'{"bundle_id": 1}'])
async def test_a_corrupt_pointer_where_there_is_no_disk_serves_nothing(home: House, content: bytes) -> None:
    await asyncio.to_thread(home.write_pointer, content)
    async with home.replica(home.bundle(1)) as replica:
        assert await started(replica) is None
        await replica.watcher.look()
        assert replica.served is None


async def test_a_bundle_outside_the_allow_list_is_refused_before_anything_is_asked_of_it(
    home: House, told: Told
) -> None:
    first = await asyncio.to_thread(home.promote, 1)
    async with home.replica() as replica:
        await started(replica)
        fields = orjson.loads(first.encode()) | {"bucket": "private-data", "bundle_id": "f" * 64}
        await asyncio.to_thread(home.write_pointer, orjson.dumps(fields))
        home.store.asked.clear()
        await replica.watcher.look()
        assert replica.served == first.bundle_id
        assert not [call for call in home.store.asked if "private-data" in call or MODELS in call]
    assert [each["reason"] for each in told.of("promotion_refused")] == ["not_allowed"]


async def test_a_store_that_goes_away_in_the_middle_of_a_download_is_no_refusal(
    home: House, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await asyncio.to_thread(home.promote, 1)
    async with home.replica() as replica:
        await started(replica)
        second = await asyncio.to_thread(home.promote, 2)
        fetch = home.store.fetch

        def cut(*args: object) -> None:
            home.store.down = True
            fetch(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(home.store, "fetch", cut)
        await replica.watcher.look()
        assert replica.served == first.bundle_id
        home.store.down = False
        monkeypatch.setattr(home.store, "fetch", fetch)
        await replica.watcher.look()
        assert replica.served == second.bundle_id
    assert told.of("promotion_refused") == []
    assert [each["code"] for each in told.of("promotion_pointer_fetch_fail")] == ["store_unavailable"]


async def test_a_pointer_that_is_taken_away_changes_nothing_and_is_told_once(home: House, told: Told) -> None:
    first = await asyncio.to_thread(home.promote, 1)
    async with home.replica(home.bundle(2)) as replica:
        await started(replica)
        await replica.watcher.look()
        await asyncio.to_thread(home.store.path(POINTERS, pointer_key("default")).unlink)
        for _ in range(3):
            await replica.watcher.look()
        assert replica.served == first.bundle_id
    assert [each["code"] for each in told.of("promotion_pointer_fetch_fail")] == ["object_missing"]


async def test_what_an_operator_loaded_by_hand_gives_way_to_the_pointer(home: House) -> None:
    first = await asyncio.to_thread(home.promote, 1)
    async with home.replica() as replica:
        await started(replica)
        await replica.watcher.look()
        await replica.switch.activate(home.bundle(2))
        await replica.watcher.look()
        assert replica.served == first.bundle_id


async def test_a_disk_that_can_not_be_written_is_told_and_what_served_goes_on(home: House, told: Told) -> None:
    (home.folder / "disk").write_text("a file where the folder should be")
    async with home.replica(home.bundle(1)) as replica:
        await started(replica)
        await asyncio.to_thread(home.promote, 2)
        await replica.watcher.look()
        assert replica.served == id_of(home.bundle(1))
    assert len(told.of("promotion_cache_fail")) == 1


async def test_a_disk_that_fails_for_a_moment_keeps_the_bundle_at_the_next_look(
    home: House, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointer = await asyncio.to_thread(home.promote, 1)
    async with home.replica() as replica:
        await started(replica)
        with monkeypatch.context() as patch:
            patch.setattr("inference_container.promotion.cache.whole_file", lambda path: open("/dev/full/no"))  # noqa: SIM115, PTH123 - it fails
            await replica.watcher.look()
        assert len(told.of("promotion_cache_fail")) == len(told.of("promotion_active")) == 1
        assert await asyncio.to_thread(replica.cache.last_good) is None
        await replica.watcher.look()
        good = await asyncio.to_thread(replica.cache.last_good)
        assert good is not None
        assert good[0] == pointer
    assert len(told.of("promotion_active")) == 1


async def test_a_bundle_that_another_process_pruned_meanwhile_is_brought_again_and_not_refused(
    home: House, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(home.promote, 1)
    async with home.replica() as replica:
        await started(replica)
        second = await asyncio.to_thread(home.promote, 2)
        activate = replica.switch.activate

        async def pruned(bundle: Path) -> object:
            await asyncio.to_thread(replica.cache.drop, second)
            return await activate(bundle)

        monkeypatch.setattr(replica.switch, "activate", pruned)
        await replica.watcher.look()
        assert replica.served != second.bundle_id
        monkeypatch.setattr(replica.switch, "activate", activate)
        await replica.watcher.look()
        assert replica.served == second.bundle_id
    assert told.of("promotion_refused") == []


async def test_a_letter_that_the_broker_does_not_take_is_sent_later(home: House) -> None:
    await asyncio.to_thread(home.promote, 1)
    async with home.replica() as replica:
        await started(replica)
        replica.letters.down = True
        home.spoil(await asyncio.to_thread(home.promote, 2), WEIGHTS, None)
        await replica.watcher.look()
        assert replica.letters.sent == []
        replica.letters.down = False
        for _ in range(2):
            await replica.watcher.look()
        assert len(replica.letters.sent) == 1


async def test_an_error_that_nobody_thought_of_does_not_end_the_watch(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with home.replica(home.bundle(1)) as replica:
        await started(replica)
        asked = threading.Event()

        def broken(identifier: str) -> None:
            asked.set()
            raise RuntimeError("a defect")

        with monkeypatch.context() as patch:
            patch.setattr(home.shelf, "read", broken)
            await replica.watcher.__aenter__()
            await until(asked.is_set)
        pointer = await asyncio.to_thread(home.promote, 2)
        replica.watcher.hint()
        await until(lambda: replica.served == pointer.bundle_id)
        await replica.watcher.__aexit__()


async def test_looks_at_the_same_time_activate_once(home: House, told: Told) -> None:
    async with home.replica(home.bundle(1)) as replica:
        await started(replica)
        await asyncio.to_thread(home.promote, 2)
        pools = replica.switch.activate
        asked: list[Path] = []

        async def counted(bundle: Path) -> object:
            asked.append(bundle)
            return await pools(bundle)

        replica.switch.activate = counted  # type: ignore[method-assign, assignment]
        await asyncio.gather(*(replica.watcher.look() for _ in range(3)))
        assert len(asked) == 1


async def test_what_was_put_right_where_it_lies_is_tried_again_when_asked_for(home: House) -> None:
    first = await asyncio.to_thread(home.promote, 1)
    async with home.replica() as replica:
        await started(replica)
        second = await asyncio.to_thread(home.promote, 2)
        home.spoil(second, WEIGHTS, b"x")
        await replica.watcher.look()
        assert replica.watcher.refused is not None
        assert replica.watcher.refused.reason == "bundle_refused"
        home.spoil(second, WEIGHTS, (home.bundle(2) / WEIGHTS).read_bytes())
        await replica.watcher.look()
        assert replica.served == first.bundle_id
        await replica.watcher.look(again=True)
        assert replica.served == second.bundle_id
        assert replica.watcher.refused is None


async def test_who_goes_back_from_a_refused_bundle_is_followed_and_nothing_is_refused_any_more(home: House) -> None:
    first = await asyncio.to_thread(home.promote, 1)
    async with home.replica() as replica:
        await started(replica)
        home.spoil(await asyncio.to_thread(home.promote, 2), WEIGHTS, b"x")
        await replica.watcher.look()
        await asyncio.to_thread(home.promoter.rollback, "default", "me")
        await replica.watcher.look()
        assert replica.served == first.bundle_id
        assert replica.watcher.refused is None


async def test_the_end_does_not_wait_for_a_store_that_hangs(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference_container.promotion.watcher._REST_S", 0.05)
    asked, released = threading.Event(), threading.Event()

    def hangs(identifier: str) -> None:
        asked.set()
        released.wait(20)

    monkeypatch.setattr(home.shelf, "read", hangs)
    async with home.replica() as replica:
        async with asyncio.timeout(15), replica.watcher:
            await until(asked.is_set)
        hanging = [each for each in threading.enumerate() if each.name == "promotion"]
        assert all(each.daemon for each in hanging)
        released.set()


async def test_every_replica_follows_for_itself(home: House) -> None:
    await asyncio.to_thread(home.promote, 1)
    async with home.replica() as one, home.replica(disk="two") as two, home.replica() as three:
        replicas: list[Replica] = [one, two, three]
        for each in replicas:
            await started(each)
        pointer = await asyncio.to_thread(home.promote, 2)
        await asyncio.gather(*(each.watcher.look() for each in replicas))
        assert {each.served for each in replicas} == {pointer.bundle_id}


async def test_a_promotion_of_another_identifier_is_not_ours(home: House) -> None:
    first = await asyncio.to_thread(home.promote, 1)
    async with home.replica() as replica:
        await started(replica)
        await asyncio.to_thread(home.promote, 2, "other")
        await replica.watcher.look(hinted=True)
        assert replica.served == first.bundle_id


async def test_the_same_files_under_another_manifest_are_another_bundle(home: House) -> None:
    first = await asyncio.to_thread(home.promote, 1)
    async with home.replica() as replica:
        await started(replica)
        bundle = home.bundle(1)
        manifest = orjson.loads((bundle / MANIFEST).read_bytes()) | {"name": "renamed"}
        (bundle / MANIFEST).write_bytes(orjson.dumps(manifest))
        promoter = Promoter(home.store, home.shelf, MODELS, SystemClock())
        await asyncio.to_thread(promoter.promote, bundle, "default", "me")
        await replica.watcher.look()
        model = replica.switch.model
        assert model is not None
        assert (model.bundle_id, model.name) == (first.bundle_id, "renamed")


def test_places_of_the_house_are_those_of_the_settings() -> None:
    assert Places.read(f"{POINTERS},{MODELS}").buckets == {POINTERS: ("",), MODELS: ("",)}
