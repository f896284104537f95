"""The page on migration does what it says: a network that was trained on a scaled calendar comes out the same."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from inference_container.bundles.loader import load_bundle, open_inferencer
from inference_container.commands.app import app
from inference_container.forecasting.backends.protocol import Weights
from tests.unit.inference_container.bundles.foreign import foreign_arrays, foreign_spec

PAGE = Path(__file__).parents[4] / "docs" / "migration.md"
CALENDAR_RANGES = [(-1.0, 1.0), (-1.0, 1.0), (-0.5, 1.0), (-1.0, 0.75)]


def export() -> Any:
    """The function that the page gives."""
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "def " in block]
    names: dict[str, Any] = {}
    exec(compile(code, "migration.md", "exec"), names)  # our own page, run as its reader would
    return names["export"]


def gates(weights: Weights, calendar: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What the first layer makes of an input: all that differs between the two calendars."""
    row = np.concatenate([[0.3, 0.6, 0.1], calendar])
    return np.asarray(weights["rnn.weight_ih_l0"] @ row + weights["rnn.bias_ih_l0"])


def test_a_model_tracked_elsewhere_becomes_a_bundle_that_is_promoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STORE_PATH", str(tmp_path / "objects"))
    for name in ("S3_ENDPOINT", "MINIO_ENDPOINT", "KAFKA_BOOTSTRAP_SERVERS"):
        monkeypatch.delenv(name, raising=False)
    spec = foreign_spec()
    state = foreign_arrays(spec)
    ranges = {name: (each["min"], each["max"]) for name, each in spec["scaler"]["columns"].items()}
    export()(
        state,
        spec["input_columns"],
        ranges,
        spec["calendar"],
        CALENDAR_RANGES,
        spec["target_columns"],
        spec["input_len"],
        spec["output_len"],
        spec["freq_seconds"],
    )
    assert json.loads(Path("spec.json").read_text()) == spec
    raw = np.array([0.2, -0.9, 0.7, 0.4])
    low, high = np.array(CALENDAR_RANGES).T
    moved = dict(np.load("arrays.npz"))
    assert np.allclose(gates(moved, raw), gates(state, (raw - low) / (high - low)), atol=1e-6)
    assert not np.allclose(gates(moved, raw), gates(state, raw), atol=1e-2)

    for command in (
        ["import", "arrays.npz", "spec.json", "--out", "my-bundle"],
        ["verify", "my-bundle"],
        ["promote", "my-bundle", "--identifier", "default"],
    ):
        result = CliRunner().invoke(app, ["bundle", *command])
        assert result.exit_code == 0, result.output
    bundle = load_bundle(Path("my-bundle"))
    assert open_inferencer(bundle).golden_max_rel_err < 1e-3
    current = json.loads(Path("objects/model-promotion/default/current.json").read_text())
    assert current["bundle_id"] == bundle.manifest.bundle_id
