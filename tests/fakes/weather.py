"""Request bodies for the default bundle: the last rows of its own data."""

import csv
from typing import TypeAlias

from inference_container.defaults import default_data_path

Column: TypeAlias = list[str | float | None]

COLUMNS = ("temp", "dewp", "humid", "wind_speed")


def weather(rows: int, before_end: int = 0) -> dict[str, Column]:
    """`rows` hourly rows that end `before_end` rows before the last one; the times stand under `time`."""
    with default_data_path().open(newline="") as source:
        table = list(csv.DictReader(source))
    chosen = table[len(table) - rows - before_end : len(table) - before_end]
    values: dict[str, Column] = {"time": [row["time"] for row in chosen]}
    return values | {name: [float(row[name]) if row[name] else None for row in chosen] for name in COLUMNS}
