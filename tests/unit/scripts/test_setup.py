import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with what the setup reads and nothing set up."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def set_up(checkout: Path, python: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", checkout / "scripts/setup.sh"],
        env={"PATH": "/usr/bin:/bin", "PYTHON": python},
        capture_output=True,
        text=True,
    )


def test_a_missing_python_is_named_with_the_way_out(checkout: Path) -> None:
    ended = set_up(checkout, "no-such-python")
    assert ended.returncode == 1
    assert "no-such-python was not found; install Python 3.11" in ended.stderr


def test_a_python_that_is_too_old_is_refused_before_anything_is_made(checkout: Path) -> None:
    old = checkout / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n')
    old.chmod(0o755)
    ended = set_up(checkout, str(old))
    assert ended.returncode == 1
    assert "is Python 3.9.2; this project needs Python 3.11" in ended.stderr
    assert not (checkout / ".venv").exists()


def test_an_environment_made_from_the_same_files_is_left_alone(checkout: Path) -> None:
    python = checkout / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    tell_sum = f'cd {checkout}; {{ printf "%s\\n" "$PWD" 1 ""; cat pyproject.toml constraints.txt scripts/setup.sh'
    made = subprocess.run(
        ["bash", "-c", f"{tell_sum} scripts/llama_wheel.py; }} | cksum"], capture_output=True, text=True, check=True
    )
    (checkout / ".venv/.setup-done").write_text(made.stdout)
    assert set_up(checkout, "no-such-python").returncode == 0

    with (checkout / "constraints.txt").open("a") as pins:
        pins.write("# one more\n")
    assert set_up(checkout, "no-such-python").returncode == 1
