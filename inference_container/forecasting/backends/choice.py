"""Which backend computes a network: the one place that chooses an adapter.

`bundles.loader` goes down the list and takes the first one that gives the recorded forecasts. Each backend is imported
only when it is its turn, so a linear bundle serves from a process that loads numpy alone, and a recurrent one from a
process that never loads torch.
"""

from typing import Literal, TypeAlias, assert_never

from inference_container.errors import BundleRefused
from inference_container.forecasting.backends.protocol import Backend, Weights
from inference_container.forecasting.backends.tensors import refuse_other_tensors
from inference_container.forecasting.plan import Architecture, NetworkPlan

BackendName: TypeAlias = Literal["numpy", "onnxruntime", "torch"]
#: `auto` is the fastest that gives the recorded forecasts; a name is that backend or none.
BackendChoice: TypeAlias = Literal["auto", "numpy", "onnxruntime", "torch"]

#: Fastest first.
_CAN_RUN: dict[Architecture, tuple[BackendName, ...]] = {
    "linear": ("numpy", "torch"),
    "gru": ("onnxruntime", "torch"),
    "lstm": ("onnxruntime", "torch"),
}


def backends_for(arch: Architecture, choice: BackendChoice = "auto") -> tuple[BackendName, ...]:
    """The backends to try, in this order; at least one.

    Raises:
        BundleRefused: the chosen one does not know the architecture.
    """
    able = _CAN_RUN[arch]
    if choice == "auto":
        # numpy needs no second opinion: it is the arithmetic of the recorded forecasts, on other kernels at most.
        return able[:1] if able[0] == "numpy" else able
    if choice not in able:
        raise BundleRefused(f"Bundles of architecture {arch} run on {' or '.join(able)}, not on {choice}.")
    return (choice,)


def open_backend(network: NetworkPlan, weights: Weights, choice: BackendChoice = "auto") -> Backend:
    """The first backend that `backends_for` names, and no other.

    Raises:
        BundleRefused: the tensors are not those of the architecture, or the backend can not be had here.
    """
    refuse_other_tensors(network, weights)
    name = backends_for(network.arch, choice)[0]
    try:
        return _opened(name, network, weights)
    except ImportError as error:  # not installed, or not for this machine
        raise BundleRefused(f"Backend {name} can not be imported here ({type(error).__name__}: {error}).") from error


def _opened(name: BackendName, network: NetworkPlan, weights: Weights) -> Backend:
    match name:
        case "numpy":
            from inference_container.forecasting.backends.linear import LinearBackend

            return LinearBackend(network, weights)
        case "onnxruntime":
            from inference_container.forecasting.backends.onnx import OnnxBackend

            return OnnxBackend(network, weights)
        case "torch":
            from inference_container.forecasting.backends.torch import TorchBackend

            return TorchBackend(network, weights)
        case _:
            assert_never(name)
