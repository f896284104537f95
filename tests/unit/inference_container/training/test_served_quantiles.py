"""A trained bundle, opened as a worker opens it: what it says in the band is what the back-test counted."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from inference_container.bundles.files import QUANTILES
from inference_container.bundles.loader import load_bundle, open_inferencer
from inference_container.errors import BundleRefused
from inference_container.forecasting.frame import Frame
from inference_container.training.data import Series, read_csv, regularise
from inference_container.training.pipeline import train
from inference_container.training.spec import TrainSpec
from tests.unit.inference_container.bundles.samples import reseal
from tests.unit.inference_container.training.samples import sample_spec


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> TrainSpec:
    return dataclasses.replace(sample_spec(tmp_path_factory.mktemp("served")), max_steps=30)


@pytest.fixture(scope="module")
def path(spec: TrainSpec) -> Path:
    path = train(spec).path
    assert path is not None
    return path


@pytest.fixture(scope="module")
def series(spec: TrainSpec, path: Path) -> Series:
    return regularise(read_csv(spec.csv, "time", spec.columns).frame, load_bundle(path).manifest.plan().input)


def test_the_served_band_holds_as_many_truths_as_the_manifest_says(path: Path, series: Series) -> None:
    bundle = load_bundle(path)
    inferencer = open_inferencer(bundle).inferencer
    rows, horizon = len(series.grid.times), bundle.manifest.output.horizon
    held = []
    for end in range(rows * 85 // 100 - 1, rows - horizon):
        frame = Frame(series.grid.times[: end + 1], series.grid.values[: end + 1])
        band = inferencer.forecast(frame, horizon, (0.1, 0.9)).quantiles
        assert band is not None
        truth = series.grid.values[end + 1 : end + 1 + horizon, 0]
        held.append((truth >= band[:, 0, 0]) & (truth <= band[:, 0, 1]))
    metrics = bundle.manifest.metrics
    assert metrics is not None
    np.testing.assert_allclose(np.mean(held, axis=0), metrics.targets["down"].coverage[0].by_step, atol=1e-4)


def test_beyond_the_horizon_the_forecast_goes_on_with_held_inputs(path: Path, series: Series) -> None:
    inferencer = open_inferencer(load_bundle(path)).inferencer
    far = inferencer.forecast(series.grid, 30).values
    assert far.shape == (30, 1)
    np.testing.assert_array_equal(far[:6], inferencer.forecast(series.grid, 6).values)
    # The second window begins with the first forecast and users as they were in the last row.
    times = series.grid.times[-1] + inferencer.plan.step * np.arange(1, 7)
    fed = np.column_stack((far[:6, 0], np.full(6, series.grid.values[-1, 1])))
    longer = Frame(np.concatenate((series.grid.times, times)), np.concatenate((series.grid.values, fed)))
    np.testing.assert_allclose(far[6:12], inferencer.forecast(longer, 6).values, rtol=1e-4)


def test_quantiles_of_another_model_are_refused_however_well_sealed(path: Path) -> None:
    text = (path / QUANTILES).read_text()
    (path / QUANTILES).write_text(text.replace('"down"', '"up"'))
    reseal(path)
    try:
        with pytest.raises(BundleRefused, match="targets of the manifest"):
            load_bundle(path)
    finally:
        (path / QUANTILES).write_text(text)
        reseal(path)
    load_bundle(path)
