"""What a forecast has to be, computed once more from the files alone: the numbers that `test_truth` compares with.

It imports nothing of the service, by intention: every rule stands here a second time, written from what the documents
promise and not from the code. One window at a time, float64, time from the standard library's calendar.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Recomputation:
    arch: str
    inputs: list[str]
    targets: list[str]
    calendar: list[str]
    window: int
    horizon: int
    step: timedelta
    #: Column to (what is subtracted, what is divided by).
    scaler: dict[str, tuple[float, float]]
    tensors: dict[str, Matrix]
    #: Whether the network answers changes since the last row.
    change: bool = False

    def forecast(self, rows: Sequence[Mapping[str, float]], last: datetime, steps: int) -> list[dict[str, float]]:
        """Raw targets of the `steps` rows after the last of `rows`, which are `step` apart and end at `last` (UTC)."""
        seen = [[self._scaled(name, row[name]) for name in self.inputs] for row in rows[-self.window :]]
        times = [last - self.step * back for back in reversed(range(len(seen)))]
        found: list[dict[str, float]] = []
        while len(found) < steps:
            network_input = np.array([[*row, *self._moment(time)] for row, time in zip(seen, times, strict=True)])
            answers = self._network(network_input[-self.window :])
            for answer in answers:
                scaled = dict(zip(self.targets, answer, strict=True))
                found.append(
                    {name: value * self.scaler[name][1] + self.scaler[name][0] for name, value in scaled.items()}
                )
                # What is forecast enters the next window, what is not stays as it was.
                seen.append([scaled.get(name, before) for name, before in zip(self.inputs, seen[-1], strict=True)])
                times.append(times[-1] + self.step)
        return found[:steps]

    def _scaled(self, name: str, raw: float) -> float:
        center, scale = self.scaler[name]
        return (raw - center) / scale

    def _raw(self, name: str, scaled: float) -> float:
        center, scale = self.scaler[name]
        return scaled * scale + center

    def _moment(self, time: datetime) -> list[float]:
        share = {
            "minute_of_day": (time.hour * 60 + time.minute) / 1440,
            "day_of_week": time.weekday() / 7,
            "day_of_year": time.timetuple().tm_yday / 365.25,
        }
        return [wave(2 * math.pi * share[name]) for name in self.calendar for wave in (math.sin, math.cos)]

    def _network(self, rows: Matrix) -> Matrix:
        """(horizon, targets), scaled, of a window (rows, features)."""
        if self.arch == "linear":
            answer = self.tensors["weight"] @ rows.reshape(-1) + self.tensors["bias"]
        else:
            layer = 0
            states = rows
            while f"weight_ih_l{layer}" in self.tensors:
                states = self._recurrent(states, layer)
                layer += 1
            answer = self.tensors["out_weight"] @ states[-1] + self.tensors["out_bias"]
        matrix = answer.reshape(self.horizon, len(self.targets))
        if self.change:
            matrix = matrix + rows[-1, [self.inputs.index(name) for name in self.targets]]
        return matrix

    def _recurrent(self, rows: Matrix, layer: int) -> Matrix:
        w_ih, w_hh = self.tensors[f"weight_ih_l{layer}"], self.tensors[f"weight_hh_l{layer}"]
        b_ih, b_hh = self.tensors[f"bias_ih_l{layer}"], self.tensors[f"bias_hh_l{layer}"]
        size = w_hh.shape[1]
        h: Vector = np.zeros(size)
        c: Vector = np.zeros(size)
        outputs = []
        for x in rows:
            a, b = w_ih @ x + b_ih, w_hh @ h + b_hh
            part = [slice(gate * size, (gate + 1) * size) for gate in range(len(a) // size)]
            if self.arch == "gru":
                r = 1 / (1 + np.exp(-(a[part[0]] + b[part[0]])))
                z = 1 / (1 + np.exp(-(a[part[1]] + b[part[1]])))
                n = np.tanh(a[part[2]] + r * b[part[2]])
                h = (1 - z) * n + z * h
            else:
                i, f, o = (1 / (1 + np.exp(-(a[part[gate]] + b[part[gate]]))) for gate in (0, 1, 3))
                c = f * c + i * np.tanh(a[part[2]] + b[part[2]])
                h = o * np.tanh(c)
            outputs.append(h)
        return np.array(outputs)


def of_files(arrays: Path, specification: Path) -> Recomputation:
    """Of what goes into `bundle import`."""
    spec = json.loads(specification.read_text())
    with np.load(arrays) as stored:
        tensors = {
            name.replace("fc.", "out_").partition(".")[2] or name.replace("fc.", "out_"): stored[name].astype(
                np.float64
            )
            for name in stored.files
        }
    columns = spec["scaler"].get("columns", {})
    return Recomputation(
        arch=spec["arch"],
        inputs=spec["input_columns"],
        targets=spec["target_columns"],
        calendar=_plain_calendar(spec["calendar"]),
        window=spec["input_len"],
        horizon=spec["output_len"],
        step=timedelta(seconds=spec["freq_seconds"]),
        scaler={
            name: _numbers(spec["scaler"]["kind"], columns.get(name, {}))
            for name in {*spec["input_columns"], *spec["target_columns"]}
        },
        tensors=tensors,
    )


def of_bundle(folder: Path) -> Recomputation:
    """Of a bundle's own files."""
    manifest = json.loads((folder / "manifest.json").read_text())
    stored = safetensors.numpy.load_file(folder / "model.safetensors")
    return Recomputation(
        arch=manifest["model"]["arch"],
        inputs=manifest["input"]["columns"],
        targets=manifest["output"]["targets"],
        calendar=manifest["input"]["calendar"],
        window=manifest["input"]["input_len"],
        horizon=manifest["output"]["horizon"],
        step=timedelta(seconds=manifest["input"]["freq_seconds"]),
        scaler={name: (entry["center"], entry["scale"]) for name, entry in manifest["scaler"]["columns"].items()},
        tensors={_plain(name): tensor.astype(np.float64) for name, tensor in stored.items()},
        change=manifest["model"]["predicts"] == "change",
    )


def _numbers(kind: str, column: Mapping[str, Any]) -> tuple[float, float]:
    match kind:
        case "minmax":
            center, scale = column["min"], column["max"] - column["min"]
        case "standard":
            center, scale = column["mean"], column["std"]
        case "robust":
            center, scale = column["median"], column["iqr"]
        case _:
            center, scale = 0.0, 1.0
    return center, scale if scale != 0 else 1.0


def _plain(name: str) -> str:
    """`rnn.weight_hh_l0` is `weight_hh_l0`; the last layer is `out_weight` whatever it is called."""
    part, _, tensor = name.rpartition(".")
    return f"out_{tensor}" if part in ("fc", "head") else tensor


def _plain_calendar(names: Sequence[str]) -> list[str]:
    once = [name.removesuffix("_sin") for name in names if not name.endswith("_cos")]
    return ["minute_of_day" if name == "min_of_day" else name for name in once]
