import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[3] / "locust"


@pytest.fixture(scope="module")
def verdict() -> ModuleType:
    """`locust/` is a folder of profiles and no package: the name belongs to the library."""
    spec = importlib.util.spec_from_file_location("verdict", FOLDER / "verdict.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["verdict"] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


def test_a_run_within_its_limits_passes(verdict: ModuleType) -> None:
    rows = [verdict.Figures("GET /health", 10, 0, 20.0)]
    assert verdict.broken_limits(rows, [verdict.Limit("GET /health", p95_ms=20.0)]) == []


def test_one_failure_is_one_too_many_unless_the_limit_allows_some(verdict: ModuleType) -> None:
    rows = [verdict.Figures("POST /predict", 100, 1, 5.0)]
    assert len(verdict.broken_limits(rows, [verdict.Limit("POST /predict", 10.0)])) == 1
    assert verdict.broken_limits(rows, [verdict.Limit("POST /predict", 10.0, failure_ratio=0.01)]) == []


def test_a_slow_run_is_told_by_how_much(verdict: ModuleType) -> None:
    said = verdict.broken_limits([verdict.Figures("GET /health", 10, 0, 21.0)], [verdict.Limit("GET /health", 20.0)])
    assert said == ["GET /health: p95 21 ms, 20 ms are allowed"]


@pytest.mark.parametrize("requests", [None, 0])
def test_a_run_in_which_nobody_got_through_fails(verdict: ModuleType, requests: int | None) -> None:
    rows = [] if requests is None else [verdict.Figures("POST /triage", requests, 0, 0.0)]
    assert verdict.broken_limits(rows, [verdict.Limit("POST /triage", 1.0)])


def test_a_limit_can_be_moved_from_outside(verdict: ModuleType) -> None:
    assert verdict.milliseconds("LIMIT", 5.0, {"LIMIT": "7.5"}) == 7.5
    assert verdict.milliseconds("LIMIT", 5.0, {"LIMIT": ""}) == 5.0


def test_the_folder_of_profiles_never_becomes_a_package(verdict: ModuleType) -> None:
    # With an __init__.py it would hide the locust library from everything that runs in the project's root.
    assert not (FOLDER / "__init__.py").exists()
