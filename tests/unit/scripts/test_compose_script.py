"""`scripts/compose.sh`: secrets are written once and for their owner alone; without Docker it says so."""

import os
import re
import shutil
import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service_chat.access.keys import given_key
from tests.compose_file import SECRETS, services

ROOT = Path(__file__).parents[3]
NAMES = tuple(SECRETS)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/compose.sh", tmp_path / "scripts")
    shutil.copy(ROOT / ".env.example", tmp_path)
    return tmp_path


def call(checkout: Path, *arguments: str, path: str | None = None) -> "subprocess.CompletedProcess[str]":
    bash = shutil.which("bash")
    assert bash is not None
    return subprocess.run(
        [bash, str(checkout / "scripts/compose.sh"), *arguments],
        env={"PATH": path or os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


def secrets_of(checkout: Path) -> dict[str, str]:
    return dict(re.findall(r"^(SLUICE_\w+)=(.*)$", (checkout / ".env").read_text(), re.MULTILINE))


def test_every_secret_is_drawn_and_none_twice(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert call(checkout, "secrets").returncode == 0
    first = secrets_of(checkout)
    assert set(first) == set(NAMES)
    (checkout / ".env").unlink()
    assert call(checkout, "secrets").returncode == 0
    both = [*first.values(), *secrets_of(checkout).values()]
    assert len(set(both)) == len(both)
    assert min(map(len, both)) >= 20


def test_the_file_is_its_owners_alone_and_nothing_else_is_left(checkout: Path) -> None:
    call(checkout, "secrets")
    assert stat.S_IMODE((checkout / ".env").stat().st_mode) == 0o600
    assert {path.name for path in checkout.iterdir()} == {".env", ".env.example", "scripts"}


def test_what_is_there_is_never_written_over(checkout: Path) -> None:
    (checkout / ".env").write_text("mine")
    assert call(checkout, "secrets").returncode == 0
    assert (checkout / ".env").read_text() == "mine"


def test_the_street_starts_with_them_and_the_chat_takes_the_key(checkout: Path) -> None:
    call(checkout, "secrets")
    found = secrets_of(checkout)
    assert services(environ=found)
    key = given_key(found["SLUICE_API_KEY"], ["triage"], datetime.now(UTC), "compose")
    assert key.id in found["SLUICE_API_KEY"]


@pytest.mark.parametrize("verb", ["up", "down", "logs"])
def test_without_docker_one_sentence_tells_and_no_secret_is_written(checkout: Path, verb: str) -> None:
    tools = checkout / "bin"
    tools.mkdir()
    for name in ("dirname", "git"):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    ended = call(checkout, verb, path=str(tools))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(r"This needs Docker.*make demo\.\n", ended.stderr)
    assert not (checkout / ".env").exists()


def test_docker_is_called_with_the_files_and_the_verb(checkout: Path) -> None:
    tools = checkout / "bin"
    tools.mkdir()
    (tools / "docker").write_text('#!/bin/sh\necho "$@" >>"$(dirname "$0")/calls"\n')
    (tools / "docker").chmod(0o755)
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    assert call(checkout, "up", path=path).returncode == 0
    calls = (tools / "calls").read_text().splitlines()
    assert calls == ["compose version", "compose --file docker-compose.yaml up --build --detach --wait"]
    assert secrets_of(checkout)
