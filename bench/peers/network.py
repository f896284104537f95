"""The network as the peers run it: eager PyTorch on one thread, which is what such servers come with in the field.

Imported where the forecast is computed and nowhere else, so that a front process is not weighed with torch in it.
"""

import os
from pathlib import Path

import numpy as np
import torch

from bench.peers.workload import ARRAYS, COLUMNS, FEATURES, HIDDEN, LAYERS, TARGET, WINDOW, FloatArray

_MEAN, _STD = COLUMNS[TARGET]


class Network(torch.nn.Module):
    """A stacked GRU and a linear head on its last state."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = torch.nn.GRU(FEATURES, HIDDEN, LAYERS, batch_first=True)
        self.fc = torch.nn.Linear(HIDDEN, 1)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        states, _ = self.rnn(windows)
        head: torch.Tensor = self.fc(states[:, -1])
        return head[:, 0]


class Forecaster:
    """The loaded network; one per process that computes."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._network = Network()
        with np.load(Path(os.environ["BENCH_NETWORK"]) / ARRAYS, allow_pickle=False) as arrays:
            self._network.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays.files})
        self._network.eval()
        for batch in (1, 32):
            self(np.zeros((batch, WINDOW, FEATURES), np.float32))

    def __call__(self, windows: FloatArray) -> list[float]:
        """(batch, WINDOW, FEATURES) scaled, to the target in raw units."""
        with torch.inference_mode():
            scaled = self._network(torch.from_numpy(windows))
        return [value * _STD + _MEAN for value in scaled.tolist()]
