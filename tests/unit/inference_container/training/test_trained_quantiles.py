"""Training from end to end where it concerns how sure a bundle says it is, and what training can do without."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from inference_container.bundles.loader import load_bundle, open_inferencer
from inference_container.bundles.quantiles import decode_quantiles
from inference_container.forecasting.frame import Frame
from inference_container.forecasting.plan import QuantilePlan
from inference_container.training.data import read_csv, regularise
from inference_container.training.pipeline import train
from inference_container.training.spec import CALENDAR, TrainSpec, parse_calendar
from serving.errors import InvalidInput
from tests.unit.inference_container.training.samples import sample_spec


@pytest.fixture
def spec(tmp_path: Path) -> TrainSpec:
    return sample_spec(tmp_path)


def _quantiles(bundle: Path | None) -> QuantilePlan:
    assert bundle is not None
    return decode_quantiles((bundle / "quantiles.json").read_bytes(), ("down",), horizon=6)


def test_the_offsets_are_ranks_of_what_served_forecasts_missed_on_the_validation_part(spec: TrainSpec) -> None:
    result = train(spec)
    assert result.path is not None
    inferencer = open_inferencer(load_bundle(result.path)).inferencer
    series = regularise(read_csv(spec.csv, "time", spec.columns).frame, inferencer.plan.input)
    rows = len(series.grid.times)
    first, stop = rows * 70 // 100, rows * 85 // 100
    missed = []
    for end in range(first - 1, stop - spec.horizon):
        frame = Frame(series.grid.times[: end + 1], series.grid.values[: end + 1])
        ahead = series.grid.values[end + 1 : end + 1 + spec.horizon, 0]
        missed.append(ahead - inferencer.forecast(frame, spec.horizon).values[:, 0])
    assert result.calibrated_on == len(missed) == 103
    ordered = np.sort(missed, axis=0)
    found = _quantiles(result.path)
    for level, rank in ((0.1, 10), (0.9, 94), (0.975, 102)):  # of 104: 10.4 down, 93.6 and 101.4 up
        at = found.levels.index(level)
        np.testing.assert_allclose([step[0][at] for step in found.offsets], ordered[rank - 1], rtol=1e-5)


def test_the_quantiles_never_see_the_part_they_are_judged_on(spec: TrainSpec) -> None:
    first = _quantiles(train(spec).path)
    lines = spec.csv.read_text().splitlines()
    cut = 1 + 504 + 108
    later = [",".join([line.split(",")[0], *(f"{9 * float(v)}" for v in line.split(",")[1:])]) for line in lines[cut:]]
    spec.csv.write_text("\n".join(lines[:cut] + later) + "\n")
    assert _quantiles(train(dataclasses.replace(spec, allow_worse=True)).path) == first


def test_the_manifest_tells_how_many_truths_each_band_held(spec: TrainSpec) -> None:
    result = train(spec)
    assert result.path is not None
    metrics = load_bundle(result.path).manifest.metrics
    assert metrics is not None
    eighty, most = metrics.targets["down"].coverage
    assert (eighty.interval, most.interval) == (0.8, 0.95)
    assert len(eighty.by_step) == 6
    assert eighty.mean == pytest.approx(np.mean(eighty.by_step), abs=1e-4)
    assert 0.6 < eighty.mean < most.mean <= 1


def test_truths_that_were_filled_in_back_no_level(spec: TrainSpec) -> None:
    lines = spec.csv.read_text().splitlines()
    # Of the validation part every sixth hour is left: the longest bridge there is, so that windows stay whole.
    kept = [line for at, line in enumerate(lines) if not 505 <= at <= 612 or at % 6 == 0]
    spec.csv.write_text("\n".join(kept) + "\n")
    result = train(dataclasses.replace(spec, gap_policy="resample", freq_seconds=3600, allow_worse=True))
    assert result.path is not None
    assert 0 < result.calibrated_on < 25
    assert _quantiles(result.path).levels[0] == 0.1


def test_nothing_but_the_series_itself_may_be_an_input(spec: TrainSpec) -> None:
    result = train(dataclasses.replace(spec, columns=("down",), calendar=(), max_steps=30))
    assert result.path is not None
    inferencer = open_inferencer(load_bundle(result.path)).inferencer
    assert inferencer.plan.input.features == 1
    frame = regularise(read_csv(spec.csv, "time", ("down",)).frame, inferencer.plan.input).grid
    assert inferencer.forecast(frame, 30).values.shape == (30, 1)


def test_inputs_that_are_no_targets_are_held_when_a_forecast_is_fed_back(spec: TrainSpec) -> None:
    result = train(dataclasses.replace(spec, max_steps=30))
    assert result.path is not None
    output = load_bundle(result.path).manifest.output
    assert (output.recursive, output.held, output.max_steps) == (True, ("users",), 30)


def test_calendar_names_keep_their_order_and_an_empty_list_is_one() -> None:
    assert parse_calendar("day_of_year, minute_of_day") == ("day_of_year", "minute_of_day")
    assert parse_calendar(" ") == ()
    assert parse_calendar(",".join(CALENDAR)) == CALENDAR
    with pytest.raises(InvalidInput, match="named hour, moon"):
        parse_calendar("hour,day_of_week,moon")


_BLOCKED = """
import sys
for name in ("torch", "matplotlib"):
    sys.modules[name] = None  # an import of it fails as if it were not installed
from inference_container.commands.app import app
app(sys.argv[1:])
"""


def test_a_linear_model_trains_where_neither_torch_nor_matplotlib_is_installed(spec: TrainSpec) -> None:
    options = ["--target", "down", "--input-len", "24", "--horizon", "6", "--model", "linear", "--name", "plain"]
    command = [sys.executable, "-W", "error", "-c", _BLOCKED, "train", str(spec.csv), *options, "--out", str(spec.out)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert ran.returncode == 0, ran.stderr
    assert "plot: none, matplotlib is not installed" in ran.stdout
    assert "quantiles: 103 validation windows" in ran.stdout
    assert sorted(path.name for path in (spec.out / "plain").iterdir()) == [
        "golden.json",
        "manifest.json",
        "model.safetensors",
        "quantiles.json",
    ]
