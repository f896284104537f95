"""The Kafka door is there when it is asked for, and says at the start what is wrong with the asking."""

from pathlib import Path

import pytest

from inference_container.main import create_app
from inference_container.settings import InferenceSettings
from serving.settings import SettingsError


def with_claims(folder: Path, **more: object) -> InferenceSettings:
    wanted = {"kafka_bootstrap_servers": "memory", "store_path": str(folder), **more}
    return InferenceSettings.model_validate(wanted)


def test_the_whole_application_with_every_door_has_one_description(tmp_path: Path) -> None:
    settings = with_claims(tmp_path, enable_publish_api=True, admin_token="t", download_buckets="processed-data")
    paths = create_app(settings).openapi()["paths"]
    assert {"/claims", "/publish_inference_claims", "/download/{bucket}/{key}"} <= paths.keys()


def test_publishing_is_there_only_where_it_was_asked_for(tmp_path: Path) -> None:
    assert "/publish_inference_claims" not in create_app(with_claims(tmp_path)).openapi()["paths"]
    off = with_claims(tmp_path, enable_publish_api=True, use_kafka=False)
    assert "/publish_inference_claims" not in create_app(off).openapi()["paths"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"kafka_bootstrap_servers": "memory"}, "S3_ENDPOINT or STORE_PATH"),
        ({"kafka_bootstrap_servers": "memory", "store_path": "x", "claim_buckets": "No/.."}, "CLAIM_BUCKETS"),
    ],
)
def test_what_can_not_be_meant_stops_the_start(settings: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        create_app(InferenceSettings.model_validate(settings))


@pytest.mark.parametrize(
    "settings",
    [
        {"use_kafka": True},
        {"pause_threshold_pct": 50, "resume_threshold_pct": 50},
        {"kafka_security_protocol": "SASL_SSL"},
        {"consumer_assignor": "sticky"},
    ],
)
def test_what_contradicts_itself_is_no_setting(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"KAFKA|THRESHOLD|assignor"):
        InferenceSettings.model_validate(settings)
