"""A linear network in numpy: the whole forecast path without torch, in milliseconds from a cold start.

One matrix maps the flattened window to each target at each step, or to its change. `training.fit` solves for it in
closed form; the test suite and small installations serve it.
"""

import numpy as np
from typing_extensions import override

from inference_container.forecasting.arrays import Float32Array
from inference_container.forecasting.backends.protocol import Backend, Weights
from inference_container.forecasting.plan import NetworkPlan


class LinearBackend(Backend):
    """Tensors `weight` (horizon * targets, input_len * features) and `bias` (horizon * targets)."""

    def __init__(self, network: NetworkPlan, weights: Weights) -> None:
        self._network = network
        self._base = list(network.target_positions) if network.predicts == "change" else None
        # Twice as wide as the answer: products of one row and of many rows differ in their last bits, and a claim that
        # is worked twice is to leave the same bytes twice. In an answer of half the width those bits do not show.
        self._weight = weights["weight"].T.astype(np.float64)
        self._bias = weights["bias"].astype(np.float64)

    @property
    @override
    def name(self) -> str:
        return "numpy"

    @override
    def forward(self, features: Float32Array) -> Float32Array:
        # Overflow shows as infinity in the forecast, where the inferencer looks for it.
        with np.errstate(over="ignore", invalid="ignore"):
            flat = (features.reshape(len(features), -1) @ self._weight + self._bias).astype(np.float32)
            found: Float32Array = flat.reshape(len(features), self._network.horizon, self._network.targets)
            return found if self._base is None else features[:, -1:, self._base] + found
