"""Which backend computes a network: the one place that chooses an adapter.

torch is imported only for the architectures that need it, so a linear bundle serves from a process that never loads it.
"""

from typing import Literal, TypeAlias

from inference_container.errors import BundleRefused
from inference_container.forecasting.backends.protocol import Backend, Weights
from inference_container.forecasting.plan import NetworkPlan

#: `auto` takes numpy for what it can run and torch for the rest.
BackendChoice: TypeAlias = Literal["auto", "torch"]


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
