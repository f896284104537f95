"""Synthetic traffic with a daily and a weekly rhythm, for a first training run without any data at hand.

`python -m inference_container demo-data` writes it. Seeded: the same seed gives the same file.
"""

from pathlib import Path

import numpy as np

from inference_container.training.data import write_csv


def write_demo_data(path: Path, *, days: int, freq_seconds: int, seed: int) -> int:
    """Write columns `time`, `down`, `up` and `users` to `path`; the number of rows.

    `down` and `up` follow the users of an office network: busy weekdays, quiet nights, bursts that fade.
    """
    generator = np.random.default_rng(seed)
    rows = days * 86_400 // freq_seconds
    offsets = np.arange(rows) * np.timedelta64(freq_seconds, "s")
    times = np.datetime64("2025-01-06T00:00:00", "us") + offsets
    hours = np.arange(rows) * freq_seconds / 3600.0
    day = np.exp(-0.5 * ((hours % 24 - 13.5) / 3.6) ** 2)
    weekday = np.where((hours // 24).astype(np.int64) % 7 < 5, 1.0, 0.35)
    # What lasts longer than a sample: each innovation fades over some six hours, whatever the spacing of the rows.
    memory = np.exp(-freq_seconds / 21_600.0)
    drift = np.empty(rows)
    level = 0.0
    for row, push in enumerate(generator.normal(0.0, np.sqrt(1.0 - memory**2), rows)):
        level = memory * level + push
        drift[row] = level
    users = np.maximum(2.0, 12.0 + 240.0 * day * weekday * (1.0 + 0.18 * drift) + generator.normal(0.0, 3.0, rows))
    down = users * 0.42e6 * (1.0 + 0.1 * generator.standard_normal(rows).clip(-3, 3)) + 4e6
    up = down * (0.14 + 0.02 * np.cos(2.0 * np.pi * hours / 24.0)) + users * 6e3
    columns = {"down": down.round(0), "up": up.round(0), "users": users.round(0)}
    write_csv(path, "time", times, columns)
    return rows
