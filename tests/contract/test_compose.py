"""The compose files against themselves, the Dockerfiles, the tests' versions and the settings classes."""

import importlib.util
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from inference_container.claim_policies import topics_of
from inference_container.settings import InferenceSettings
from service_chat.settings import ChatSettings
from serving.settings import ServiceSettings, names_of
from tests.compose_file import COMPOSE, ROOT, SECRETS, STAGING, Missing, environment, services
from tests.integration.object_servers import VERSITYGW

STREET = services()
STAGED = services(COMPOSE, STAGING)
OURS = ("chat", "chat-keys", "inference", "topics", "buckets")
#: Where each Dockerfile is, and which of the services is its image's main process.
IMAGES = {"chat": ROOT / "docker/chat.Dockerfile", "inference": ROOT / "docker/inference.Dockerfile"}
OBSERVABILITY = ROOT / "infra/observability"
SETTINGS: dict[str, type[ServiceSettings]] = {
    "chat": ChatSettings,
    "inference": InferenceSettings,
    "topics": InferenceSettings,
    "buckets": InferenceSettings,
}

every_service = pytest.mark.parametrize("name", STREET)


def is_job(service: dict[str, Any]) -> bool:
    """Runs once and ends, where the others stay."""
    return bool(service.get("restart") == "no")


# --- the files by themselves


@every_service
def test_every_command_is_a_list_and_no_shell_reads_it(name: str) -> None:
    service = STREET[name]
    commands = [service[key] for key in ("command", "entrypoint") if key in service]
    commands += [service["healthcheck"]["test"]] if "healthcheck" in service else []
    for command in commands:
        assert isinstance(command, list)
        assert all(isinstance(part, str) for part in command)
        assert not {"sh", "/bin/sh", "bash", "CMD-SHELL", "-c"} & set(command) or command[:3] == ["CMD", "python", "-c"]


@every_service
def test_every_image_is_built_here_or_pinned(name: str) -> None:
    repository, _, tag = STREET[name]["image"].rpartition(":")
    assert repository, "no tag"
    assert tag != "latest"
    if tag == "local":
        assert any("build" in each and each["image"] == f"{repository}:local" for each in STREET.values())
    else:
        assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag)


@every_service
def test_what_stays_says_how_it_is_and_what_ends_is_waited_for(name: str) -> None:
    service = STREET[name]
    conditions = [
        each["depends_on"][name]["condition"] for each in STREET.values() if name in each.get("depends_on", {})
    ]
    if is_job(service):
        assert "healthcheck" not in service
        assert set(conditions) <= {"service_completed_successfully"}
        assert conditions or "profiles" in service
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] == "CMD"
        assert set(conditions) <= {"service_healthy"}


@every_service
def test_nothing_waits_for_what_its_profile_leaves_out(name: str) -> None:
    for other in STREET[name].get("depends_on", {}):
        assert set(STREET[other].get("profiles", ())) <= set(STREET[name].get("profiles", ()))


@every_service
def test_every_service_is_bounded_and_holds_no_privilege(name: str) -> None:
    service = STREET[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "mem_limit"} <= service.keys()
    assert service["logging"]["options"]["max-size"]
    assert not {"privileged", "network_mode", "pid", "ipc", "devices"} & service.keys()
    assert "docker.sock" not in json.dumps(service)
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    root = [each for each in ("user",) if service.get(each, "").startswith("0")]
    assert not root or (is_job(service) and service["entrypoint"][0] == "install")


@pytest.mark.parametrize("name", OURS)
def test_our_images_run_on_a_read_only_root(name: str) -> None:
    service = STREET[name]
    assert (service["read_only"], service["tmpfs"], service["init"]) == (True, ["/tmp"], True)


def test_neither_file_names_the_socket_of_the_engine() -> None:
    assert "docker.sock" not in re.sub(r"#.*", "", COMPOSE.read_text() + STAGING.read_text())


@every_service
def test_every_file_that_is_mounted_exists_and_only_to_read(name: str) -> None:
    for volume in STREET[name].get("volumes", ()):
        source, target, *mode = volume.split(":")
        if source.startswith("."):
            assert (ROOT / source).exists()
            assert mode == ["ro"]
        else:
            assert re.fullmatch(r"[a-z]+-data", source)
        assert target.startswith("/")


# --- secrets


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("value", ["", None])
def test_an_empty_secret_stops_the_street_before_it_starts(name: str, value: str | None) -> None:
    given = {**SECRETS, name: value} if value is not None else {k: v for k, v in SECRETS.items() if k != name}
    with pytest.raises(Missing, match=f"{name}: is empty"):
        services(environ={key: each for key, each in given.items() if each is not None})


def test_no_secret_has_a_default_or_stands_in_a_file() -> None:
    secret = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$")
    for each in (STREET, STAGED):
        for service in each.values():
            for name, value in environment(service).items():
                assert not secret.search(name) or value in SECRETS.values()


def test_the_example_names_every_secret_and_holds_none() -> None:
    lines = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert lines == dict.fromkeys(SECRETS, "")


def test_a_variable_that_compose_reads_stands_in_the_example_or_has_a_default() -> None:
    text = COMPOSE.read_text() + STAGING.read_text()
    needed = set(re.findall(r"\$\{(\w+)(?::\?|\})", text))
    assert needed == set(SECRETS)


# --- settings


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """As in a container: no variable of ours but those that are set, and nobody's .env."""
    for name in os.environ.keys() - {"PATH", "HOME", "PYTEST_CURRENT_TEST"}:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


@pytest.mark.parametrize("street", [STREET, STAGED], ids=["compose", "staging"])
@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_one_of_the_service_and_its_value_is_good(
    name: str, street: dict[str, dict[str, Any]], bare: pytest.MonkeyPatch
) -> None:
    cls, given = SETTINGS[name], environment(street[name])
    live = {names_of(cls, field)[0] for field in cls.model_fields}
    assert set(given) - live == set()
    for variable, value in given.items():
        bare.setenv(variable, value)
    settings = cls.from_environment()
    assert {field.upper() for field in settings.model_fields_set} == set(given)
    if isinstance(settings, ChatSettings):
        settings.refuse_open_door()


def test_a_setting_that_is_none_or_a_value_that_is_wrong_would_be_found(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError):
        test_every_setting_is_one_of_the_service_and_its_value_is_good(
            "chat", {"chat": {"environment": {"GGUF_THREADS": "2"}}}, bare
        )
    with pytest.raises(Exception, match="QUEUE_MAXSIZE"):
        test_every_setting_is_one_of_the_service_and_its_value_is_good(
            "inference", {"inference": {"environment": {"QUEUE_MAXSIZE": "many"}}}, bare
        )


def test_staging_has_the_values_of_its_load_tests(bare: pytest.MonkeyPatch) -> None:
    for variable, value in environment(STAGED["inference"]).items():
        bare.setenv(variable, value)
    settings = InferenceSettings.from_environment()
    assert (settings.queue_maxsize, settings.pause_threshold_pct, settings.resume_threshold_pct) == (40, 80, 50)
    assert (settings.uvicorn_timeout_keep_alive, settings.uvicorn_timeout_graceful_shutdown) == (60, 30)
    assert settings.enable_ttl
    assert settings.enable_microbatch
    assert settings.enable_publish_api
    load = environment(STAGED["load-headless"])
    assert (load["LOCUST_USERS"], load["LOCUST_SPAWN_RATE"], load["LOCUST_RUN_TIME"]) == ("200", "20", "120s")
    assert (load["KAFKA_BURST"], load["KAFKA_BURST_COUNT"], load["PREDICT_WARMUP_DISABLE"]) == ("1", "1", "1")


@pytest.mark.parametrize("street", [STREET, STAGED], ids=["compose", "staging"])
@pytest.mark.parametrize("name", ["load-ui", "load-headless"])
def test_every_name_that_the_load_is_given_is_one_that_it_reads(name: str, street: dict[str, dict[str, Any]]) -> None:
    spec = importlib.util.spec_from_file_location("load_names", ROOT / "locust/names.py")
    assert spec is not None
    assert spec.loader is not None
    names = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(names)
    locusts = {"LOCUST_USERS", "LOCUST_SPAWN_RATE", "LOCUST_RUN_TIME"}
    assert set(environment(street[name])) - set(names.ALIVE) - locusts == set()


def test_jobs_and_service_name_the_same_broker_and_store() -> None:
    outside = environment(STREET["topics"])
    assert environment(STREET["buckets"]) == outside
    assert outside.items() <= environment(STREET["inference"]).items()
    assert environment(STREET["store"])["ROOT_SECRET_KEY"] == outside["S3_SECRET_KEY"]
    assert environment(STREET["store"])["ROOT_ACCESS_KEY"] == outside["S3_ACCESS_KEY"]
    assert outside["S3_ENDPOINT"] == f"store{environment(STREET['store'])['VGW_PORT']}"
    assert (
        f"INTERNAL://{outside['KAFKA_BOOTSTRAP_SERVERS']}" in environment(STREET["kafka"])["KAFKA_ADVERTISED_LISTENERS"]
    )


def test_claims_are_shared_out_among_eight_partitions(bare: pytest.MonkeyPatch) -> None:
    for variable, value in environment(STREET["topics"]).items():
        bare.setenv(variable, value)
    topics = topics_of(InferenceSettings.from_environment())
    assert topics["inference-data"] == topics["performance-eval"] == 8


def test_the_chat_asks_for_the_key_that_the_job_keeps() -> None:
    command = STREET["chat-keys"]["command"]
    assert command[command.index("--file") + 1] == environment(STREET["chat"])["API_KEYS_FILE"]
    assert STREET["chat-keys"]["volumes"] == STREET["chat"]["volumes"]
    assert environment(STREET["load-headless"])["API_KEY"] == environment(STREET["chat-keys"])["API_KEY"]


@pytest.mark.parametrize("name", IMAGES)
def test_there_are_no_more_threads_than_cores(name: str) -> None:
    given = environment(STREET[name])
    for variable in ("GGUF_N_THREADS", "QUEUE_WORKERS", "INFERENCE_WORKERS"):  # unset: the quota decides
        assert int(given.get(variable, "0")) <= float(STREET[name]["cpus"])


@pytest.mark.parametrize(("name", "more_s"), [("chat", 15), ("inference", 45)])
def test_a_container_is_given_the_time_to_end_that_its_service_needs(
    name: str, more_s: int, bare: pytest.MonkeyPatch
) -> None:
    for street in (STREET, STAGED):
        for variable, value in environment(street[name]).items():
            bare.setenv(variable, value)
        grace_s = SETTINGS[name].from_environment().uvicorn_timeout_graceful_shutdown
        assert int(street[name]["stop_grace_period"].removesuffix("s")) >= grace_s + more_s


# --- Dockerfiles, and what else names these


def instruction(name: str, word: str) -> str:
    found = re.findall(rf"^{word} ((?:.*\\\n)*.*)$", IMAGES[name].read_text(), re.MULTILINE)
    return str(found[-1])


@pytest.mark.parametrize("name", IMAGES)
def test_compose_and_dockerfile_agree_about_port_volume_and_health(name: str) -> None:
    service, given = STREET[name], environment(STREET[name])
    port = instruction(name, "EXPOSE")
    assert given[{"chat": "CHAT_API_PORT", "inference": "INFERENCE_API_PORT"}[name]] == port
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert [volume.split(":")[1] for volume in service["volumes"]] == [instruction(name, "VOLUME")]
    assert service["healthcheck"]["test"] == ["CMD", *json.loads(instruction(name, "HEALTHCHECK").split("CMD ")[1])]
    assert f"127.0.0.1:{port}/" in service["healthcheck"]["test"][-1]
    assert service["build"]["dockerfile"] == IMAGES[name].relative_to(ROOT).as_posix()


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_runs_a_list_as_user_10001(name: str) -> None:
    assert instruction(name, "USER") == "10001:10001"
    assert json.loads(instruction(name, "CMD"))[:2] == ["python", "-m"]


@pytest.mark.parametrize("name", IMAGES)
def test_what_an_image_sets_of_our_names_is_a_setting(name: str) -> None:
    runtime = re.sub(r"^[\s\S]*^FROM \$\{BASE\}.*$", "", IMAGES[name].read_text(), flags=re.MULTILINE)
    given = set(re.findall(r"(?:^ENV|\\\n) +([A-Z_0-9]+)=", runtime, re.MULTILINE))
    live = {names_of(SETTINGS[name], field)[0] for field in SETTINGS[name].model_fields}
    assert given - live == {"PATH", "HOME", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
    assert {"HOST", "BUILD_REVISION"} <= given


@pytest.mark.parametrize("name", IMAGES)
def test_the_context_holds_what_a_dockerfile_copies_and_nothing_else_goes_along(name: str) -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", IMAGES[name].read_text(), re.MULTILINE)
    assert {path for line in copied for path in line.split()} <= allowed
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_the_street_runs_on_the_versions_that_the_tests_run_on() -> None:
    pom = re.search(r"<kafka.version>(.+)</kafka.version>", (ROOT / "tests/kafka/pom.xml").read_text())
    assert pom is not None
    assert STREET["kafka"]["image"] == f"apache/kafka:{pom[1]}"
    assert STREET["store"]["image"] == STREET["store-folders"]["image"] == f"versity/versitygw:{VERSITYGW}"
    locust = re.search(r"^locust==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert locust is not None
    assert STREET["load-ui"]["image"] == f"locustio/locust:{locust[1]}"


def test_prometheus_asks_the_services_where_they_listen() -> None:
    config = yaml.safe_load((OBSERVABILITY / "prometheus/prometheus.yml").read_text())
    targets = [
        target for job in config["scrape_configs"] for each in job["static_configs"] for target in each["targets"]
    ]
    listening = {f"{name}:{port.rpartition(':')[2]}" for name in STREET for port in STREET[name].get("ports", ())}
    assert {"chat:8002", "inference:8000"} <= set(targets)
    assert set(targets) - listening <= {"localhost:9090"}  # itself


def test_grafana_finds_prometheus_and_the_dashboards_where_compose_puts_them() -> None:
    provisioning = OBSERVABILITY / "grafana/provisioning"
    mounted = {volume.split(":")[1] for volume in STREET["grafana"]["volumes"]}
    (source,) = provisioning.glob("datasources/*.yml")
    assert [each["url"] for each in yaml.safe_load(source.read_text())["datasources"]] == ["http://prometheus:9090"]
    (provider,) = provisioning.glob("dashboards/*.yml")
    for each in yaml.safe_load(provider.read_text())["providers"]:
        assert each["options"]["path"] in mounted
