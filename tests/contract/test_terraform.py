"""Terraform, compose, the settings and the apps say the same.

A variable that nobody reads or a path that nobody serves is found here, and not by a pod that restarts.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from inference_container.main import create_app as forecast_app
from inference_container.outside import store_place
from inference_container.settings import InferenceSettings
from service_chat.commands.app import app as chat_commands
from service_chat.main import create_app as chat_app
from service_chat.settings import ChatSettings
from serving.settings import ServiceSettings, names_of
from tests.compose_file import environment
from tests.compose_file import services as composed
from tests.terraform_files import (
    APPS,
    PLACES,
    ROOT,
    ROOTS,
    TREE,
    Block,
    blocks,
    default_of,
    names_filled_in,
    services,
)

#: As services.tf would fill it in, with the defaults of the variables where there are any.
VALUES = {
    "chat_threads": "3",
    "chat_request_seconds": "570",
    "chat_keep_alive_seconds": "620",
    "chat_drain_seconds": "600",
    "inference_threads": "1",
    "inference_request_seconds": "15",
    "inference_keep_alive_seconds": "65",
    "inference_drain_seconds": "30",
    "claims_threads": "1",
    "claims_request_seconds": "60",
    "claims_drain_seconds": "60",
    "claims_group": default_of(APPS, "claims_group"),
    "claims_topic": default_of(APPS, "claims_topic"),
    "kafka_bootstrap_servers": "kafka:9092",
    "kafka_security_protocol": "PLAINTEXT",
    "kafka_partitions": default_of(APPS, "kafka_partitions"),
    "s3_endpoint": "s3.us-east-2.amazonaws.com",
    "s3_credentials": default_of(APPS, "s3_credentials"),
    "s3_bucket": "sluice-demo-123456789012",
    "region": default_of(APPS, "region"),
}
SERVICES = services(VALUES)
SETTINGS: dict[str, type[ServiceSettings]] = {
    "chat-api": ChatSettings,
    "inference": InferenceSettings,
    "inference-claims": InferenceSettings,
}
#: What the same program is called in docker-compose.yaml, and its Dockerfile.
COMPOSED = {"chat-api": "chat", "inference": "inference", "inference-claims": "inference"}
#: Secrets of the right form, and no other than the services' own Secrets have.
SECRETS = {
    "ADMIN_TOKEN": "admin-token-of-a-test",
    "PATIENT_REF_KEY": "0" * 64,
    "AUDIT_KEY": "1" * 64,
    "CHAT_KEY": "2" * 64,
}

every_service = pytest.mark.parametrize("name", SERVICES)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """As in a pod: no variable of ours but those that are set, and nobody's .env."""
    for name in os.environ.keys() - {"PATH", "HOME", "PYTEST_CURRENT_TEST"}:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def settings_of(name: str, service: dict[str, Any], bare: pytest.MonkeyPatch) -> ServiceSettings:
    """What its class makes of its environment, with secrets."""
    taken = {key: value for key, value in SECRETS.items() if key in service["secret"]["env"]}
    for variable, value in (service["env"] | taken).items():
        bare.setenv(variable, value)
    return SETTINGS[name].from_environment()


# --- settings


def test_the_template_is_filled_in_with_what_it_asks_for() -> None:
    assert names_filled_in() == set(VALUES)
    asked = set(re.findall(r"\$\{(\w+)\}", (APPS / "services.yaml.tftpl").read_text()))
    assert asked == set(VALUES)


@every_service
def test_every_variable_is_a_setting_and_its_value_is_good(name: str, bare: pytest.MonkeyPatch) -> None:
    service = SERVICES[name]
    live = {names_of(SETTINGS[name], field)[0] for field in SETTINGS[name].model_fields}
    assert set(service["env"]) - live == set()
    assert all(isinstance(value, str) for value in service["env"].values()), "YAML reads 1 as a number: quote"
    settings = settings_of(name, service, bare)
    given = {*service["env"], *(SECRETS.keys() & set(service["secret"]["env"]))}
    assert {field.upper() for field in settings.model_fields_set} == given
    if isinstance(settings, ChatSettings):
        settings.refuse_open_door()
    if isinstance(settings, InferenceSettings):
        assert store_place(settings) is not None
        assert settings.kafka_wanted == (name == "inference-claims")


def test_a_variable_that_is_none_and_a_value_that_is_wrong_would_be_found(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(Exception, match="QUEUE_WORKERS"):
        settings_of("inference", {"env": {"QUEUE_WORKERS": "many"}, "secret": {"env": []}}, bare)
    live = {names_of(ChatSettings, field)[0] for field in ChatSettings.model_fields}
    assert "GGUF_THREADS" not in live


@every_service
def test_what_is_secret_comes_from_the_secret_and_from_nowhere_else(name: str) -> None:
    service, fields = SERVICES[name], SETTINGS[name].model_fields
    hidden = {field.upper() for field, info in fields.items() if not info.repr}
    assert hidden, "no setting says of itself that it is secret"
    assert set(service["env"]) & hidden == set()
    assert set(service["secret"]["env"]) <= hidden


def test_files_of_the_secret_are_where_the_settings_look() -> None:
    secret, env = SERVICES["chat-api"]["secret"], SERVICES["chat-api"]["env"]
    assert [f"{secret['folder']}/{file}" for file in secret["files"]] == [env["API_KEYS_FILE"]]


def test_claims_of_one_bucket_are_held_to_their_own_part_of_it(bare: pytest.MonkeyPatch) -> None:
    settings = settings_of("inference-claims", SERVICES["inference-claims"], bare)
    assert isinstance(settings, InferenceSettings)
    assert settings.claim_buckets == f"{settings.processed_bucket}/processed-data/"
    assert settings.test_object_key.startswith("processed-data/")


def test_compose_and_the_cluster_have_the_same_partitions_and_ports() -> None:
    street = composed()
    assert environment(street["topics"])["KAFKA_TOPIC_PARTITIONS"] == VALUES["kafka_partitions"]
    for name, other in COMPOSED.items():
        port = {"chat": "CHAT_API_PORT", "inference": "INFERENCE_API_PORT"}[other]
        assert environment(street[other])[port] == SERVICES[name]["env"][port] == str(SERVICES[name]["port"])


@every_service
def test_compose_sets_no_value_that_the_cluster_contradicts_unawares(name: str) -> None:
    theirs, ours = environment(composed()[COMPOSED[name]]), SERVICES[name]["env"]
    different = {key for key in theirs.keys() & ours.keys() if theirs[key] != ours[key]}
    # Where brokers, stores and disks are is what differs between a laptop and a cluster.
    assert different <= {"API_KEYS_FILE", "MODEL_CACHE_DIR", "KAFKA_BOOTSTRAP_SERVERS", "S3_ENDPOINT"}


# --- apps and images


@pytest.fixture
def apps(bare: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, FastAPI]:
    chat = chat_app(ChatSettings(llm_mode="mock", records_path=tmp_path / "records.sqlite"))
    forecast = forecast_app(InferenceSettings())
    return {"chat-api": chat, "inference": forecast, "inference-claims": forecast}


def test_every_probe_asks_a_path_that_is_served(apps: dict[str, FastAPI]) -> None:
    for name, service in SERVICES.items():
        served = {path for path, methods in apps[name].openapi()["paths"].items() if "get" in methods}
        asked = {path for key, path in service["probes"].items() if key != "startup_seconds"}
        assert asked | {"/metrics"} <= served


@every_service
def test_probes_ask_readiness_at_the_start_and_the_loop_afterwards(name: str) -> None:
    probes = SERVICES[name]["probes"]
    liveness = "/health" if name == "chat-api" else "/healthz"
    assert (probes["startup"], probes["liveness"], probes["readiness"]) == ("/ready", liveness, "/ready")


@every_service
def test_a_pod_has_the_image_the_port_and_the_folder_of_its_dockerfile(name: str) -> None:
    service, text = SERVICES[name], (ROOT / f"docker/{COMPOSED[name]}.Dockerfile").read_text()
    assert re.findall(r"^EXPOSE (\d+)$", text, re.MULTILINE) == [str(service["port"])]
    assert re.findall(r"^VOLUME (\S+)$", text, re.MULTILINE) == [service["state"]]
    assert set(service["folders"]) == {service["state"], "/tmp"}
    (user,) = (each for each in blocks(TREE / "modules/app", "variable") if each.name == "user")
    assert f"USER {user.argument('default')}:{user.argument('default')}" in text
    repositories = re.search(r"repositories\s*= (\[.*\])", (TREE / "envs/demo/10-platform/main.tf").read_text())
    assert repositories is not None
    assert f'"{service["image"]}"' in repositories[1]


def test_the_init_container_runs_a_command_that_there_is() -> None:
    command = SERVICES["chat-api"]["prefetch"]["command"]
    assert command[:3] == ["python", "-m", "service_chat"]
    shown = CliRunner().invoke(chat_commands, [*command[3:], "--help"])
    assert shown.exit_code == 0, shown.output
    assert "MODEL_CACHE_DIR" in shown.output
    assert set(SERVICES["chat-api"]["prefetch"]["secrets"]) <= set(SERVICES["chat-api"]["secret"]["env"])


def test_the_model_lies_where_the_service_may_only_read(bare: pytest.MonkeyPatch) -> None:
    settings = settings_of("chat-api", SERVICES["chat-api"], bare)
    assert isinstance(settings, ChatSettings)
    assert settings.hf_hub_offline
    assert not settings.model_cache_dir.is_relative_to(SERVICES["chat-api"]["state"])
    assert settings.records_path.is_relative_to(SERVICES["chat-api"]["state"])


def test_queries_that_scale_ask_for_metrics_and_labels_that_there_are() -> None:
    pinned = {
        line for file in (ROOT / "tests/contract/pinned").glob("metrics-*.txt") for line in file.read_text().split()
    }
    queries = re.findall(r'query += "(.*)"', (APPS / "main.tf").read_text())
    assert len(queries) == 2
    for query in queries:
        (metric,) = re.findall(r"(\w+)\{", query)
        assert metric.removesuffix("_sum") in pinned
    assert "`lane`: `callers`, `claims`" in (ROOT / "docs/metrics.md").read_text()


# --- the tree


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.relative_to(TREE).as_posix())
def test_a_module_is_whole_and_says_what_its_variables_and_outputs_are(place: Path) -> None:
    assert {"main.tf", "variables.tf", "outputs.tf", "terraform.tf"} <= {file.name for file in place.iterdir()}
    assert list(place.glob("tests/*.tftest.hcl")), "no test"
    terraform = (place / "terraform.tf").read_text()
    assert "required_version" in terraform
    for version in re.findall(r"^ +version += \"(.*)\"$", terraform, re.MULTILINE):
        assert re.search(r">= [\d.]+, < [\d.]+", version), f"{version} has no upper bound"
    for block in (*blocks(place, "variable"), *blocks(place, "output")):
        assert block.argument("description"), f"{block.kind} {block.name} says nothing of itself"
    for block in blocks(place, "variable"):
        assert block.argument("type"), f"variable {block.name} has no type"


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.name)
def test_the_example_of_a_root_names_what_has_no_default_and_nothing_else_than_variables(root: Path) -> None:
    variables = {block.name: block for block in blocks(root, "variable")}
    example = set(re.findall(r"^#? ?(\w+) +=", (root / "terraform.tfvars.example").read_text(), re.MULTILINE))
    needed = {name for name, block in variables.items() if not has_default(block)}
    assert needed - example <= {"image_tag"}  # of a deploy, not of a place
    assert example - set(variables) == set()


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.name)
def test_the_state_of_a_root_lies_in_s3_and_is_locked_there(root: Path) -> None:
    assert 'backend "s3" {}' in (root / "terraform.tf").read_text()
    example = (root / "backend.hcl.example").read_text()
    assert re.search(r"^use_lockfile += true", example, re.MULTILINE)
    assert re.search(r"^encrypt += true", example, re.MULTILINE)
    assert f"{root.name}" in example


def has_default(block: Block) -> bool:
    return block.argument("default") is not None


def test_neither_plan_nor_state_nor_values_are_committed() -> None:
    listed = subprocess.run(["git", "ls-files", "infra"], cwd=ROOT, capture_output=True, text=True, check=False)
    files = listed.stdout.split() or [
        str(file) for file in (ROOT / "infra").rglob("*") if ".terraform" not in file.parts
    ]
    bad = re.compile(r"(^|/)(tfplan|.*\.tfplan|.*\.tfstate.*|.*\.tfvars|\.terraform/.*)$")
    assert [file for file in files if bad.search(file)] == []


def test_the_manifests_are_held_against_the_clusters_version_and_the_next() -> None:
    found = re.search(r"^K8S_VERSIONS \?= ([\d.]+) ([\d.]+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found is not None
    assert found[1] == default_of(TREE / "envs/demo/10-platform", "kubernetes_version")
    assert int(found[2].split(".")[1]) == int(found[1].split(".")[1]) + 1
