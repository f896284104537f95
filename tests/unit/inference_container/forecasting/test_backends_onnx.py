import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference_container.errors import BundleRefused
from inference_container.forecasting.backends.graph import write_graph
from inference_container.forecasting.backends.graph_cache import KEPT, graph_model
from inference_container.forecasting.backends.onnx import OnnxBackend
from inference_container.forecasting.backends.torch import TorchBackend
from inference_container.forecasting.plan import Architecture, NetworkPlan, Predicts
from tests.unit.inference_container.forecasting.samples import sample_weights

_SMALL = NetworkPlan("gru", 5, 4, 2, targets=1, predicts="change", target_positions=(1,), hidden=6, layers=1)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "sluice" / "onnx"


@pytest.mark.parametrize("arch", ["gru", "lstm"])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("predicts", ["change", "level"])
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(
    input_len=st.integers(1, 12),
    hidden=st.integers(1, 33),
    horizon=st.sampled_from([1, 10]),
    positions=st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True),
    seed=st.integers(0, 1000),
)
def test_onnx_runtime_and_torch_always_agree_on_the_same_weights(
    arch: Architecture,
    layers: int,
    predicts: Predicts,
    input_len: int,
    hidden: int,
    horizon: int,
    positions: list[int],
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = NetworkPlan(arch, input_len, 6, horizon, len(positions), predicts, tuple(positions), hidden, layers)
    weights = {name: tensor * 3 for name, tensor in sample_weights(network, seed).items()}
    # Written in this process: a process for each of them would take the test a minute.
    monkeypatch.setattr("inference_container.forecasting.backends.onnx.graph_model", write_graph)
    quick, torch = OnnxBackend(network, weights), TorchBackend(network, weights)
    for batch in (1, 2, 32):
        windows = np.random.default_rng(seed).normal(size=(batch, input_len, 6)).astype(np.float32)
        found = quick.forward(windows)
        assert found.shape == (batch, horizon, len(positions))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, torch.forward(windows), rtol=1e-5, atol=1e-6)


def test_a_target_that_is_no_input_can_be_forecast_as_a_level() -> None:
    network = NetworkPlan("lstm", 5, 4, 2, targets=3, predicts="level", target_positions=(), hidden=6, layers=2)
    weights = sample_weights(network)
    windows = np.random.default_rng(3).normal(size=(2, 5, 4)).astype(np.float32)
    expected = TorchBackend(network, weights).forward(windows)
    np.testing.assert_allclose(OnnxBackend(network, weights).forward(windows), expected, rtol=1e-5, atol=1e-6)


def test_a_graph_of_other_tensors_is_never_written() -> None:
    weights = dict(sample_weights(_SMALL))
    weights["rnn.weight_hh_l0"] = weights["rnn.weight_hh_l0"][:-1]
    with pytest.raises(BundleRefused, match="weight_hh_l0"):
        write_graph(_SMALL, weights)


def test_a_model_is_written_once_and_for_its_owner_alone(cache: Path) -> None:
    weights = sample_weights(_SMALL)
    first = graph_model(_SMALL, weights)
    assert isinstance(first, Path)
    assert (first.parent, first.stat().st_mode & 0o777, cache.stat().st_mode & 0o777) == (cache, 0o600, 0o700)
    written = first.stat().st_ino
    assert graph_model(_SMALL, weights) == first
    assert first.stat().st_ino == written
    assert [path.name for path in cache.iterdir()] == [first.name]


def test_other_weights_or_another_plan_never_get_the_same_model(cache: Path) -> None:
    weights = sample_weights(_SMALL)
    other = {**weights, "head.bias": weights["head.bias"] + np.float32(1e-6)}
    level = NetworkPlan("gru", 5, 4, 2, targets=1, predicts="level", target_positions=(1,), hidden=6, layers=1)
    found = {graph_model(_SMALL, weights), graph_model(_SMALL, other), graph_model(level, weights)}
    assert len(found) == len(list(cache.iterdir())) == 3


@pytest.mark.parametrize("damage", ["a flipped bit", "a torn file", "an empty file"])
def test_a_damaged_model_is_written_anew(cache: Path, damage: str) -> None:
    weights = sample_weights(_SMALL)
    path = graph_model(_SMALL, weights)
    assert isinstance(path, Path)
    content = path.read_bytes()
    flipped = content[:200] + bytes([content[200] ^ 1]) + content[201:]
    path.write_bytes({"a flipped bit": flipped, "a torn file": content[:300], "an empty file": b""}[damage])
    assert graph_model(_SMALL, weights) == path
    assert path.read_bytes() == content


@pytest.mark.parametrize("trouble", ["a file stands there", "others may write to it"])
def test_without_a_private_folder_the_model_is_made_each_time(cache: Path, trouble: str) -> None:
    if trouble == "a file stands there":
        cache.parent.write_text("in the way")
    else:
        cache.mkdir(parents=True)
        cache.chmod(0o777)
    found = graph_model(_SMALL, sample_weights(_SMALL))
    assert isinstance(found, bytes)
    assert not cache.is_dir() or list(cache.iterdir()) == []


def test_the_cache_never_grows_beyond_its_bound_and_keeps_what_was_used_last(cache: Path) -> None:
    cache.mkdir(parents=True, mode=0o700)
    for number in range(KEPT + 5):
        stale = cache / f"{number:064d}-{number:064d}.onnx"
        stale.touch()
        os.utime(stale, (1_000_000 + number, 1_000_000 + number))
    begun = time.time()
    fresh = graph_model(_SMALL, sample_weights(_SMALL))
    kept = sorted(cache.iterdir())
    assert len(kept) == KEPT
    assert fresh in kept
    assert min(path.stat().st_mtime for path in kept) == 1_000_000 + 6
    assert isinstance(fresh, Path)
    assert fresh.stat().st_mtime > begun - 60
