import re
from pathlib import Path
from types import ModuleType

import pytest

DOCS = (Path(__file__).parents[3] / "docs" / "load.md").read_text()

#: All that the predecessor's load harness read, or seemed to (inference contract, 4.3).
OLD = (
    *("PREDICT_URL", "TARGET_HOST", "LOCUST_DEFAULT_HOST", "GATEWAY_BASE", "ENDPOINT_HEALTH", "ENDPOINT_DOWNLOAD"),
    *("ENDPOINT_DOWNLOAD_ALT", "PREDICT_INPUT_LEN", "PREDICT_OUTPUT_LEN", "PREDICT_USER_WAIT_MIN"),
    *("PREDICT_USER_WAIT_MAX", "LOG_FILE", "LOCUST_TRUNCATE_LOG", "LOCUST_RUN_ID", "LOG_PREDICT_ALL"),
    *("LOG_PREDICT_ERRORS", "LOG_PREDICT_RESPONSE_CHARS", "LOG_PREDICT_PAYLOAD", "DEBUG_LOCUST_PAYLOAD"),
    *("LOCUST_ALWAYS_LOG_FIRST", "PREDICT_WARMUP_DISABLE", "DOWNLOAD_WARMUP_ATTEMPTS", "DOWNLOAD_WARMUP_DELAY"),
    *("PREDICT_PAYLOAD_MODE", "LOCUST_ENABLE_PREDICT_CACHE", "LOCUST_PREFLIGHT_DISABLE", "KAFKA_BURST"),
    *("KAFKA_BURST_COUNT", "KAFKA_BURST_TTL_MS", "KAFKA_BURST_KEY_PREFIX", "LOCUST_WAIT_FOR_MODEL"),
    *("LOCUST_WAIT_FOR_MODEL_TIMEOUT", "LOCUST_HEADLESS", "LOCUST_CLI_ARGS", "LOCUST_MODE", "USERS", "SPAWN_RATE"),
    *("RUNTIME", "LOCUST_PAYLOAD_ROWS", "LOCUST_TS_STEP_MINUTES"),
)

#: A value that asks for something else than the default does.
OTHER = {
    "PREDICT_URL": "http://elsewhere:1/predict",
    "TARGET_HOST": "http://elsewhere:1",
    "LOCUST_DEFAULT_HOST": "http://elsewhere:1",
    "GATEWAY_BASE": "http://store:2",
    "ENDPOINT_HEALTH": "/ready",
    "ENDPOINT_DOWNLOAD": "/download/a/b",
    "ENDPOINT_DOWNLOAD_ALT": "/download/a/c",
    "PREDICT_INPUT_LEN": "60",
    "PREDICT_OUTPUT_LEN": "3",
    "PREDICT_USER_WAIT_MIN": "0.5",
    "PREDICT_USER_WAIT_MAX": "7",
    "PREDICT_PAYLOAD_MODE": "cached",
    "PREDICT_WARMUP_DISABLE": "1",
    "DOWNLOAD_WARMUP_ATTEMPTS": "9",
    "DOWNLOAD_WARMUP_DELAY": "2",
    "LOCUST_PREFLIGHT_DISABLE": "true",
    "LOCUST_WAIT_FOR_MODEL": "0",
    "LOCUST_WAIT_FOR_MODEL_TIMEOUT": "5",
    "KAFKA_BURST": "1",
    "KAFKA_BURST_COUNT": "33",
    "KAFKA_BURST_TTL_MS": "1500",
    "KAFKA_BURST_KEY_PREFIX": "p",
    "LOG_FILE": "elsewhere.jsonl",
    "LOCUST_TRUNCATE_LOG": "1",
    "LOCUST_RUN_ID": "another",
    "LOG_PREDICT_ALL": "1",
    "LOG_PREDICT_ERRORS": "0",
    "LOG_PREDICT_RESPONSE_CHARS": "200",
    "LOG_PREDICT_PAYLOAD": "1",
    "LOCUST_ALWAYS_LOG_FIRST": "1",
    "PROFILE": "users200",
    "CHAT_URL": "http://chat:3",
    "API_KEY": "key",
    "ADMIN_TOKEN": "another",
    "LOAD_MIX": "98/1/1",
    "LOAD_SERIES": "other.csv",
    "LOAD_BURST": "10",
    "LOAD_REPLICAS": "4",
    "LOAD_REPORT_DIR": "reports",
    "LOAD_PREDICT_P95_MS": "750",
    "LOAD_HEALTH_P99_MS": "80",
    "LOAD_TRIAGE_P95_MS": "90000",
}
BASE = {"ADMIN_TOKEN": "token"}


@pytest.mark.parametrize("name", OLD)
def test_no_name_of_the_old_harness_is_ignored_in_silence(name: str, names: ModuleType) -> None:
    assert (name in names.ALIVE) + (name in names.GONE) + (name in names.LOCUSTS) == 1


def test_every_name_that_is_alive_changes_something(names: ModuleType, wishes: ModuleType) -> None:
    assert set(OTHER) == set(names.ALIVE)
    plain = wishes.wishes(BASE, clock=0.0)
    same = [name for name, value in OTHER.items() if wishes.wishes({**BASE, name: value}, clock=0.0) == plain]
    assert same == []


def test_every_name_that_is_gone_stops_the_run_and_says_what_there_is_instead(
    names: ModuleType, wishes: ModuleType
) -> None:
    for name, sentence in names.GONE.items():
        with pytest.raises(wishes.BadName, match=re.escape(f"{name}: {sentence}")):
            wishes.wishes({name: "1"})
        assert wishes.wishes({name: ""})  # set and empty is not set


@pytest.mark.parametrize("name", ["LOAD_USER", "KAFKA_BURST_TTL", "LOG_PREDICT_ERROR", "DOWNLOAD_WARMUP_TRIES"])
def test_a_slip_of_the_pen_is_told(name: str, wishes: ModuleType) -> None:
    with pytest.raises(wishes.BadName, match=f"{name}: no such name"):
        wishes.wishes({name: "1"})


def test_what_kubernetes_puts_into_every_pod_is_no_slip(wishes: ModuleType) -> None:
    injected = {"LOAD_MASTER_SERVICE_HOST": "10.0.0.1", "LOAD_MASTER_SERVICE_PORT": "80", "LOAD_MASTER_PORT": "tcp://x"}
    assert wishes.wishes({**injected, "LOAD_MASTER_PORT_5557_TCP_ADDR": "10.0.0.1"})


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"PROFILE": "users2000"}, "users200"),
        ({"PREDICT_PAYLOAD_MODE": "real"}, "auto, cached, synthetic, service"),
        ({"LOAD_MIX": "80/20"}, "LOAD_MIX=80/20"),
        ({"PREDICT_INPUT_LEN": "ten"}, "PREDICT_INPUT_LEN=ten"),
        ({"PREDICT_USER_WAIT_MIN": "3"}, "more than PREDICT_USER_WAIT_MAX"),
        ({"LOCUST_WAIT_FOR_MODEL": "maybe"}, "1 or 0"),
        ({"LOAD_PREDICT_P95_MS": "-1"}, "not negative"),
        ({"KAFKA_BURST": "1"}, "ADMIN_TOKEN"),
        ({"LOCUST_RUN_ID": "../up"}, "LOCUST_RUN_ID"),
        ({"KAFKA_BURST": "0", "KAFKA_BURST_COUNT": "5", "ADMIN_TOKEN": "t"}, "KAFKA_BURST=0 forbids"),
        ({"PREDICT_URL": "http://a/predict", "TARGET_HOST": "http://b"}, "name different services"),
    ],
)
def test_a_value_that_can_not_be_used_is_told(environ: dict[str, str], told: str, wishes: ModuleType) -> None:
    with pytest.raises(wishes.BadName, match=re.escape(told)):
        wishes.wishes(environ)


def test_the_three_names_of_the_service_mean_one_thing(wishes: ModuleType) -> None:
    both = {"PREDICT_URL": "http://a:1/predict", "TARGET_HOST": "http://a:1/"}
    assert wishes.wishes(both).forecast_url == "http://a:1"


def test_a_run_without_a_name_is_called_after_its_profile_and_the_time(wishes: ModuleType) -> None:
    found = wishes.wishes({"PROFILE": "baseline"}, clock=0.0)
    assert found.run_id.startswith("baseline-")
    assert found.log_file.parent == found.report_dir


def test_the_page_lists_every_name_with_its_sentence_and_no_other(names: ModuleType) -> None:
    told = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| (.*) \|$", DOCS, re.MULTILINE))
    assert told == {**names.ALIVE, **names.GONE}
