from dataclasses import replace

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.errors import MalformedRequest, QuantilesUnavailable
from inference_container.forecasting.bands import bands
from inference_container.forecasting.inferencer import Inferencer
from inference_container.forecasting.messages import ForecastQuery, ForecastReply, QueryOptions
from inference_container.forecasting.plan import ForecastPlan, QuantilePlan
from tests.unit.inference_container.forecasting.samples import CountingBackend, body, sample_data, sample_plan

_LEVELS = (0.1, 0.5, 0.9)
#: Step, target (heat, load), level.
_OFFSETS = tuple(tuple((-width * step, 0.5, width * step) for width in (4.0, 2.0)) for step in (1, 2, 3))


def _plan(max_steps: int | None = 9, offsets: tuple[tuple[tuple[float, ...], ...], ...] = _OFFSETS) -> ForecastPlan:
    plan = sample_plan(targets=("heat", "load"), max_steps=max_steps)
    return replace(plan, quantiles=QuantilePlan(_LEVELS, offsets))


def _ask(plan: ForecastPlan, options: QueryOptions | None = None, **fields: object) -> ForecastReply:
    query = ForecastQuery("r1", body(sample_data(6), **fields), options=options)
    (reply,) = Inferencer(plan, CountingBackend(plan.network)).answer([query]).replies
    return reply


def _rows(reply: ForecastReply) -> list[dict[str, object]]:
    assert isinstance(reply, bytes), reply
    rows: list[dict[str, object]] = orjson.loads(reply)["predictions"]
    return rows


def test_quantiles_stand_beside_each_forecast_by_target_and_level() -> None:
    rows = _rows(_ask(_plan(), inference_length=2, quantiles=[0.9, 0.1]))
    assert [list(row) for row in rows] == [["ts", "heat", "load", "quantiles"]] * 2
    for step, row in enumerate(rows, start=1):
        heat, load = row["heat"], row["load"]
        assert isinstance(heat, float)
        assert isinstance(load, float)
        assert row["quantiles"] == {
            "heat": {"0.1": heat - 4.0 * step, "0.9": heat + 4.0 * step},
            "load": {"0.1": load - 2.0 * step, "0.9": load + 2.0 * step},
        }


@pytest.mark.parametrize("fields", [{}, {"quantiles": None}, {"quantiles": []}])
def test_an_answer_without_a_wish_for_quantiles_has_none(fields: dict[str, object]) -> None:
    assert set(_rows(_ask(_plan(), None, **fields))[0]) == {"ts", "heat", "load"}


def test_the_head_of_the_request_wins_over_its_body() -> None:
    (row,) = _rows(_ask(_plan(), QueryOptions(quantiles=(0.5,)), quantiles=[0.1, 0.9]))
    assert isinstance(row["quantiles"], dict)
    assert list(row["quantiles"]["load"]) == ["0.5"]


def test_between_two_levels_of_the_table_a_quantile_lies_on_a_line() -> None:
    found = bands(_plan(), (0.3,), np.zeros((1, 2)))
    np.testing.assert_allclose(found[0, :, 0], [(-4.0 + 0.5) / 2, (-2.0 + 0.5) / 2])


_finite = st.floats(-1e9, 1e9)


@given(
    st.lists(st.floats(0.1, 0.9), min_size=2, max_size=20, unique=True),
    st.lists(_finite, min_size=18, max_size=18),
    st.lists(_finite, min_size=2, max_size=2),
)
def test_quantiles_never_fall_along_their_levels(
    levels: list[float], offsets: list[float], values: list[float]
) -> None:
    table = np.sort(np.reshape(offsets, (3, 2, 3)), axis=-1).tolist()
    stored = tuple(tuple(map(tuple, step)) for step in table)
    found = bands(_plan(offsets=stored), tuple(sorted(levels)), np.array([values]))
    assert found.shape == (1, 2, len(levels))
    assert bool((np.diff(found, axis=-1) >= 0.0).all())


@pytest.mark.parametrize("levels", [[0.05], [0.1, 0.95]])
def test_levels_beyond_the_table_are_refused_with_its_ends(levels: list[float]) -> None:
    reply = _ask(_plan(), quantiles=levels)
    assert isinstance(reply, QuantilesUnavailable)
    assert reply.details == {"lowest": 0.1, "highest": 0.9}


def test_quantiles_beyond_the_native_horizon_are_refused_though_the_forecast_is_not() -> None:
    assert len(_rows(_ask(_plan(), inference_length=4))) == 4
    reply = _ask(_plan(), inference_length=4, quantiles=[0.5])
    assert isinstance(reply, QuantilesUnavailable)
    assert reply.details == {"horizon": 3}


def test_a_bundle_without_a_table_says_so() -> None:
    assert isinstance(_ask(replace(_plan(), quantiles=None), quantiles=[0.5]), QuantilesUnavailable)


@pytest.mark.parametrize(
    "levels", [0.5, "0.5", {"0.5": 1}, [0], [1], [1.0], [0.0], ["0.5"], [True], [None], [0.5, 0.5], [-0.1]]
)
def test_what_is_no_list_of_different_levels_is_malformed(levels: object) -> None:
    assert isinstance(_ask(_plan(), quantiles=levels), MalformedRequest)


def test_more_levels_than_the_bound_are_malformed() -> None:
    twenty = [0.1 + at / 50 for at in range(21)]
    assert isinstance(_ask(_plan(), quantiles=twenty[:20]), bytes)
    assert isinstance(_ask(_plan(), quantiles=twenty), MalformedRequest)
