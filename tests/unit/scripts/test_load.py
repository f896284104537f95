from pathlib import Path

import pytest

from inference_container.settings import InferenceSettings
from scripts import load


def test_the_pair_can_be_started_with_the_names_of_the_load_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The service refuses these names, rightly: they are settings of the load and not of it.
    monkeypatch.chdir(tmp_path)
    for name in ("PREDICT_PAYLOAD_MODE", "GATEWAY_BASE"):
        monkeypatch.setenv(name, "cached")
    for name, value in load.forecast_settings(tmp_path, "token").items():
        monkeypatch.setenv(name, value)
    settings = InferenceSettings.from_environment()
    assert settings.kafka_bootstrap_servers == "memory"
    assert (Path(settings.store_path) / settings.processed_bucket / settings.test_object_key).stat().st_size > 0


def test_a_real_broker_is_taken_where_one_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
    assert "KAFKA_BOOTSTRAP_SERVERS" not in load.forecast_settings(tmp_path, "token")


def test_a_target_is_loaded_without_a_pair_and_its_status_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing listens on port 9, so the run can not begin.
    monkeypatch.setenv("LOCUST_WAIT_FOR_MODEL_TIMEOUT", "0.1")
    monkeypatch.setenv("LOCUST_HOST", "http://127.0.0.1:1")
    assert load.main(["--target", "http://127.0.0.1:9", "--profile", "users200"]) == 1
    assert load.main(["--target", "http://127.0.0.1:9", "--profile", "users2000"]) == 2
