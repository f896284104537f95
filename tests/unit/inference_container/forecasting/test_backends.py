import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from inference_container.errors import BundleRefused
from inference_container.forecasting.backends.choice import BackendChoice, open_backend
from inference_container.forecasting.backends.linear import LinearBackend
from inference_container.forecasting.backends.torch import TorchBackend, build_network
from inference_container.forecasting.plan import Architecture, NetworkPlan
from tests.unit.inference_container.forecasting.samples import sample_plan, sample_weights

_LINEAR = sample_plan(targets=("heat", "load")).network
_WINDOWS = np.random.default_rng(1).normal(size=(5, 6, 8)).astype(np.float32)


def _recurrent(arch: Architecture) -> NetworkPlan:
    return dataclasses.replace(_LINEAR, arch=arch, hidden=9, layers=2)


def test_numpy_and_torch_agree_on_a_linear_network() -> None:
    weights = sample_weights(_LINEAR)
    plain, torch = LinearBackend(_LINEAR, weights), TorchBackend(_LINEAR, weights)
    np.testing.assert_allclose(plain.forward(_WINDOWS), torch.forward(_WINDOWS), rtol=1e-4, atol=1e-5)


def test_a_linear_network_answers_one_window_and_many_with_the_same_bytes() -> None:
    backend = LinearBackend(_LINEAR, sample_weights(_LINEAR))
    many = np.random.default_rng(2).normal(size=(256, 6, 8)).astype(np.float32)
    together = backend.forward(many)
    alone = np.concatenate([backend.forward(many[at : at + 1]) for at in range(len(many))])
    assert together.dtype == np.float32
    assert alone.tobytes() == together.tobytes()
    assert backend.forward(many[:7]).tobytes() == together[:7].tobytes()


def test_a_linear_network_without_weights_of_any_size_is_persistence() -> None:
    zero = {name: np.zeros_like(tensor) for name, tensor in sample_weights(_LINEAR).items()}
    found = LinearBackend(_LINEAR, zero).forward(_WINDOWS)
    np.testing.assert_array_equal(found, np.repeat(_WINDOWS[:, -1:, [1, 0]], 3, axis=1))


@pytest.mark.parametrize("arch", ["gru", "lstm"])
def test_a_recurrent_network_forecasts_every_step_of_every_target(arch: Architecture) -> None:
    network = _recurrent(arch)
    weights = {name: tensor.numpy() for name, tensor in build_network(network).state_dict().items()}
    backend = open_backend(network, weights, "torch")
    assert backend.name == "torch"
    together = backend.forward(_WINDOWS)
    assert together.shape == (5, 3, 2)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together[2:3], backend.forward(_WINDOWS[2:3]), rtol=1e-4, atol=1e-5)


def test_the_wide_choice_takes_numpy_for_linear_and_torch_when_told() -> None:
    weights = sample_weights(_LINEAR)
    assert open_backend(_LINEAR, weights).name == "numpy"
    assert open_backend(_LINEAR, weights, "torch").name == "torch"


@pytest.mark.parametrize(("network", "choice"), [(_LINEAR, "onnxruntime"), (_recurrent("gru"), "numpy")])
def test_a_backend_that_does_not_know_the_architecture_is_refused(network: NetworkPlan, choice: BackendChoice) -> None:
    with pytest.raises(BundleRefused, match=choice):
        open_backend(network, sample_weights(network), choice)


def test_torch_computes_in_the_memory_it_is_given_and_never_writes_to_it() -> None:
    network = _recurrent("gru")
    weights = sample_weights(network)
    before = {name: tensor.copy() for name, tensor in weights.items()}
    backend = TorchBackend(network, weights)
    first = backend.forward(_WINDOWS).copy()
    for name, tensor in weights.items():
        np.testing.assert_array_equal(tensor, before[name])
    weights["head.bias"][...] += 1.0
    np.testing.assert_allclose(backend.forward(_WINDOWS), first + 1.0, rtol=1e-5)


def test_torch_copies_what_it_may_not_write_to_and_does_not_warn() -> None:
    network = _recurrent("lstm")
    weights = sample_weights(network)
    expected = TorchBackend(network, weights).forward(_WINDOWS)
    for tensor in weights.values():
        tensor.flags.writeable = False
    np.testing.assert_array_equal(TorchBackend(network, weights).forward(_WINDOWS), expected)


@pytest.mark.parametrize("network", [_LINEAR, _recurrent("gru")])
def test_weights_of_another_network_are_refused(network: NetworkPlan) -> None:
    weights = dict(sample_weights(_LINEAR))
    weights["bias"] = weights["bias"][:-1]
    with pytest.raises(BundleRefused):
        open_backend(network, weights)


def test_a_linear_forecast_never_imports_torch_or_a_framework() -> None:
    # In a process of its own: this one has imported torch above.
    program = (
        "import sys\n"
        "import inference_container.forecasting.inferencer, inference_container.forecasting.backends.linear\n"
        "import inference_container.forecasting.windows\n"
        "print(sorted({'torch', 'pydantic', 'fastapi', 'safetensors'} & set(sys.modules)))\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert found.stdout.strip() == "[]"
