"""The download door is there when it is asked for, and says at the start what is wrong with the asking."""

from pathlib import Path

import pytest

from inference_container.main import create_app
from inference_container.settings import InferenceSettings
from serving.settings import SettingsError


def has_door(settings: InferenceSettings) -> bool:
    app = create_app(settings)
    return "/download/{bucket}/{key}" in app.openapi()["paths"]


def test_nothing_set_no_door(tmp_path: Path) -> None:
    assert not has_door(InferenceSettings())
    unpromoted = InferenceSettings(store_path=str(tmp_path / "objects"), inference_autoload_promoted=False)
    assert not has_door(unpromoted)
    assert not (tmp_path / "objects").exists()


def test_a_folder_or_a_server_and_a_list_open_it(tmp_path: Path) -> None:
    assert has_door(InferenceSettings(store_path=str(tmp_path / "objects"), download_buckets="results/day/"))
    assert has_door(
        InferenceSettings(s3_endpoint="store:9000", s3_access_key="k", s3_secret_key="s", download_buckets="results")
    )


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"download_buckets": "results"}, "S3_ENDPOINT or STORE_PATH"),
        ({"download_buckets": "results", "store_path": "x", "s3_endpoint": "y:1"}, "two stores"),
        ({"download_buckets": "results", "s3_endpoint": "y:1"}, "S3_SECRET_KEY"),
        (
            {"download_buckets": "Results/../x", "s3_endpoint": "y:1", "s3_access_key": "k", "s3_secret_key": "s"},
            "name",
        ),
        (
            {"download_buckets": "results", "s3_endpoint": "http://y", "s3_access_key": "k", "s3_secret_key": "s"},
            "S3_EN",
        ),
        (
            {
                "download_buckets": "results",
                "s3_endpoint": "y:1",
                "s3_access_key": "k",
                "s3_secret_key": "s",
                "s3_ca_file": "absent.pem",
            },
            "S3_CA_FILE",
        ),
    ],
)
def test_what_can_not_be_meant_stops_the_start(settings: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        create_app(InferenceSettings.model_validate(settings))
