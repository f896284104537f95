"""The port between the forecast and whatever multiplies the matrices.

`inferencer` calls `forward` once per batch and recursive step; `choice` opens the adapter that a network needs.
"""

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from inference_container.forecasting.arrays import Float32Array

#: Tensors by name, float32, as they stand in the weights file.
Weights: TypeAlias = Mapping[str, Float32Array]


class Backend(Protocol):
    """A network with its weights. Blocking; used by one thread at a time."""

    @property
    def name(self) -> str:
        """For metrics and logs: `numpy`, `onnxruntime` or `torch`."""
        ...

    def forward(self, features: Float32Array) -> Float32Array:
        """Forecast a batch in scaled units.

        Args:
            features: (batch, input_len, features).

        Returns:
            (batch, horizon, targets).
        """
        ...
