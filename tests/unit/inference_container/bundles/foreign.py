"""Networks as somebody else would hand them over: arrays under PyTorch's names, and a specification."""

import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_container.bundles.importer import ImportOrder

Arrays = dict[str, NDArray[Any]]


def foreign_spec(**changes: Any) -> dict[str, Any]:
    """A GRU of three inputs, of which one is the target; `None` leaves a key out."""
    spec: dict[str, Any] = {
        "arch": "gru",
        "hidden_size": 5,
        "num_layers": 2,
        "input_len": 6,
        "output_len": 3,
        "input_columns": ["up", "down", "users"],
        "target_columns": ["down"],
        "calendar": ["minute_of_day", "day_of_week"],
        "freq_seconds": 3600,
        "scaler": {
            "kind": "minmax",
            "columns": {
                "up": {"min": -4.0, "max": 6.0},
                "down": {"min": 0.0, "max": 50.0},
                "users": {"min": 1, "max": 9},
            },
        },
    } | changes
    return {key: value for key, value in spec.items() if value is not None}


def foreign_arrays(spec: Mapping[str, Any], seed: int = 0, prefix: str = "rnn") -> Arrays:
    """Weights as PyTorch draws them: uniform within 1 / sqrt(hidden)."""
    generator = np.random.default_rng(seed)
    hidden, stacked = spec["hidden_size"], {"gru": 3, "lstm": 4}[spec["arch"]] * spec["hidden_size"]
    names = {entry.removesuffix("_sin").removesuffix("_cos") for entry in spec["calendar"]}
    width = len(spec["input_columns"]) + 2 * len(names)
    outputs = spec["output_len"] * len(spec["target_columns"])
    shapes: dict[str, tuple[int, ...]] = {"fc.weight": (outputs, hidden), "fc.bias": (outputs,)}
    for layer in range(spec["num_layers"]):
        shapes[f"{prefix}.weight_ih_l{layer}"] = (stacked, hidden if layer else width)
        shapes[f"{prefix}.weight_hh_l{layer}"] = (stacked, hidden)
        shapes[f"{prefix}.bias_ih_l{layer}"] = (stacked,)
        shapes[f"{prefix}.bias_hh_l{layer}"] = (stacked,)
    bound = hidden**-0.5
    return {name: generator.uniform(-bound, bound, shape).astype(np.float32) for name, shape in shapes.items()}


def write_foreign(
    folder: Path, spec: Mapping[str, Any] | bytes, arrays: Mapping[str, NDArray[Any]] | bytes, **order: Any
) -> ImportOrder:
    """Write both files and say what to make of them; the bundle goes to `folder/bundle`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.json").write_bytes(spec if isinstance(spec, bytes) else json.dumps(spec).encode())
    if isinstance(arrays, bytes):
        (folder / "arrays.npz").write_bytes(arrays)
    else:
        with zipfile.ZipFile(folder / "arrays.npz", "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w") as stream:
                    np.lib.format.write_array(stream, np.asarray(array))
    return ImportOrder(
        **{
            "arrays": folder / "arrays.npz",
            "spec": folder / "spec.json",
            "out": folder / "bundle",
            "cli": "python -m inference_container bundle import",
            "created_at": datetime(2025, 5, 1, tzinfo=UTC),
            **order,
        }
    )
