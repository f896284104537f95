"""A recurrent network in plain numpy, in float64: what the golden windows of an imported network are recorded with.

`importer` is its only caller. Networks from elsewhere come with arrays and no forecasts; their golden windows are worth
something when other hands computed them than those that will serve. So the equations stand here once more, as PyTorch
documents them, and the writer then replays the windows on the backend of this machine. Speed is no aim.
"""

from typing import TypeAlias

import numpy as np
from typing_extensions import override

from inference_container.forecasting.arrays import Float32Array, FloatArray
from inference_container.forecasting.backends.protocol import Backend, Weights
from inference_container.forecasting.plan import NetworkPlan

#: Hidden state, and the cell state that only an LSTM has; (batch, hidden) each.
_State: TypeAlias = tuple[FloatArray, FloatArray]


class ReferenceBackend(Backend):
    """A GRU or an LSTM whose weights have been checked. Overflow shows as infinity in the forecast."""

    def __init__(self, network: NetworkPlan, weights: Weights) -> None:
        self._network = network
        self._weights: dict[str, FloatArray] = {name: tensor.astype(np.float64) for name, tensor in weights.items()}
        self._base = list(network.target_positions) if network.predicts == "change" else None

    @property
    @override
    def name(self) -> str:
        return "reference"

    @override
    def forward(self, features: Float32Array) -> Float32Array:
        network = self._network
        rows: FloatArray = features.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            for layer in range(network.layers):
                rows = self._layer(rows, layer)
            flat = rows[:, -1] @ self._weights["head.weight"].T + self._weights["head.bias"]
            found = flat.reshape(len(rows), network.horizon, network.targets)
            if self._base is not None:
                found = features[:, -1:, self._base] + found
            return found.astype(np.float32)

    def _layer(self, rows: FloatArray, layer: int) -> FloatArray:
        """All hidden states of one layer: (batch, rows, inputs) to (batch, rows, hidden)."""
        weight_ih, weight_hh, bias_ih, bias_hh = (
            self._weights[f"rnn.{part}_l{layer}"] for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        step = _gru_step if self._network.arch == "gru" else _lstm_step
        nothing = np.zeros((len(rows), self._network.hidden))
        state: _State = (nothing, nothing)
        states = []
        for moment in range(rows.shape[1]):
            state = step(rows[:, moment] @ weight_ih.T + bias_ih, state[0] @ weight_hh.T + bias_hh, state)
            states.append(state[0])
        return np.stack(states, axis=1)


def _gru_step(from_input: FloatArray, from_state: FloatArray, state: _State) -> _State:
    reset_in, update_in, new_in = np.split(from_input, 3, axis=1)
    reset_state, update_state, new_state = np.split(from_state, 3, axis=1)
    update = _sigmoid(update_in + update_state)
    # The reset gate closes after its matrix product and bias, not before: papers differ, PyTorch does it so.
    fresh = np.tanh(new_in + _sigmoid(reset_in + reset_state) * new_state)
    return (1.0 - update) * fresh + update * state[0], state[1]


def _lstm_step(from_input: FloatArray, from_state: FloatArray, state: _State) -> _State:
    enter, forget, fresh, show = np.split(from_input + from_state, 4, axis=1)
    cell = _sigmoid(forget) * state[1] + _sigmoid(enter) * np.tanh(fresh)
    return _sigmoid(show) * np.tanh(cell), cell


def _sigmoid(values: FloatArray) -> FloatArray:
    # By way of tanh, which never overflows.
    found: FloatArray = 0.5 * (1.0 + np.tanh(0.5 * values))
    return found
