"""What every server in the comparison is asked: a cell's radio load, 30 rows of 11 columns, one step ahead.

Fixed by seeds, so that two machines forecast the same numbers. `bench.predict` writes the network and its description
to a folder, from which our bundle is imported and every peer loads; numpy only, because both environments read this.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

#: Column, its mean and the standard deviation it was scaled with. The first is the one that is forecast.
COLUMNS: dict[str, tuple[float, float]] = {
    "down": (2.1e8, 1.0e8),
    "up": (3.2e7, 1.5e7),
    "rnti_count": (5800.0, 2900.0),
    "mcs_down": (11.5, 5.5),
    "mcs_down_var": (68.0, 33.0),
    "mcs_up": (13.5, 6.5),
    "mcs_up_var": (64.0, 31.0),
    "rb_down": (0.11, 0.05),
    "rb_down_var": (1.1e-3, 5e-4),
    "rb_up": (0.02, 0.01),
    "rb_up_var": (1.2e-3, 6e-4),
}
TARGET = "down"
CALENDAR = ("minute_of_day", "day_of_week", "day_of_year")
FEATURES = len(COLUMNS) + 2 * len(CALENDAR)
WINDOW, ROWS, STEP_S = 10, 30, 120
HIDDEN, LAYERS = 128, 2
ARRAYS, SPEC = "network.npz", "network.json"

FloatArray = npt.NDArray[np.float32]


def network() -> dict[str, FloatArray]:
    """Weights as a PyTorch state dict names them, drawn as PyTorch would draw them.

    The last layer is drawn wider: answers then differ by whole standard deviations from one request to the next, and
    a server that answered from the wrong rows could not pass for a right one.
    """
    draw = np.random.default_rng(20180205)
    bound = HIDDEN**-0.5
    arrays: dict[str, FloatArray] = {}

    def uniform(name: str, shape: tuple[int, ...], reach: float) -> None:
        arrays[name] = draw.uniform(-reach, reach, shape).astype(np.float32)

    for layer in range(LAYERS):
        uniform(f"rnn.weight_ih_l{layer}", (3 * HIDDEN, FEATURES if layer == 0 else HIDDEN), bound)
        uniform(f"rnn.weight_hh_l{layer}", (3 * HIDDEN, HIDDEN), bound)
        uniform(f"rnn.bias_ih_l{layer}", (3 * HIDDEN,), bound)
        uniform(f"rnn.bias_hh_l{layer}", (3 * HIDDEN,), bound)
    uniform("fc.weight", (1, HIDDEN), 12 * bound)
    uniform("fc.bias", (1,), bound)
    return arrays


def description() -> dict[str, object]:
    """SPEC.json of `bundle import`."""
    return {
        "arch": "gru",
        "hidden_size": HIDDEN,
        "num_layers": LAYERS,
        "input_len": WINDOW,
        "output_len": 1,
        "input_columns": list(COLUMNS),
        "target_columns": [TARGET],
        "calendar": list(CALENDAR),
        "freq_seconds": STEP_S,
        "scaler": {
            "kind": "standard",
            "columns": {name: {"mean": mean, "std": std} for name, (mean, std) in COLUMNS.items()},
        },
    }


def write_network(folder: Path) -> None:
    """`ARRAYS` and `SPEC` into `folder`."""
    arrays: dict[str, npt.NDArray[np.generic]] = {**network()}
    with (folder / ARRAYS).open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    (folder / SPEC).write_text(json.dumps(description(), indent=1))


def request_bodies(count: int) -> Sequence[bytes]:
    """JSON bodies of about 4.8 kB, each another day's last hour."""
    return [_body(number) for number in range(count)]


def _body(number: int) -> bytes:
    draw = np.random.default_rng(number + 1)
    begin = datetime(2018, 2, 5, 23, 40) + timedelta(days=number)
    data: dict[str, list[str] | list[float]] = {
        "ts": [(begin + timedelta(seconds=STEP_S * row)).isoformat() for row in range(ROWS)]
    }
    for name, (mean, std) in COLUMNS.items():
        data[name] = [round(abs(float(value)), 6) for value in draw.normal(mean, std, ROWS)]
    return json.dumps({"index_col": "ts", "data": data, "inference_length": 1}).encode()
