"""A service as an operator runs it with keys: refused open, opened by a key, and told apart behind a proxy."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import openai
import pytest

from service_chat.access.key_file import add_key
from service_chat.access.keys import new_key
from tests.integration.processes import ServiceProcess, eventually, running

ROOT = Path(__file__).parents[3]
QUESTION = {"patient_mrn": "P000123", "query": "I have had a cough since Tuesday."}


def key_for(folder: Path, *scopes: str) -> str:
    text, key = new_key(scopes, datetime.now(UTC))
    add_key(folder / "keys", key)
    return text


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServiceProcess, str, Path]]:
    folder = tmp_path_factory.mktemp("keyed")
    key = key_for(folder, "triage", "openai")
    settings = {"LLM_MODE": "mock", "API_KEYS_FILE": str(folder / "keys"), "RATE_LIMIT_PER_MINUTE": "0.1"}
    more = {"RATE_LIMIT_BURST": "4", "FORWARDED_ALLOW_IPS": "127.0.0.1"}
    with running(("service_chat",), "CHAT_API_PORT", folder, {**settings, **more}) as service:
        service.until_ready()
        yield service, key, folder


def test_an_open_door_to_the_network_is_refused_in_a_sentence(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    refused = subprocess.run(
        [sys.executable, "-m", "service_chat"],
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": str(ROOT), "HOST": "0.0.0.0", "LLM_MODE": "mock", "CHAT_API_PORT": "0"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert refused.returncode == 2
    assert "ALLOW_UNAUTHENTICATED=1" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not list(tmp_path.iterdir())


def test_a_key_opens_the_door_and_probes_need_none(keyed: tuple[ServiceProcess, str, Path]) -> None:
    service, key, _ = keyed
    assert [service.get(path).status_code for path in ("/health", "/ready", "/metrics", "/queue")] == [
        200,
        200,
        200,
        401,
    ]
    asked = httpx.post(f"{service.url}/triage", json=QUESTION, headers={"X-API-Key": key})
    assert asked.status_code == 200, asked.text
    assert key not in "\n".join(service.log)


def test_the_client_of_openai_sends_its_key_and_reads_a_refusal(keyed: tuple[ServiceProcess, str, Path]) -> None:
    service, key, _ = keyed
    good, wrong = (
        openai.OpenAI(base_url=f"{service.url}/v1", api_key=text, max_retries=0) for text in (key, "sluice_wrong")
    )
    with good, wrong:
        assert [model.id for model in good.models.list()]
        with pytest.raises(openai.AuthenticationError) as refused:
            wrong.models.list()
    assert (refused.value.code, refused.value.type) == ("invalid_api_key", "authentication_error")


def test_behind_a_proxy_the_address_is_the_one_that_it_tells(keyed: tuple[ServiceProcess, str, Path]) -> None:
    service, _, folder = keyed
    keys = [key_for(folder, "triage") for _ in range(6)]
    known = {"X-API-Key": keys[-1]}
    eventually(lambda: httpx.get(f"{service.url}/queue", headers=known).status_code == 200, 10)

    def asked(key: str, forwarded: str) -> int:
        headers = {"X-API-Key": key, "X-Forwarded-For": forwarded}
        return httpx.post(f"{service.url}/triage", json=QUESTION, headers=headers).status_code

    # What a caller claims of itself stands further left and counts for nothing.
    assert [asked(key, f"203.0.113.{number}, 198.51.100.7") for number, key in enumerate(keys[:5])] == [200] * 4 + [429]
    assert asked(keys[5], "198.51.100.8") == 200
