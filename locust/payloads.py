"""What `POST /predict` is asked, and what is a right answer. Knows HTTP as bytes and numbers only.

A series of real observations gives the rows, so that an answer can be checked: the hours after the last row, and values
that the series itself could have had. Each payload mode is one way to cut it; `users_forecast` sends them.
"""

import csv
import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeAlias

Body: TypeAlias = dict[str, object]
#: Steps that are asked for where nobody says how many.
STEPS = (1, 6, 24)
#: Added to one value of a request, and less than anybody measures.
_NUDGE = 1e-6
#: Kept ready where a request is long: making thousands of rows anew each time would load the wrong side.
_READY = 64
_HERE = "@"


class Asked(NamedTuple):
    body: bytes
    last: datetime | None  #: of the rows sent; None: the service has the rows
    steps: int


class Outcome(NamedTuple):
    fault: str | None  #: what is wrong with the answer; None when nothing is
    cached: bool = False  #: nobody worked for it


@dataclass(frozen=True, slots=True)
class Observed:
    times: Sequence[str]
    columns: dict[str, Sequence[float | None]]
    step: timedelta
    starts: Sequence[int]  #: rows without a hole: a hole is filled from the row before it, and a first row has none

    def plausible(self, column: str) -> tuple[float, float]:
        """What a forecast of the column may be: what was ever seen of it, and half of that range more."""
        seen = [value for value in self.columns[column] if value is not None]
        low, high = min(seen), max(seen)
        return low - (high - low) / 2, high + (high - low) / 2


def observed(path: Path) -> Observed:
    """
    Raises:
        ValueError: the file has no such series.
    """
    with path.open(newline="") as file:
        table = list(csv.reader(file))
    head, rows = table[0], table[1:]
    if len(rows) < 2 or len(head) < 2:
        raise ValueError(f"{path}: a head, a column of times, one of values and two rows at least")
    times = [row[0] for row in rows]
    columns: dict[str, Sequence[float | None]] = {
        name: [float(row[number]) if row[number] else None for row in rows]
        for number, name in enumerate(head)
        if number
    }
    step = datetime.fromisoformat(times[1]) - datetime.fromisoformat(times[0])
    starts = [number for number, row in enumerate(rows) if all(row)]
    return Observed(times, columns, step, starts)


class Payloads:
    """Requests, each with rows of its own (`synthetic`), the same each time (`cached`), or none (`service`)."""

    def __init__(self, series: Observed, rows: int, steps: Sequence[int], seed: int | None = None) -> None:
        self.series, self.rows, self._steps = series, rows, steps
        self._starts = [first for first in series.starts if first + rows <= len(series.times)]
        if not self._starts:
            raise ValueError(f"the series has {len(series.times)} rows; {rows} are wanted for a request")
        self._random, self._serial = random.Random(seed), count(1)
        self._ready: list[tuple[bytes, bytes, float, datetime, int]] = []
        self._same = self._cut(self._starts[0], steps[0], 0)

    def next(self, mode: str) -> Asked:
        if mode == "cached":
            return self._same
        if mode == "service":
            return Asked(b"", None, 1)
        first, steps, serial = self._random.choice(self._starts), self._random.choice(self._steps), next(self._serial)
        # No two requests are alike, by their values already: no cache can answer one that says it has its own rows.
        return self._cut(first, steps, serial) if self.rows < 500 else self._long(first, steps, serial)

    def _cut(self, first: int, steps: int, serial: int) -> Asked:
        head, tail, begins, last = self._halves(first, steps)
        return Asked(head + repr(begins + serial * _NUDGE).encode() + tail, last, steps)

    def _long(self, first: int, steps: int, serial: int) -> Asked:
        if len(self._ready) < _READY:
            self._ready.append((*self._halves(first, steps), steps))
        head, tail, begins, last, steps = self._random.choice(self._ready)
        return Asked(head + repr(begins + serial * _NUDGE).encode() + tail, last, steps)

    def _halves(self, first: int, steps: int) -> tuple[bytes, bytes, float, datetime]:
        """The body before and after the first value of the first column, and that value."""
        window = slice(first, first + self.rows)
        data: Body = {name: values[window] for name, values in self.series.columns.items()}
        name, values = next(iter(self.series.columns.items()))
        begins = values[first]
        assert begins is not None
        data[name] = [_HERE, *values[first + 1 : first + self.rows]]
        times = self.series.times[window]
        whole = json.dumps({"data": {"time": times, **data}, "inference_length": steps})
        head, tail = whole.split(json.dumps(_HERE))
        return head.encode(), tail.encode(), begins, datetime.fromisoformat(times[-1])


def judged(asked: Asked, series: Observed, status: int, body: bytes) -> Outcome:
    """Whether this is the forecast that was asked for."""
    if status != 200:
        return Outcome(f"{status}: {body[:200].decode(errors='replace')}")
    try:
        answer = json.loads(body)
        cached = answer["status"] == "SUCCESS_CACHED" or answer["cached"] is True
        if answer["status"] not in ("SUCCESS", "SUCCESS_CACHED"):
            return Outcome(f"status {answer['status']!r}", cached)
        return Outcome(_fault(asked, series, answer["predictions"]), cached)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        return Outcome(f"no answer of this service: {error!r}")


def _fault(asked: Asked, series: Observed, steps: Sequence[dict[str, object]]) -> str | None:
    if len(steps) != asked.steps:
        return f"{len(steps)} steps, {asked.steps} were asked for"
    if asked.last is not None:
        last = asked.last.replace(tzinfo=None)
        if [step["ts"] for step in steps] != [(last + series.step * number).isoformat() for number in _from_1(steps)]:
            return "the forecast is not what comes after the last row"
    forecast = [name for name in steps[0] if name in series.columns]
    if not forecast:
        return f"nothing that was sent is forecast: {sorted(steps[0])}"
    for name in forecast:
        low, high = series.plausible(name)
        for step in steps:
            value = step[name]
            if not isinstance(value, int | float) or not math.isfinite(value) or not low < value < high:
                return f"{name} is {value!r}: not a value that it could have"
    return None


def _from_1(steps: Sequence[object]) -> range:
    return range(1, len(steps) + 1)
