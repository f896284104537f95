from dataclasses import replace
from datetime import datetime

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_container.forecasting.codecs.json import JSON
from inference_container.forecasting.inferencer import Inferencer
from inference_container.forecasting.json_batch import read_plain
from inference_container.forecasting.messages import ForecastQuery, QueryOptions
from inference_container.forecasting.plan import GapPolicy, NanPolicy
from inference_container.forecasting.windows import cut_window
from tests.unit.inference_container.forecasting.samples import (
    START,
    CountingBackend,
    body,
    moments,
    sample_data,
    sample_plan,
)

_PLAN = sample_plan(input_len=3, targets=("heat", "load"), max_steps=5)

_numbers = (
    st.floats(-1e6, 1e6)
    | st.integers(-(2**63), 2**64 - 1)
    | st.sampled_from([0, 1, 0.0, 1.0, -0.0, 1e308, 5e-324, 2**53 + 1])
)
_cells = _numbers | st.sampled_from([None, True, False, "1.5", "", [1], [], {"a": 1}, "true"])
_offsets = st.sampled_from(["", "Z", "+00:00", "-05:30"])
_hostile_times = st.sampled_from(
    [
        "now",
        "",
        "2025-02-30T00:00:00",
        "0000-01-01T00:00:00",
        "9999-12-31T23:00:00",
        "2025-03-01T22:00:00\n2025-03-01T23:00:00",
        "2025-03-01T22:00:0",
        "02025-03-01T22:00:00",
        "2025-03-01T22:00:0é",
        "2025-03-01 22:00:00",
        None,
        7,
        True,
        ["2025-03-01T22:00:00"],
    ]
)


@st.composite
def _plain_bodies(draw: st.DrawFn, least: int = 3) -> dict[str, object]:
    count = draw(st.integers(least, 6))
    offset = draw(_offsets)
    data: dict[str, object] = {"ts": [f"{each}{offset}" for each in moments(count)]}
    for name in ("load", "heat"):
        data[name] = draw(st.lists(_numbers, min_size=count, max_size=count))
    return {"data": data, "inference_length": draw(st.integers(1, 5))}


@st.composite
def _spoilt_bodies(draw: st.DrawFn) -> bytes:
    """A plain body after a few random blows."""
    fields = draw(_plain_bodies(0))
    for _ in range(draw(st.integers(0, 2))):
        data = fields.get("data")
        assert isinstance(data, dict)
        columns = [values for values in data.values() if isinstance(values, list) and values]
        match draw(st.integers(0, 7)):
            case 0 if columns:
                column = draw(st.sampled_from(columns))
                column[draw(st.integers(0, len(column) - 1))] = draw(_cells | _hostile_times)
            case 1 if isinstance(data.get("ts"), list) and data["ts"]:
                data["ts"][draw(st.integers(0, len(data["ts"]) - 1))] = draw(_hostile_times)
            case 2 if isinstance(data.get("ts"), list):
                data["ts"] = draw(st.permutations(data["ts"]))
            case 3 if columns:
                draw(st.sampled_from(columns)).pop()
            case 4:
                data[draw(st.sampled_from(["load", "heat", "ts", "note", "date"]))] = draw(
                    st.sampled_from([[1, 2, 3], "abc", 7, None, {"2025-03-01T22:00:00": 1}, dict.fromkeys(moments(3))])
                )
            case 5 if data:
                data.pop(draw(st.sampled_from(sorted(data))))
            case 6:
                fields["index_col"] = draw(st.sampled_from(["ts", "load", "when", "", 3, None, ["ts"]]))
            case _:
                name = draw(st.sampled_from(["inference_length", "quantiles", "other"]))
                fields[name] = draw(st.sampled_from([None, True, 0, 1, 2.0, 2.5, 6, 10_001, "3", [], [0.5], "true"]))
    return orjson.dumps(fields)


_policies = st.tuples(st.sampled_from(["reject", "ffill"]), st.sampled_from(["reject", "resample"]))
_options = st.none() | st.builds(
    QueryOptions,
    inference_length=st.none() | st.integers(0, 6),
    index_col=st.sampled_from([None, None, "ts", "heat"]),
    timings=st.booleans(),
)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(_spoilt_bodies() | st.binary(max_size=20), _options), min_size=1, max_size=6),
    _policies,
)
def test_what_the_batch_road_takes_the_careful_road_always_reads_the_same(
    asked: list[tuple[bytes, QueryOptions | None]], policies: tuple[NanPolicy, GapPolicy]
) -> None:
    plan = replace(_PLAN, input=replace(_PLAN.input, nan_policy=policies[0], gap_policy=policies[1]))
    queries = [ForecastQuery("r1", raw, options=options) for raw, options in asked]
    plain = read_plain(queries, plan)
    for position, steps, last, values in zip(plain.positions, plain.steps, plain.last, plain.values, strict=True):
        request = JSON.decode(queries[position], plan)  # raises nothing
        window = cut_window(request.frame, plan.input)
        assert (request.inference_length, request.quantiles) == (steps, ())
        assert window.last == last
        assert np.ascontiguousarray(values).tobytes() == np.ascontiguousarray(window.values).tobytes()


@settings(max_examples=100)
@given(st.lists(_spoilt_bodies(), min_size=1, max_size=5))
def test_a_batch_always_gets_the_bytes_and_errors_that_careful_reading_gives(bodies: list[bytes]) -> None:
    inferencer = Inferencer(_PLAN, CountingBackend(_PLAN.network))
    # An index column in the head keeps a query off the batch road without changing what it asks.
    names = [_index_column(raw) for raw in bodies]
    together = inferencer.answer([ForecastQuery("r1", raw) for raw in bodies]).replies
    careful = [
        ForecastQuery("r1", raw, options=QueryOptions(index_col=name)) for raw, name in zip(bodies, names, strict=True)
    ]
    assert together == inferencer.answer(careful).replies


def _index_column(raw: bytes) -> str | None:
    fields = orjson.loads(raw)
    data, name = fields.get("data"), fields.get("index_col")
    if name is not None or not isinstance(data, dict):
        return None
    return next((each for each in _PLAN.input.time_columns if each in data), None)


@given(st.lists(_plain_bodies(), min_size=1, max_size=6))
def test_plain_requests_are_never_left_to_the_careful_road(fields: list[dict[str, object]]) -> None:
    queries = [ForecastQuery("r1", orjson.dumps(each)) for each in fields]
    assert sorted(read_plain(queries, _PLAN).positions) == list(range(len(queries)))


@pytest.mark.parametrize("extra", [{"note": ["a", None, True]}, {"flag": [False] * 3}])
def test_a_column_that_nobody_reads_may_hold_anything(extra: dict[str, object]) -> None:
    data = {**sample_data(3), **extra}
    assert read_plain([ForecastQuery("r1", body(data))], _PLAN).positions == (0,)


def test_a_bool_among_the_numbers_is_left_to_the_careful_road() -> None:
    data = sample_data(3) | {"load": [3.5, True, 2.5]}
    assert read_plain([ForecastQuery("r1", body(data))], _PLAN).positions == ()


def test_strings_that_are_only_together_as_long_as_two_times_are_no_times() -> None:
    good = moments(3)
    for pair in [(good[1][:-1], "0" + good[2]), (good[1] + "\n" + good[2], "")]:
        data = sample_data(3) | {"ts": [good[0], *pair]}
        assert read_plain([ForecastQuery("r1", body(data))], _PLAN).positions == ()


def test_one_impossible_date_never_slows_its_neighbours_down() -> None:
    spoilt = sample_data(4) | {"ts": [*moments(3), "2025-02-30T00:00:00"]}
    queries = [ForecastQuery(str(at), body(each)) for at, each in enumerate([sample_data(4), spoilt, sample_data(4)])]
    assert read_plain(queries, _PLAN).positions == (0, 2)


def test_requests_of_different_lengths_and_layouts_share_a_batch() -> None:
    zulu = sample_data(5) | {"ts": [f"{each}Z" for each in moments(5)]}
    queries = [ForecastQuery("r1", body(each)) for each in (sample_data(4), zulu, sample_data(9), sample_data(4))]
    plain = read_plain(queries, _PLAN)
    assert sorted(plain.positions) == [0, 1, 2, 3]
    hours = dict(zip(plain.positions, ((plain.last - np.datetime64(START)) // np.timedelta64(1, "h")), strict=True))
    assert [int(hours[at]) for at in range(4)] == [3, 4, 8, 3]


_FIRST_YEAR = moments(5, start=datetime(1, 1, 1))
_UNPLAIN = {
    "an early row out of order": {"ts": [moments(5)[1], moments(5)[0], *moments(5)[2:]]},
    "an early row twice": {"ts": [moments(5)[1], *moments(5)[1:]]},
    "a gap in the window": {"ts": [*moments(4), moments(6)[5]]},
    "a year before the first": {"ts": [each.replace("0001", "0000") for each in _FIRST_YEAR]},
    "a forecast after the last year": {"ts": moments(5, start=datetime(9999, 12, 31, 19))},
    "times in an object": {"ts": dict.fromkeys(moments(5), 1)},
    "a null": {"heat": [1.0, None, 2.5, 3.5, 4.5]},
    "text": {"heat": [1.5, "2.5", 3.5, 4.5, 5.5]},
    "a column too long": {"heat": [1.5, 2.5, 3.5, 4.5, 5.5, 6.5]},
}


@pytest.mark.parametrize("blow", _UNPLAIN.values(), ids=_UNPLAIN.keys())
def test_what_the_careful_road_would_change_or_refuse_is_not_plain(blow: dict[str, object]) -> None:
    assert read_plain([ForecastQuery("r1", body(sample_data(5)))], _PLAN).positions == (0,)
    assert read_plain([ForecastQuery("r1", body(sample_data(5) | blow))], _PLAN).positions == ()


def test_a_wrong_length_in_the_body_is_not_plain_even_beside_a_good_one_in_the_head() -> None:
    query = ForecastQuery("r1", body(sample_data(4), inference_length=0), options=QueryOptions(2))
    assert read_plain([query], _PLAN).positions == ()


@pytest.mark.parametrize(
    "options", [QueryOptions(quantiles=(0.5,)), QueryOptions(index_col="ts"), QueryOptions(inference_length=6)]
)
def test_what_asks_for_more_than_a_length_is_not_plain(options: QueryOptions) -> None:
    assert read_plain([ForecastQuery("r1", body(sample_data(4)), options=options)], _PLAN).positions == ()


def test_other_formats_are_not_plain() -> None:
    assert read_plain([ForecastQuery("r1", body(sample_data(4)), "oip")], _PLAN).positions == ()
