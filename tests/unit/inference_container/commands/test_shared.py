from pathlib import Path

import pytest

from inference_container.commands.shared import store_from_environment
from inference_container.errors import ObjectRefused
from inference_container.stores.places import Places
from serving.settings import SettingsError

PLACES = Places({"inference-logs": ("results/",)})


@pytest.fixture(autouse=True)
def _no_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # no .env
    for name in ("S3_ENDPOINT", "MINIO_ENDPOINT", "STORE_PATH"):
        monkeypatch.delenv(name, raising=False)


def test_the_store_of_the_settings_is_opened_for_these_places_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STORE_PATH", str(tmp_path / "objects"))
    store = store_from_environment(PLACES)
    store.ensure_buckets()
    store.put("inference-logs", "results/a", b"a")
    assert (tmp_path / "objects" / "inference-logs" / "results" / "a").read_bytes() == b"a"
    with pytest.raises(ObjectRefused):
        store.put("inference-logs", "elsewhere/a", b"a")
    store.close()


def test_a_folder_that_was_named_wins_over_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("S3_ENDPOINT", "localhost:1")
    store = store_from_environment(PLACES, tmp_path / "mine")
    store.ensure_buckets()
    assert (tmp_path / "mine" / "inference-logs").is_dir()
    store.close()


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "no object store"),
        ({"S3_ENDPOINT": "localhost:1", "STORE_PATH": "here"}, "keep one"),
        ({"S3_ENDPOINT": "localhost:1"}, "S3_SECRET_KEY"),
    ],
)
def test_no_store_or_half_a_store_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], sentence: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=sentence):
        store_from_environment(PLACES)


def test_a_server_is_opened_without_asking_whether_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"S3_ENDPOINT": "localhost:1", "S3_ACCESS_KEY": "a" * 8, "S3_SECRET_KEY": "b" * 8}.items():
        monkeypatch.setenv(name, value)
    store_from_environment(PLACES).close()
