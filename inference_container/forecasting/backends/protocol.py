"""The port between the forecast and whatever multiplies the matrices, and the one place that chooses an adapter.

`inferencer` calls `forward` once per batch and recursive step. `open_backend` imports torch only for the architectures
that need it, so a linear bundle serves from a process that never loads it.
"""

from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias

from inference_container.errors import BundleRefused
from inference_container.forecasting.plan import Float32Array, NetworkPlan

#: Tensors by name, float32, as they stand in the weights file.
Weights: TypeAlias = Mapping[str, Float32Array]
#: `auto` takes numpy for what it can run and torch for the rest.
BackendChoice: TypeAlias = Literal["auto", "torch"]


class Backend(Protocol):
    """A network with its weights. Blocking; used by one thread at a time."""

    @property
    def name(self) -> str:
        """For metrics and logs: `numpy` or `torch`."""
        ...

    def forward(self, features: Float32Array) -> Float32Array:
        """Forecast a batch in scaled units.

        Args:
            features: (batch, input_len, features).

        Returns:
            (batch, horizon, targets).
        """
        ...


def open_backend(network: NetworkPlan, weights: Weights, choice: BackendChoice = "auto") -> Backend:
    """The backend for a network.

    Raises:
        BundleRefused: the tensors are not those of the architecture, in name or in shape.
    """
    if network.arch == "linear" and choice == "auto":
        from inference_container.forecasting.backends.linear import LinearBackend

        return LinearBackend(network, weights)
    try:
        from inference_container.forecasting.backends.torch import TorchBackend
    except ModuleNotFoundError as error:
        raise BundleRefused(f"Bundles of architecture {network.arch} need torch, which is not installed.") from error
    return TorchBackend(network, weights)
