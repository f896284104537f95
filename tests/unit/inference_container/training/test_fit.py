import dataclasses
from datetime import timedelta

import numpy as np
import pytest

from inference_container.forecasting.backends.choice import open_backend
from inference_container.forecasting.backends.linear import LinearBackend
from inference_container.forecasting.frame import Frame
from inference_container.forecasting.plan import Architecture, NetworkPlan
from inference_container.training.data import Series
from inference_container.training.fit import FitOptions, Progress, fit, fit_ridge
from inference_container.training.windows import Parts, cut_parts
from tests.unit.inference_container.forecasting.samples import START, sample_plan

_PLAN = sample_plan(columns=("load",), input_len=6, horizon=2)


def _wave(rows: int = 400, noise: float = 0.0) -> Parts:
    """A wave of period 12: two past values determine the next."""
    steps = np.arange(rows)
    values = 5.0 + 2.0 * np.sin(2 * np.pi * steps / 12) + np.random.default_rng(0).normal(0, noise, rows)
    times = np.array([START + timedelta(hours=int(row)) for row in steps], dtype="datetime64[us]")
    series = Series(Frame(times, values[:, np.newaxis]), np.ones((rows, 1), dtype=np.bool_))
    return cut_parts(series, _PLAN.input, _PLAN.output, _PLAN.scaling)


def _network(arch: Architecture) -> NetworkPlan:
    return dataclasses.replace(_PLAN.network, arch=arch, hidden=8, layers=1)


def test_a_ridge_finds_the_rule_behind_a_wave() -> None:
    parts = _wave()
    backend = LinearBackend(_PLAN.network, fit_ridge(parts.train, 1e-9))
    inputs = parts.test.inputs(parts.test.ends)
    error = backend.forward(inputs) - inputs[:, -1:, :1] - parts.test.changes(parts.test.ends)
    assert float(np.abs(error).max()) < 1e-3


def test_a_heavier_penalty_shrinks_the_weights_and_leaves_the_bias_free() -> None:
    light, heavy = (fit_ridge(_wave(noise=0.5).train, ridge) for ridge in (0.01, 1e9))
    assert np.abs(heavy["weight"]).max() < 1e-6 < np.abs(light["weight"]).max()
    train = _wave(noise=0.5).train
    np.testing.assert_allclose(heavy["bias"], train.changes(train.ends).mean(axis=0).ravel(), atol=1e-5)


@pytest.mark.parametrize("arch", ["gru", "lstm"])
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(arch: Architecture) -> None:
    parts = _wave(200, noise=0.2)
    first, again, other = (
        fit(_network(arch), parts.train, parts.validation, FitOptions(seed=seed, epochs=2)) for seed in (1, 1, 2)
    )
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)


def test_a_network_learns_and_the_best_epoch_is_the_one_kept() -> None:
    parts = _wave(400, noise=0.1)
    seen: list[Progress] = []
    options = FitOptions(seed=1, epochs=12, patience=3, learning_rate=0.02)
    weights = fit(_network("gru"), parts.train, parts.validation, options, seen.append)
    best = [each for each in seen if each.best][-1]
    assert best.validation_loss < 0.7 * seen[0].validation_loss
    assert best.validation_loss == min(each.validation_loss for each in seen)
    ends = parts.validation.ends
    inputs = parts.validation.inputs(ends)
    found = open_backend(_network("gru"), weights).forward(inputs)
    loss = float(np.mean((found - inputs[:, -1:, :1] - parts.validation.changes(ends)) ** 2))
    assert loss == pytest.approx(best.validation_loss, rel=1e-3)


def test_training_stops_after_its_patience_with_epochs_that_bring_nothing() -> None:
    parts = _wave(200)
    seen: list[Progress] = []
    # A step this small changes nothing that float32 could see after the first epoch.
    options = FitOptions(epochs=50, patience=2, learning_rate=0.0, weight_decay=0.0)
    fit(_network("gru"), parts.train, parts.validation, options, seen.append)
    assert len(seen) == 3
