"""The batch road: plain JSON requests of a batch to windows, with numpy called once per batch and not per request.

`inferencer` offers every batch here first. What comes back is exactly what the careful road (`codecs.json`, `frame`,
`windows`) makes of the same bodies; whatever is not plain is left to that road, which also finds the words for what is
wrong with it. So nothing here raises for a body, and no policy is decided here.

Plain is: numbers without null, times that rise in one ISO layout, the last ones on the model's grid, no quantiles.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import compress
from operator import and_
from struct import Struct
from typing import NamedTuple

import numpy as np
import orjson

from inference_container.forecasting.arrays import FloatArray, TimeArray
from inference_container.forecasting.codecs.options import DEFAULT_LENGTH, MAX_LENGTH, MIN_LENGTH
from inference_container.forecasting.messages import ForecastQuery, QueryOptions
from inference_container.forecasting.plan import ForecastPlan
from inference_container.forecasting.timestamps import EARLIEST, LATEST, parse_chars

#: Longer series gain nothing from company, and a batch of them would be held in memory twice.
_MOST_ROWS = 4096

_EARLIEST, _LATEST = int(EARLIEST.astype(np.int64)), int(LATEST.astype(np.int64))


class PlainBatch(NamedTuple):
    """Requests that need no second look, (batch,) each."""

    #: Where each stands among the queries.
    positions: tuple[int, ...]
    steps: tuple[int, ...]
    #: Time of the last row, `datetime64[us]`.
    last: TimeArray
    #: (batch, input_len, columns), raw units, no NaN.
    values: FloatArray


class _Decoded(NamedTuple):
    """One body, its numbers packed and its times joined."""

    position: int
    body: bytes
    steps: int
    rows: int
    #: The strings of the time column, a newline between each two.
    times: str
    #: float64 of this machine, column after column in the plan's order.
    packed: bytes


def read_plain(queries: Sequence[ForecastQuery], plan: ForecastPlan) -> PlainBatch:
    """Windows of those queries that are plain; the others are to be answered one by one."""
    groups: defaultdict[tuple[int, int], list[_Decoded]] = defaultdict(list)
    for position, query in enumerate(queries):
        decoded = _decode(position, query, plan)
        if decoded is not None:
            groups[decoded.rows, len(decoded.times)].append(decoded)
    found = [batch for group in groups.values() for batch in _read_group(group, plan)]
    if len(found) == 1:
        return found[0]
    last = np.empty(0, dtype="datetime64[us]")
    values = np.empty((0, plan.input.input_len, len(plan.input.columns)))
    return PlainBatch(
        tuple([position for batch in found for position in batch.positions]),
        tuple([steps for batch in found for steps in batch.steps]),
        np.concatenate([last, *(batch.last for batch in found)]),
        np.concatenate([values, *(batch.values for batch in found)]),
    )


def _decode(position: int, query: ForecastQuery, plan: ForecastPlan) -> _Decoded | None:
    options = query.options
    if query.kind != "json" or not (options is None or _concerns_length_only(options)):
        return None
    try:
        fields = orjson.loads(query.body)
        data = fields["data"]
        name = fields.get("index_col")
        times = data[name if name is not None else next(name for name in plan.input.time_columns if name in data)]
        rows = len(times)
        if type(times) is not list or not plan.input.input_len <= rows <= _MOST_ROWS:
            return None
        pack = _numbers(rows).pack
        # The packer wants `rows` numbers of each column: text, null and lists raise. Only a bool gets through.
        packed = b"".join([pack(*data[name]) for name in plan.input.columns])
        joined = "\n".join(times)
        in_body = fields.get("inference_length", DEFAULT_LENGTH)
        unread = len(data) - len(plan.input.columns) - 1
    except Exception:  # any oddity of a body, foreseen or not
        return None  # the careful road meets the same again, and names it
    steps = in_body if options is None or options.inference_length is None else options.inference_length
    plain = (
        _is_length(in_body)
        and _is_length(steps)
        and steps <= plan.output.max_steps
        and fields.get("quantiles") is None
        and (not unread or _equally_long(data.values(), rows))
    )
    return _Decoded(position, query.body, steps, rows, joined, packed) if plain else None


def _read_group(group: list[_Decoded], plan: ForecastPlan) -> Iterable[PlainBatch]:
    """Read requests of the same number of rows whose time columns are equally long."""
    times = _parse_times(group)
    if times is None:
        # One of them is not plain; it must not slow its neighbours down.
        return [batch for each in group for batch in _read_group([each], plan)] if len(group) > 1 else []
    values = np.frombuffer(b"".join([each.packed for each in group]), np.float64)
    values = values.reshape(len(group), len(plan.input.columns), -1)
    plain = [*map(and_, _on_grid(times, group, plan), _without_bools(values, group))]
    windows = values[:, :, -plan.input.input_len :].transpose(0, 2, 1)
    last = times[:, -1]
    if not all(plain):
        group, last, windows = [*compress(group, plain)], last[plain], windows[plain]
    return [PlainBatch(tuple([each.position for each in group]), tuple([each.steps for each in group]), last, windows)]


def _parse_times(group: list[_Decoded]) -> TimeArray | None:
    """(batch, rows), or None when some string has another length or layout, or is no time."""
    rows = group[0].rows
    width = (len(group[0].times) + 1) // rows
    chars = np.frombuffer(("\n".join([each.times for each in group]) + "\n").encode(), np.uint8)
    if width < 2 or chars.size != len(group) * rows * width:
        return None
    # There are at least as many newlines as lines, and no layout has one inside: where all but the last column has been
    # read as times, the newlines fill the last column, and each line is one of the strings.
    times = parse_chars(chars.reshape(-1, width)[:, :-1])
    return None if times is None else times.reshape(len(group), rows)


def _on_grid(times: TimeArray, group: list[_Decoded], plan: ForecastPlan) -> list[bool]:
    """For each request whether its times rise, end on the model's grid, and leave room for the forecast."""
    ticks = times.view(np.int64)
    step = plan.input.freq_seconds * 1_000_000
    apart = ticks[:, 1:] - ticks[:, :-1]
    window = apart.shape[1] - plan.input.input_len + 1
    as_wanted = apart > 0
    np.equal(apart[:, window:], step, out=as_wanted[:, window:])
    rising: list[bool] = [True] * len(group)
    if not bool(as_wanted.all()):
        rising = [bool(each.all()) for each in as_wanted]
    first: list[int] = ticks[:, 0].tolist()
    last: list[int] = ticks[:, -1].tolist()
    return [
        rising[at] and first[at] >= _EARLIEST and last[at] + each.steps * step <= _LATEST
        for at, each in enumerate(group)
    ]


def _without_bools(values: FloatArray, group: list[_Decoded]) -> list[bool]:
    """For each request whether no `true` or `false` can have been packed as 1.0 or 0.0."""
    suspects = (values == 0.0) | (values == 1.0)
    if not bool(suspects.any()):
        return [True] * len(group)
    # The word may stand in a field that nobody reads; the careful road then finds nothing wrong.
    return [
        not suspect or not (b"true" in each.body or b"false" in each.body)
        for suspect, each in zip(suspects.any(axis=(1, 2)).tolist(), group, strict=True)
    ]


def _equally_long(columns: Iterable[object], rows: int) -> bool:
    return all(isinstance(column, list) and len(column) == rows for column in columns)


def _is_length(value: object) -> bool:
    return type(value) is int and MIN_LENGTH <= value <= MAX_LENGTH


def _concerns_length_only(options: QueryOptions) -> bool:
    return options.quantiles is None and options.index_col is None


@lru_cache(maxsize=64)
def _numbers(rows: int) -> Struct:
    return Struct(f"{rows}d")
