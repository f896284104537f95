import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from inference_container.bundles.loader import load_bundle, open_inferencer
from inference_container.commands.app import app
from inference_container.forecasting.frame import Frame
from inference_container.training.data import read_csv, regularise
from inference_container.training.pipeline import train
from inference_container.training.spec import TrainSpec
from serving.errors import InvalidInput
from tests.unit.inference_container.training.samples import sample_spec

_RUNNER = CliRunner()


@pytest.fixture
def spec(tmp_path: Path) -> TrainSpec:
    return sample_spec(tmp_path)


def test_a_run_leaves_a_bundle_that_beats_persistence_and_says_by_how_much(spec: TrainSpec) -> None:
    result = train(spec)
    assert result.path == spec.out / "traffic"
    manifest = load_bundle(result.path).manifest
    assert manifest.training is not None
    assert manifest.metrics is not None
    metrics = manifest.metrics.targets["down"]
    assert metrics.rmse == result.scores[0].mean("rmse") < metrics.persistence_rmse
    assert [score.step for score in result.scores[0].horizons] == [1, 2, 3, 4, 5, 6]
    assert (manifest.training.rows, manifest.input.freq_seconds) == (720, 3600)
    assert manifest.training.split.model_dump() == {"train": 504, "validation": 108, "test": 108}


def test_the_same_run_gives_the_same_bundle_twice(spec: TrainSpec) -> None:
    first = load_bundle(train(spec).path or "").manifest
    second = load_bundle(train(dataclasses.replace(spec, name="again")).path or "").manifest
    assert first.bundle_id == second.bundle_id


def test_the_back_test_scores_the_very_forecasts_that_are_served(spec: TrainSpec) -> None:
    result = train(spec)
    assert result.path is not None
    inferencer = open_inferencer(load_bundle(result.path)).inferencer
    series = regularise(read_csv(spec.csv, "time", spec.columns).frame, inferencer.plan.input)
    errors = []
    rows = len(series.grid.times)
    for end in range(rows * 85 // 100 - 1, rows - spec.horizon):
        known = slice(0, end + 1)
        frame = Frame(series.grid.times[known], series.grid.values[known])
        ahead = series.grid.values[end + 1 : end + 1 + spec.horizon, 0]
        errors.append(inferencer.forecast(frame, spec.horizon).values[:, 0] - ahead)
    served = np.sqrt(np.mean(np.square(errors), axis=0))
    scored = [score.rmse for score in result.scores[0].horizons]
    np.testing.assert_allclose(served, scored, rtol=1e-5)


def test_the_scaler_never_sees_what_comes_after_the_training_part(spec: TrainSpec) -> None:
    lines = spec.csv.read_text().splitlines()
    first = train(spec)
    cut = 1 + 504
    later = [",".join([line.split(",")[0], *(f"{9 * float(v)}" for v in line.split(",")[1:])]) for line in lines[cut:]]
    spec.csv.write_text("\n".join(lines[:cut] + later) + "\n")
    second = train(dataclasses.replace(spec, name="later", allow_worse=True))
    assert first.path is not None
    assert second.path is not None
    assert load_bundle(first.path).manifest.scaler == load_bundle(second.path).manifest.scaler


def test_a_model_that_loses_to_persistence_is_written_only_on_demand(spec: TrainSpec) -> None:
    # A random walk: nothing beats persistence, and a model without a penalty only fits noise.
    steps = np.random.default_rng(1).normal(size=400).cumsum()
    hours = np.datetime64("2025-01-01T00", "s") + np.arange(400) * np.timedelta64(1, "h")
    rows = [f"{hour}Z,{value:.4f},{value:.4f}" for hour, value in zip(hours, steps, strict=True)]
    spec.csv.write_text("\n".join(["time,down,users", *rows]) + "\n")
    walk = dataclasses.replace(spec, columns=("down",))
    assert train(walk).path is None
    assert not spec.out.exists()
    assert train(dataclasses.replace(walk, allow_worse=True)).path is not None


_EDITS: list[Callable[[TrainSpec], TrainSpec]] = [
    lambda spec: dataclasses.replace(spec, targets=("up",)),
    lambda spec: dataclasses.replace(spec, columns=("down", "down")),
    lambda spec: dataclasses.replace(spec, name="Not A Name"),
    lambda spec: dataclasses.replace(spec, input_len=0),
    lambda spec: dataclasses.replace(spec, columns=("down", "absent")),
    lambda spec: dataclasses.replace(spec, horizon=200),
]


@pytest.mark.parametrize("edit", _EDITS)
def test_a_request_that_can_not_become_a_bundle_is_refused_before_training(
    spec: TrainSpec, edit: Callable[[TrainSpec], TrainSpec]
) -> None:
    with pytest.raises(InvalidInput):
        train(edit(spec))
    assert not spec.out.exists()


def test_a_file_with_gaps_and_holes_trains_under_the_lenient_policies(spec: TrainSpec) -> None:
    lines = spec.csv.read_text().splitlines()
    lines[40] = lines[40].split(",")[0] + ",,,"
    del lines[700:705], lines[300:320], lines[100]
    spec.csv.write_text("\n".join(lines) + "\n")
    result = train(dataclasses.replace(spec, gap_policy="resample", nan_policy="ffill"))
    assert result.report.longest_gap_steps == 20
    assert result.path is not None


def test_the_newcomers_commands_work_one_after_the_other(tmp_path: Path) -> None:
    data, out = tmp_path / "data.csv", tmp_path / "bundles"

    def run(*arguments: str, status: int = 0) -> str:
        result = _RUNNER.invoke(app, arguments)
        assert result.exit_code == status, result.output
        return result.output

    assert "720 rows" in run("demo-data", "--out", str(data), "--days", "30", "--freq-seconds", "3600")
    options = ["--time", "time", "--input-len", "24", "--horizon", "6", "--model", "linear", "--out", str(out)]
    trained = run("train", str(data), "--target", "down", "--target", "users", *options, "--max-steps", "48")
    assert "missing steps: 0" in trained
    assert "| **mean** |" in trained
    bundle = str(out / "data-down-users-linear")
    assert f"bundle: {bundle}" in trained
    assert '"recursive": true' in run("bundle", "show", bundle)
    assert "4 golden windows are as the trainer left them, on numpy" in run("bundle", "verify", bundle)
    (out / "data-down-users-linear" / "model.safetensors").write_bytes(b"")
    assert "bundle_refused" in run("bundle", "verify", bundle, status=2)
    assert "missing_columns" in run("train", str(data), "--target", "cold", *options, status=2)
    assert "absent.csv" in run("train", "absent.csv", "--target", "down", *options, status=2)
