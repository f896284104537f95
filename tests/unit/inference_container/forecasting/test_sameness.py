"""A series is the same series however it is written: forecasts depend on what a body says and on nothing else."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from random import Random

import orjson
from hypothesis import given
from hypothesis import strategies as st

from inference_container.errors import MissingValues
from inference_container.forecasting.inferencer import Inferencer
from inference_container.forecasting.messages import ForecastQuery, ForecastReply
from tests.unit.inference_container.forecasting.samples import body, sample_data, sample_inferencer, sample_plan

ROWS, WINDOW, CARRIED = 14, 6, 6
_STRICT = sample_inferencer(sample_plan(nan_policy="reject"))
_FILLING = sample_inferencer(sample_plan(nan_policy="ffill"))

#: Which rows of each column are null.
_HOLES = st.fixed_dictionaries({name: st.sets(st.integers(0, ROWS - 1), max_size=9) for name in ("load", "heat")})
_ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def _ask(inferencer: Inferencer, data: Mapping[str, object]) -> ForecastReply:
    return inferencer.answer([ForecastQuery("r1", body(data, inference_length=3))]).replies[0]


def _with_holes(data: Mapping[str, list[object]], holes: Mapping[str, set[int]]) -> dict[str, list[object]]:
    return {name: [None if at in holes.get(name, ()) else v for at, v in enumerate(col)] for name, col in data.items()}


@given(_HOLES, st.integers(0, 99))
def test_under_reject_a_null_always_names_its_column_inside_the_window_and_never_matters_before_it(
    holes: dict[str, set[int]], seed: int
) -> None:
    data = sample_data(ROWS, seed=seed)
    reply = _ask(_STRICT, _with_holes(data, holes))
    named = sorted(name for name, rows in holes.items() if any(at >= ROWS - WINDOW for at in rows))
    if named:
        assert isinstance(reply, MissingValues)
        assert reply.details == {"columns": named}
    else:
        assert reply == _ask(_STRICT, data)


@given(_HOLES, st.integers(0, 99))
def test_under_ffill_a_null_is_always_the_last_value_known_or_refused_when_that_is_too_old(
    holes: dict[str, set[int]], seed: int
) -> None:
    data = sample_data(ROWS, seed=seed)
    filled = {name: list(column) for name, column in data.items()}
    beyond: set[str] = set()
    for name, rows in holes.items():
        for at in sorted(rows):
            known = next((back for back in range(at, -1, -1) if back not in rows), None)
            if known is None or at - known > CARRIED:
                beyond |= {name} if at >= ROWS - WINDOW else set()
            else:
                filled[name][at] = data[name][known]
    reply = _ask(_FILLING, _with_holes(data, holes))
    if beyond:
        assert isinstance(reply, MissingValues)
        assert reply.details == {"columns": sorted(beyond)}
    else:
        assert reply == _ask(_FILLING, filled)


@given(st.lists(st.one_of(st.just("Z"), st.just(""), _ZONES), min_size=ROWS, max_size=ROWS), st.booleans())
def test_every_row_may_spell_its_zone_in_its_own_way(spellings: list[str | timezone], short: bool) -> None:
    data = sample_data(ROWS)
    written = []
    for text, spelling in zip(data["ts"], spellings, strict=True):
        moment = datetime.fromisoformat(str(text))
        if isinstance(spelling, timezone):
            written.append(moment.replace(tzinfo=UTC).astimezone(spelling).isoformat(timespec="milliseconds"))
        else:
            written.append(moment.isoformat(timespec="minutes" if short else "seconds") + spelling)
    assert _ask(_STRICT, data | {"ts": written}) == _ask(_STRICT, data)


@given(st.randoms(use_true_random=False), _HOLES)
def test_the_order_of_rows_never_decides_what_fills_a_hole(random: Random, holes: dict[str, set[int]]) -> None:
    data = _with_holes(sample_data(ROWS), holes)
    order = list(range(ROWS))
    random.shuffle(order)
    plain, shuffled = _ask(_FILLING, data), _ask(_FILLING, {n: [col[at] for at in order] for n, col in data.items()})
    assert (type(plain), str(plain)) == (type(shuffled), str(shuffled))


_WORDS = st.text(min_size=1, max_size=8).filter(lambda name: name not in ("ts", "load", "heat", "timestamp"))
_ANYTHING = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3) | st.lists(st.none(), max_size=2)


@given(
    st.dictionaries(_WORDS, st.lists(_ANYTHING, min_size=ROWS, max_size=ROWS), max_size=3),
    st.dictionaries(
        _WORDS.filter(lambda n: n not in ("data", "inference_length", "index_col", "quantiles")), _ANYTHING
    ),
    st.randoms(use_true_random=False),
)
def test_columns_and_fields_that_the_model_does_not_know_never_change_the_forecast(
    columns: dict[str, list[object]], fields: dict[str, object], random: Random
) -> None:
    data = sample_data(ROWS)
    named = list((data | columns).items())
    random.shuffle(named)
    request = orjson.dumps({**fields, "inference_length": 3, "data": dict(named)})
    assert _STRICT.answer([ForecastQuery("r1", request)]).replies[0] == _ask(_STRICT, data)
