"""Prometheus's own programs, as tests use them: Debian's package, or any on the PATH.

Without them tests are skipped with the reason, or failed where CI promises them.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "infra" / "observability" / "prometheus"


def program(name: str) -> str:
    """Where `promtool` or `prometheus` is."""
    found = shutil.which(name)
    if found is None:
        lack = f"no {name} on the PATH (Debian: apt-get install --no-install-recommends prometheus)"
        if os.environ.get("CI") == "true":
            pytest.fail(lack)
        pytest.skip(lack)  # a laptop without it; under CI it fails, above
    return found


def promtool(*arguments: str | Path) -> tuple[int, str]:
    """Its exit status and what it said."""
    command = [program("promtool"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    return done.returncode, done.stdout + done.stderr
