"""The street of docker-compose.yaml without containers: its jobs and services as it sets them up, on a real Kafka and
the real store. What only an engine can do (networks, volumes, health conditions) is not tried here.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.compose_file import ROOT, SECRETS, environment
from tests.integration.processes import eventually, running
from tests.kafka.marks import KAFKA
from tests.unit.inference_container.promotion.house import id_of, make_bundle

pytestmark = KAFKA

Street = dict[str, dict[str, Any]]
SAMPLE = "processed-data/test_processed_data.parquet"
KEY = {"Authorization": f"Bearer {SECRETS['SLUICE_API_KEY']}"}
ADMIN = {"Authorization": f"Bearer {SECRETS['SLUICE_ADMIN_TOKEN']}"}


def run_job(service: dict[str, Any], folder: Path, moved: Mapping[str, str]) -> str:
    """What it printed. The volume is `folder`."""
    assert service["command"][:2] == ["python", "-m"]
    command = [part.replace("/var/lib/sluice", str(folder)) for part in service["command"][1:]]
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment(service), **moved}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def outside(street: Street, kafka: str, store: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The variables that name broker and store, after the jobs have run."""
    moved = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "S3_ENDPOINT": store}
    folder = tmp_path_factory.mktemp("jobs")
    assert "inference-data: 8 partitions" in run_job(street["topics"], folder, moved)
    assert f"{SAMPLE}: put" in run_job(street["buckets"], folder, moved)
    return moved


@pytest.fixture(scope="module")
def without_torch(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PYTHONPATH on which what the serving image does not hold can not be imported."""
    folder = tmp_path_factory.mktemp("absent")
    for name in ("torch", "matplotlib"):
        (folder / f"{name}.py").write_text(f"raise ImportError('no {name} in this image')\n")
    return f"{folder}{os.pathsep}{ROOT}"


def test_without_torch_claims_are_worked_and_promotions_followed(
    street: Street, outside: Mapping[str, str], without_torch: str, tmp_path: Path
) -> None:
    settings = {**environment(street["inference"]), **outside, "HOST": "127.0.0.1", "PYTHONPATH": without_torch}
    del settings["INFERENCE_API_PORT"]
    settings["BUNDLE_CACHE"] = str(tmp_path / "bundles")
    with running(("inference_container", "serve"), "INFERENCE_API_PORT", tmp_path, settings) as service:
        service.until_ready()
        published = httpx.post(f"{service.url}/publish_inference_claims", json={"count": 8}, headers=ADMIN, timeout=30)
        assert published.status_code == 200, published.text
        eventually(lambda: service.get("/claims").json()["outcomes"].get("ok") == 8, 60, lambda: "\n".join(service.log))
        sample = service.get(f"/download/{SAMPLE}")
        assert (sample.status_code, sample.content[:4]) == (200, b"PAR1")
        assert httpx.post(f"{service.url}/publish_inference_claims", json={}, timeout=5).status_code == 401
        bundle = make_bundle(tmp_path)
        promote = {
            **street["topics"],
            "command": ["python", "-m", "inference_container", "bundle", "promote", str(bundle)],
        }
        run_job(promote, tmp_path, {**outside, "PYTHONPATH": without_torch})
        eventually(
            lambda: service.get("/model").json()["bundle_id"] == id_of(bundle), 30, lambda: "\n".join(service.log)
        )


def test_the_chat_answers_the_key_of_the_street_and_nobody_else(street: Street, tmp_path: Path) -> None:
    run_job(street["chat-keys"], tmp_path, {})
    settings = {
        name: value.replace("/var/lib/sluice", str(tmp_path)) for name, value in environment(street["chat"]).items()
    }
    del settings["CHAT_API_PORT"]
    with running(
        ("service_chat",), "CHAT_API_PORT", tmp_path, {**settings, "HOST": "127.0.0.1", "LLM_MODE": "mock"}
    ) as service:
        service.until_ready()
        asked = {"patient_mrn": "P000123", "query": "Can I take ibuprofen for my knee?"}
        statuses = [
            httpx.post(f"{service.url}/triage", json=asked, headers=headers, timeout=30).status_code
            for headers in ({}, {"Authorization": "Bearer sluice_0123456789ab_" + "x" * 43}, KEY)
        ]
        assert statuses == [401, 401, 200]
