"""The forecast every peer serves: JSON fields to features, one forward pass, the contract's answer.

Imported by the peers' servers only, in their own environment. The features are made with numpy, as a careful author of
such a server would; `predecessor_server` alone does without and pays for pandas. Eager PyTorch on one thread, because
that is what those servers come with in the field and what they are fastest with at batch size.
"""

import math
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from bench.peers.workload import (
    ARRAYS,
    CALENDAR,
    COLUMNS,
    FEATURES,
    HIDDEN,
    LAYERS,
    TARGET,
    WINDOW,
)

FloatArray = npt.NDArray[np.float32]
MEANS = np.array([mean for mean, _ in COLUMNS.values()])
STDS = np.array([std for _, std in COLUMNS.values()])
_TARGET_MEAN, _TARGET_STD = COLUMNS[TARGET]
_PERIODS = np.array([1440.0, 7.0, 365.25])


class Unusable(ValueError):
    """The request can not be forecast; the text says why."""


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
        return [value * _TARGET_STD + _TARGET_MEAN for value in scaled.tolist()]


def features(fields: Mapping[str, object]) -> tuple[FloatArray, str]:
    """The last window, scaled and with its calendar, and the time that comes after it.

    Raises:
        Unusable: columns are missing, unequal, too short, not finite, or the times do not rise.
    """
    data, time_column = fields.get("data"), fields.get("index_col") or "ts"
    if not isinstance(data, dict):
        raise Unusable("data must be an object")
    try:
        times = np.array(data[time_column], dtype="datetime64[s]")
        rows = np.array([data[name] for name in COLUMNS], dtype=np.float64).T
    except (KeyError, TypeError, ValueError) as error:
        raise Unusable(f"columns: {error}") from error
    if len(times) <= WINDOW or rows.shape != (len(times), len(COLUMNS)):
        raise Unusable("too few rows, or columns of different length")
    steps = np.diff(times)
    if (steps <= np.timedelta64(0)).any():
        order = np.argsort(times, kind="stable")
        times, rows, steps = times[order], rows[order], np.diff(times[order])
    if not math.isfinite(rows.sum()):
        raise Unusable("values must be finite")
    window = np.empty((WINDOW, FEATURES), np.float32)
    window[:, : len(COLUMNS)] = (rows[-WINDOW:] - MEANS) / STDS
    window[:, len(COLUMNS) :] = _calendar(times[-WINDOW:])
    return window, str(times[-1] + steps[-1])


def _calendar(times: npt.NDArray[np.datetime64]) -> npt.NDArray[np.float64]:
    """Sine and cosine of the day, the week and the year, side by side."""
    day = times.astype("datetime64[D]")
    year = day.astype("datetime64[Y]").astype("datetime64[D]")
    counted = np.empty((len(times), len(CALENDAR)))
    counted[:, 0] = (times - day).astype(np.int64) // 60
    counted[:, 1] = (day.astype(np.int64) + 3) % 7  # the epoch began on a Thursday
    counted[:, 2] = (day - year).astype(np.int64) + 1
    angle = counted * (2 * np.pi / _PERIODS)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(len(times), -1)


def answer(time: str, value: float) -> dict[str, object]:
    """The fields of a successful `POST /predict`."""
    return {
        "status": "SUCCESS",
        "identifier": "default",
        "run_id": "bench",
        "predictions": [{"ts": time, TARGET: value}],
        "req_id": secrets.token_hex(4),
        "cached": False,
    }
