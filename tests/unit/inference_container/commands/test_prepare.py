"""`prepare topics` and `prepare buckets`: what the settings name is there afterwards."""

import pytest

from inference_container.broker.memory import MemoryBroker
from inference_container.bundles.loader import load_bundle, open_inferencer
from inference_container.claim_policies import topics_of
from inference_container.defaults import default_bundle_path
from inference_container.forecasting.messages import ForecastQuery
from inference_container.settings import InferenceSettings
from inference_container.stores.files import FileStore
from inference_container.stores.places import Places
from tests.unit.inference_container.commands.street import Street, use

SAMPLE = ("processed-data", "test_processed_data.parquet")
PLACES = Places({"processed-data": ("",)})


@pytest.fixture
def empty(street: Street, monkeypatch: pytest.MonkeyPatch) -> MemoryBroker:
    broker = MemoryBroker()
    use(monkeypatch, broker)
    return broker


def test_all_topics_of_the_settings_are_made_with_their_partitions(street: Street, empty: MemoryBroker) -> None:
    assert street.call("prepare", "topics").status == 0
    with_letters = topics_of(InferenceSettings())
    assert empty._topics.counts() == with_letters
    assert with_letters["inference-data"] == 8


def test_topics_that_nobody_may_make_are_refused_in_words(
    street: Street, empty: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_TOPIC_PARTITIONS", "0")
    done = street.call("prepare", "topics")
    assert (done.status, "KAFKA_TOPIC_PARTITIONS=0" in done.err) == (2, True)


def test_all_buckets_of_the_settings_are_made(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOWNLOAD_BUCKETS", "processed-data/open,downloads")
    monkeypatch.setenv("CLAIM_BUCKETS", "elsewhere/north")
    assert street.call("prepare", "buckets").status == 0
    assert {path.name for path in (street.folder / "store").iterdir() if path.is_dir()} == {
        *("processed-data", "elsewhere", "downloads", "inference-logs", "model-promotion", "models")
    }


def test_the_sample_is_a_series_that_the_default_bundle_forecasts(street: Street) -> None:
    assert f"{'/'.join(SAMPLE)}: put" in street.call("prepare", "buckets", "--sample").out
    _, content = FileStore(street.folder / "store", PLACES).get(*SAMPLE, 1_000_000)
    inferencer = open_inferencer(load_bundle(default_bundle_path())).inferencer
    (reply,) = inferencer.answer([ForecastQuery("sample", content, "parquet")]).replies
    assert isinstance(reply, bytes)
    assert b'"SUCCESS"' in reply


def test_an_object_of_somebody_else_is_no_place_for_a_sample(street: Street) -> None:
    store = FileStore(street.folder / "store", PLACES)
    store.ensure_buckets()
    store.put(*SAMPLE, b"mine")
    done = street.call("prepare", "buckets", "--sample")
    assert (done.status, f"{'/'.join(SAMPLE)}: was there" in done.out) == (0, True)
    assert store.get(*SAMPLE, 100)[1] == b"mine"
