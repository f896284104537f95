"""What the tools of `make images` say of Dockerfiles and compose files, and which packages an image is made of."""

import os
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compose_file import COMPOSE, ROOT, STAGING

Call = Callable[..., "subprocess.CompletedProcess[str]"]
SCHEMA = ("check-jsonschema", "--builtin-schema", "vendor.compose-spec")


@pytest.fixture
def call() -> Call:
    def run(tool: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
        found = shutil.which(tool, path=str(ROOT / ".venv-tools/bin"))
        if found is None:
            lack = f"no {tool}: `make tools` installs it"
            if os.environ.get("CI") == "true":
                pytest.fail(lack)
            pytest.skip(lack)  # a laptop without the tools; under CI it fails, above
        return subprocess.run([found, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)

    return run


def test_both_compose_files_are_what_compose_reads(call: Call) -> None:
    done = call(*SCHEMA, COMPOSE, STAGING)
    assert done.returncode == 0, done.stdout


def test_a_slip_in_a_compose_file_would_be_found(call: Call, tmp_path: Path) -> None:
    slipped = tmp_path / "docker-compose.yaml"
    slipped.write_text(COMPOSE.read_text().replace("depends_on:", "depend_on:", 1))
    assert call(*SCHEMA, slipped).returncode == 1


def test_the_dockerfiles_are_without_complaint(call: Call) -> None:
    done = call("hadolint", *sorted((ROOT / "docker").glob("*.Dockerfile")))
    assert done.returncode == 0, done.stdout


def test_what_serves_is_asked_for_without_torch() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {wanted.split(">")[0].split("[")[0] for wanted in extras["inference"]}
    assert {"onnxruntime", "onnx", "numpy"} <= names
    assert not {"torch", "matplotlib", "sluice"} & names
    assert {"torch>=2.13", "sluice[inference]"} <= set(extras["train"])
    serving, full = (ROOT / "docker/inference.Dockerfile").read_text().split("FROM serving-build AS full-build")
    assert "--extra inference" in serving
    assert "--extra train" not in serving
    assert "--extra train" in full


@pytest.mark.parametrize("name", ["chat", "inference"])
def test_traces_can_be_switched_on_in_an_image(name: str) -> None:
    assert "--extra otel" in (ROOT / f"docker/{name}.Dockerfile").read_text()
