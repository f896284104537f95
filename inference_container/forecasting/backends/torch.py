"""Networks in torch: gru, lstm and linear, the closed list of architectures.

Worker processes serve with `TorchBackend`; `training.fit` trains what `build_network` makes. Weights come as plain
tensors by name: nothing that a bundle holds is ever executed.
"""

import torch
from torch import Tensor, nn
from typing_extensions import override

from inference_container.errors import BundleRefused
from inference_container.forecasting.arrays import Float32Array
from inference_container.forecasting.backends.protocol import Backend, Weights
from inference_container.forecasting.plan import NetworkPlan


class RecurrentNetwork(nn.Module):
    """A GRU or LSTM over the window; its last state gives each target at each step, or its change.

    Predicting the change makes persistence the starting point of training, and a series that leaves the range of the
    training data keeps its level.
    """

    def __init__(self, network: NetworkPlan) -> None:
        super().__init__()
        kind = nn.GRU if network.arch == "gru" else nn.LSTM
        self.rnn = kind(network.features, network.hidden, network.layers, batch_first=True)
        self.head = nn.Linear(network.hidden, network.horizon * network.targets)
        self._horizon = network.horizon
        self._width, self._base = network.targets, _base(network)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, input_len, features) to (batch, horizon, targets)."""
        states: Tensor = self.rnn(features)[0]
        found: Tensor = self.head(states[:, -1]).view(-1, self._horizon, self._width)
        return found if self._base is None else features[:, -1:, self._base] + found


class LinearNetwork(nn.Module):
    """The same arithmetic as `backends.linear`, to check one against the other."""

    def __init__(self, network: NetworkPlan) -> None:
        super().__init__()
        outputs = network.horizon * network.targets
        self.weight = nn.Parameter(torch.zeros(outputs, network.input_len * network.features))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self._horizon = network.horizon
        self._width, self._base = network.targets, _base(network)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, input_len, features) to (batch, horizon, targets)."""
        flat = nn.functional.linear(features.flatten(1), self.weight, self.bias)
        found: Tensor = flat.view(-1, self._horizon, self._width)
        return found if self._base is None else features[:, -1:, self._base] + found


def _base(network: NetworkPlan) -> list[int] | None:
    """The inputs that the forecast is a change of; None when it is a level."""
    return list(network.target_positions) if network.predicts == "change" else None


def build_network(network: NetworkPlan) -> nn.Module:
    """An untrained network of the plan's architecture, initialised from torch's global seed."""
    return LinearNetwork(network) if network.arch == "linear" else RecurrentNetwork(network)


class TorchBackend(Backend):
    """Eager torch on one thread: at these sizes a second thread per process makes batches slower, not faster."""

    def __init__(self, network: NetworkPlan, weights: Weights) -> None:
        # Must come before the first operation of the process; workers scale by process, not by thread.
        torch.set_num_threads(1)
        with torch.device("meta"):  # shapes only: every tensor is replaced, so none is filled with chance first
            self._network = build_network(network)
        try:
            self._network.load_state_dict({name: _shared(w) for name, w in weights.items()}, assign=True)
        except (RuntimeError, TypeError) as error:
            raise BundleRefused(f"The weights do not fit a {network.arch} network of this plan: {error}") from error
        self._network.eval()

    @property
    @override
    def name(self) -> str:
        return "torch"

    @override
    def forward(self, features: Float32Array) -> Float32Array:
        with torch.inference_mode():
            forecast: Tensor = self._network(torch.from_numpy(features))
        return forecast.numpy()


def _shared(weight: Float32Array) -> Tensor:
    """The array's own memory, so that workers share what is mapped from one file; nothing here writes to it.

    Torch warns about memory that it may not write to: such an array is copied.
    """
    return torch.from_numpy(weight if weight.flags.writeable else weight.copy())
