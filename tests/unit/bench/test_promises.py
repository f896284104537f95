import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.contest import OURS, Round
from bench.generator import Figures
from bench.verdict import (
    MOSEC_FLOORS,
    Line,
    Overload,
    closed_loop_lines,
    failed,
    levels_table,
    overload_lines,
    overload_table,
    verdict_table,
)
from tests.unit.bench.figures import figures, one_round

LEVELS = (1, 10, 50, 200)


def flat(rate: int) -> Round:
    return one_round({level: figures(rate) for level in LEVELS})


def named(lines: list[Line], begin: str) -> Line:
    (found,) = [line for line in lines if line.promise.startswith(begin)]
    return found


def test_every_promise_of_the_closed_loop_is_judged_when_everyone_ran() -> None:
    results = {OURS: [flat(5000)]} | {name: [flat(10)] for name in ("mosec", "litserve", "threadpool", "predecessor")}
    lines = closed_loop_lines(results, LEVELS, cores=1)
    assert len(lines) == len(MOSEC_FLOORS) + 3 + 5
    assert {line.verdict for line in lines} == {"aim reached", "floor holds"}
    assert not failed(lines)


@pytest.mark.parametrize(("connections", "floor", "aim"), [(1, 5, 6.5), (10, 2, 2.7), (50, 1.15, 1.3), (200, 1.2, 1.4)])
def test_a_ratio_is_judged_by_the_floor_and_the_aim_of_its_level(connections: int, floor: float, aim: float) -> None:
    def verdict(ours: float) -> str:
        results = {OURS: [flat(round(10_000 * ours))], "mosec": [flat(10_000)]}
        lines = closed_loop_lines(results, LEVELS, cores=1)
        return named(lines, f"req/s against mosec, c={connections},").verdict

    assert verdict(floor - 0.01) == "FLOOR MISSED"
    assert verdict(floor) == "floor holds"
    assert verdict(aim) == "aim reached"


def test_medians_are_taken_over_rounds_before_the_ratio() -> None:
    results = {OURS: [flat(100), flat(900), flat(300)], "mosec": [flat(100), flat(50), flat(10_000)]}
    line = named(closed_loop_lines(results, LEVELS, cores=1), "req/s against mosec, c=50,")
    assert line.found == 3.0


def test_two_cores_are_compared_with_mosecs_two_workers() -> None:
    results = {OURS: [flat(1300)], "mosec-2w": [flat(1000)]}
    lines = closed_loop_lines(results, (50, 200), cores=2)
    assert named(lines, "req/s against mosec-2w").verdict == "floor holds"
    assert [line.promise for line in lines if line.promise.startswith("req/s")] == [
        "req/s against mosec-2w, c=50, two cores"
    ]


@pytest.mark.parametrize(
    ("cores", "p99", "holds"), [(1, 10.0, True), (1, 10.1, False), (2, 5.0, True), (2, 5.1, False)]
)
def test_health_may_take_as_long_as_its_cores_allow(cores: int, p99: float, holds: bool) -> None:
    level = {200: figures(10, health_p99=p99)}
    lines = closed_loop_lines({OURS: [one_round(level)]}, (200,), cores=1 if cores == 1 else 2)
    assert (named(lines, "health").verdict == "floor holds") is holds


def test_a_service_that_answered_nobody_holds_no_floor() -> None:
    silent = figures(0, timeouts=5, health_p99=-1)
    results = {OURS: [one_round(dict.fromkeys(LEVELS, silent))], "mosec": [flat(100)]}
    lines = closed_loop_lines(results, LEVELS, cores=1)
    held = {line.promise for line in lines if line.verdict != "FLOOR MISSED"}
    assert held == {"RSS of all our processes", "starts with torch loaded"}


def test_one_error_below_the_limit_is_one_too_many() -> None:
    results = {OURS: [one_round({10: figures(100)}), one_round({10: figures(100, other=1)})]}
    assert named(closed_loop_lines(results, (10,), cores=1), "errors").verdict == "FLOOR MISSED"


def test_torch_in_any_start_is_seen() -> None:
    level = {10: figures(1)}
    rounds = [one_round(level), one_round(level, torch_loaded=True)]
    assert named(closed_loop_lines({OURS: rounds}, (10,), cores=1), "starts").verdict == "FLOOR MISSED"


def overloaded(found: Figures) -> dict[str, str]:
    return {line.promise: line.verdict for line in overload_lines(Overload(1000.0, found))}


def test_goodput_counts_what_came_in_time_and_nothing_else() -> None:
    late = overloaded(figures(900, refused=1100, within_slo=590))
    assert late["overload: goodput within 500 ms, of capacity"] == "FLOOR MISSED"
    timely = overloaded(figures(900, refused=1100, within_slo=600, p99=61.0))
    assert timely["overload: goodput within 500 ms, of capacity"] == "floor holds"
    assert timely["overload: p99 of 200s"] == "aim missed"
    assert timely["overload: p99 of 429s"] == "aim reached"


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_what_ended_otherwise_is_always_told(accepted: int, refused: int, expired: int, other: int, lost: int) -> None:
    found = figures(accepted, refused=refused, expired=expired, other=other, timeouts=lost)
    verdicts = overloaded(found)
    assert (verdicts["overload: ended neither 200, 429 nor 504"] == "floor holds") is (other == 0)
    assert (verdicts["overload: client time-outs"] == "floor holds") is (lost == 0)


@given(st.floats(allow_nan=True), st.floats(0, 100), st.floats(0, 100), st.booleans())
def test_an_aim_is_never_reached_where_the_floor_is_missed(
    found: float, one: float, other: float, at_least: bool
) -> None:
    floor, aim = sorted((one, other), reverse=not at_least)
    line = Line("p", found, "x", floor, aim, at_least)
    beyond = found < floor if at_least else found > floor
    assert (line.verdict == "FLOOR MISSED") is (beyond or math.isnan(found))


def test_the_table_has_a_column_for_each_level_and_the_ratio_to_each_peer() -> None:
    results = {OURS: [flat(3000)], "mosec": [flat(1000)]}
    lines = levels_table(results, (10, 50)).splitlines()
    assert {line.count("|") for line in lines} == {11}
    assert "3.00 x" in lines[3]
    assert " x" not in lines[2]


def test_what_nobody_answered_is_a_dash() -> None:
    silent = {50: figures(0, health_p99=-1)}
    results = {OURS: [one_round({50: figures(10)})], "predecessor": [one_round(silent)]}
    assert "| predecessor | 0 | - / - | nan x | 0 | - | 100 |" in levels_table(results, (50,))


def test_every_line_of_a_verdict_shows_its_bounds() -> None:
    table = verdict_table(
        [Line("fast", 1.236, "x", 1.0, 2.0, True), Line("small", 100.0, " MiB", None, 130.0, False)]
    ).splitlines()
    assert table[2:] == [
        "| fast | 1.24x | >= 1x | >= 2x | floor holds |",
        "| small | 100 MiB | - | <= 130 MiB | aim reached |",
    ]


def test_an_overload_is_told_against_the_servers_own_capacity() -> None:
    row = overload_table({OURS: Overload(1000.0, figures(700, refused=1300, within_slo=650))}).splitlines()[2]
    assert row == "| sluice | 1,000 | 2,000 | 700 | 650 | 65 % | 10.0 / 14.0 | 5.0 | 1300 | 0 | 0 | 0 | 4.0 |"
