import os
from concurrent.futures import Future
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result
from typing_extensions import override

from inference_container.broker.memory import MemoryBroker, MemoryProducer
from inference_container.broker.ports import Membership, Record
from inference_container.bundles.files import WEIGHTS
from inference_container.commands.app import app
from inference_container.errors import BrokerUnavailable
from inference_container.promotion.pointer import pointer_key
from inference_container.stores.files import FileStore
from inference_container.stores.places import Places
from tests.unit.inference_container.promotion.house import id_of, make_bundle
from tests.unit.inference_container.promotion.test_listener import Nobody
from tests.unit.inference_container.promotion.test_pointer import OLD, form


@pytest.fixture(autouse=True)
def _outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A store of files, no broker, and no `.env`."""
    monkeypatch.chdir(tmp_path)
    for name in ("S3_ENDPOINT", "MINIO_ENDPOINT", "KAFKA_BOOTSTRAP_SERVERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STORE_PATH", str(tmp_path / "objects"))


def run(*arguments: str | Path, status: int = 0) -> Result:
    result = CliRunner().invoke(app, ["bundle", *map(str, arguments)])
    assert result.exit_code == status, result.output
    return result


def pointer() -> dict[str, object]:
    printed: dict[str, object] = orjson.loads(run("pointer").stdout)
    return printed


def test_promote_rollback_and_pointer_tell_one_story(tmp_path: Path) -> None:
    one, two = make_bundle(tmp_path, seed=1), make_bundle(tmp_path, seed=2)
    first = run("promote", one, "--by", "me").stdout
    assert f"default: {id_of(one)} (models/sample/{id_of(one)}/)" in first
    assert "before: nothing" in first
    assert "files uploaded: 3" in first
    assert "no event was sent: replicas look at the pointer every 30 s" in first
    run("promote", two)
    assert (pointer()["bundle_id"], pointer()["previous_bundle_id"]) == (id_of(two), id_of(one))
    assert f"before: {id_of(two)}" in run("rollback").stdout
    assert pointer()["bundle_id"] == id_of(one)
    history = run("pointer", "--history").stdout.splitlines()
    assert [line.split()[1] for line in history] == [id_of(one), id_of(two), id_of(one)]
    assert history[-1].endswith("by me")


def test_who_promoted_is_the_user_and_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    run("promote", make_bundle(tmp_path))
    assert str(pointer()["promoted_by"]).startswith("ann@")


def test_a_user_without_a_name_can_promote_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54_321)
    run("promote", make_bundle(tmp_path))
    assert str(pointer()["promoted_by"]).startswith("unknown@")


def test_a_folder_that_is_named_wins_over_the_settings(tmp_path: Path) -> None:
    run("promote", make_bundle(tmp_path), "--store", tmp_path / "mine")
    assert (tmp_path / "mine" / "model-promotion" / pointer_key("default")).is_file()
    assert not (tmp_path / "objects").exists()


@pytest.mark.parametrize(("rmse", "status"), [(1.5, 0), (2.5, 2)])
def test_the_gate_decides(tmp_path: Path, rmse: float, status: int) -> None:
    result = run("promote", make_bundle(tmp_path, rmse=rmse), "--require-beats", "persistence", status=status)
    assert ("does not beat persistence" in result.stderr) is (status == 2)
    run("pointer", status=0 if status == 0 else 1)


def test_a_refused_bundle_is_one_sentence_and_status_2(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    (bundle / WEIGHTS).write_bytes(b"")
    result = run("promote", bundle, status=2)
    assert result.stderr.startswith("bundle_refused: ")
    assert len(result.stderr.splitlines()) == 1
    assert "Nothing was promoted for default" in run("pointer", status=1).stderr


def test_there_is_nothing_to_go_back_to(tmp_path: Path) -> None:
    assert "nothing to go back to" in run("rollback", status=2).stderr


@pytest.mark.parametrize("identifier", ["a/b", "..", "", "a" * 65])
def test_what_can_be_no_identifier_is_refused_before_the_store_is_opened(tmp_path: Path, identifier: str) -> None:
    assert run("promote", make_bundle(tmp_path), "--identifier", identifier, status=2).stderr
    assert not (tmp_path / "objects").exists()


@pytest.mark.parametrize("old", [OLD, form(OLD)])
def test_a_pointer_of_old_is_told_with_its_reason_and_replaced_by_promoting(tmp_path: Path, old: bytes) -> None:
    store = FileStore(tmp_path / "objects", Places({"model-promotion": ("",)}))
    store.ensure_buckets()
    store.put("model-promotion", pointer_key("default"), old)
    store.close()
    told = run("pointer", status=2).stderr
    assert "no_bundle_id" in told
    assert "docs/migration.md" in told
    run("promote", make_bundle(tmp_path))
    assert pointer()["v"] == 2


def test_a_pointer_where_the_predecessor_had_it_is_told_of(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "objects", Places({"model-promotion": ("",)}))
    store.ensure_buckets()
    store.put("model-promotion", "current.json", OLD)
    store.close()
    assert "docs/migration.md" in run("pointer", status=1).stderr


def test_without_a_store_it_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORE_PATH")
    assert "S3_ENDPOINT" in run("promote", make_bundle(tmp_path), status=2).stderr


class Away(MemoryBroker):
    @override
    def producer(self) -> MemoryProducer:
        raise BrokerUnavailable


class Deaf(MemoryBroker):
    """Takes what is sent and never says so."""

    @override
    def producer(self) -> MemoryProducer:
        made = super().producer()
        made.send = lambda *_: Future()  # type: ignore[method-assign]
        return made


@pytest.mark.parametrize(("broker", "code"), [(Away(), "broker_unavailable"), (Deaf(), "deadline_exceeded")])
def test_a_broker_that_does_not_answer_costs_the_event_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broker: MemoryBroker, code: str
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "somewhere:9092")
    monkeypatch.setattr("inference_container.outside.broker_of", lambda settings: broker)
    monkeypatch.setattr("inference_container.commands.promotion._EVENT_S", 0.01)
    result = run("promote", make_bundle(tmp_path))
    assert f"model-selected could not be told ({code})" in result.stderr
    assert pointer()["v"] == 2


def test_the_event_is_the_pointer_keyed_by_its_identifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = MemoryBroker()
    broker.ensure_topics({"model-selected": 1})
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "somewhere:9092")
    monkeypatch.setattr("inference_container.outside.broker_of", lambda settings: broker)
    assert "model-selected was told" in run("promote", make_bundle(tmp_path), "--identifier", "north").stdout
    consumer = broker.consumer(Membership("readers", ("model-selected",)), Nobody())
    records: list[Record] = []
    while not records:
        records.extend(consumer.poll(10, 0.1))
    assert [(each.key, each.value) for each in records] == [
        (b"north", (tmp_path / "objects" / "model-promotion" / pointer_key("north")).read_bytes())
    ]
