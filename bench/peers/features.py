"""What every peer does around the network: JSON fields to a scaled window, a value to the contract's answer.

Imported by the peers' servers only, in their own environment. The features are made with numpy, as a careful author of
such a server would; `predecessor_server` alone does without and pays for pandas.
"""

import math
import secrets
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from bench.peers.workload import CALENDAR, COLUMNS, FEATURES, TARGET, WINDOW, FloatArray

MEANS = np.array([mean for mean, _ in COLUMNS.values()])
STDS = np.array([std for _, std in COLUMNS.values()])
_PERIODS = np.array([1440.0, 7.0, 365.25])


class Unusable(ValueError):
    """The request can not be forecast; the text says why."""


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
