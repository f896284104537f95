import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.claims.consuming.gate import Gate, GatePolicy, GateStatistics, Turn
from tests.fakes.clock import ManualClock


def gate_of(bound: int = 40, policy: GatePolicy | None = None) -> tuple[Gate, ManualClock]:
    clock = ManualClock()
    return Gate(bound, policy or GatePolicy(), clock), clock


def test_the_gate_shuts_at_the_high_watermark_and_opens_at_the_low_one_only() -> None:
    gate, _ = gate_of()
    turns = {depth: gate.judge(depth) for depth in (0, 31, 32)}
    assert turns == {0: None, 31: None, 32: Turn.SHUT}
    assert [gate.judge(depth) for depth in (40, 31, 21)] == [None, None, None]
    assert gate.closed
    assert gate.judge(20) is Turn.OPENED
    assert not gate.closed
    assert [gate.judge(depth) for depth in (21, 31)] == [None, None]


def test_statistics_count_turns_and_the_time_shut() -> None:
    gate, clock = gate_of()
    assert gate.statistics() == GateStatistics(closed=False, flips=0, paused_s=0.0)
    gate.judge(40)
    clock.turn(3)
    assert gate.statistics() == GateStatistics(closed=True, flips=1, paused_s=3.0)
    gate.judge(0)
    clock.turn(5)
    assert gate.statistics() == GateStatistics(closed=False, flips=2, paused_s=3.0)
    gate.judge(32)
    clock.turn(1)
    assert gate.statistics() == GateStatistics(closed=True, flips=3, paused_s=4.0)


@pytest.mark.parametrize(("pause", "resume"), [(50, 50), (50, 80), (101, 50), (50, -1), (0, 0), (0, -5)])
def test_thresholds_that_leave_nothing_between_them_are_refused(pause: int, resume: int) -> None:
    with pytest.raises(ValueError, match="RESUME_THRESHOLD_PCT must be below"):
        GatePolicy(pause, resume)


def test_a_lane_without_places_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        gate_of(bound=0)


policies = st.tuples(st.integers(0, 100), st.integers(0, 100)).filter(lambda pair: pair[0] < pair[1])


@given(st.integers(1, 1000), policies, st.lists(st.integers(0, 1000), max_size=60))
def test_turns_always_alternate_and_lie_at_their_thresholds(
    bound: int, thresholds: tuple[int, int], depths: list[int]
) -> None:
    resume, pause = thresholds
    gate, _ = gate_of(bound, GatePolicy(pause, resume))
    closed = False
    for depth in depths:
        turn = gate.judge(depth)
        if turn is not None:
            assert (turn is Turn.SHUT) is not closed
            closed = not closed
        assert gate.closed is closed
        assert closed or depth * 100 < pause * bound
        assert not closed or depth * 100 > resume * bound


@given(st.integers(1, 1000), policies)
def test_a_gate_never_stays_shut_over_an_empty_lane_nor_open_over_a_full_one(
    bound: int, thresholds: tuple[int, int]
) -> None:
    gate, _ = gate_of(bound, GatePolicy(thresholds[1], thresholds[0]))
    gate.judge(bound)
    assert gate.closed
    gate.judge(0)
    assert not gate.closed


@given(st.integers(1, 100), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=50))
def test_who_fetches_no_more_than_the_room_never_exceeds_the_bound(bound: int, steps: list[tuple[int, int]]) -> None:
    gate, _ = gate_of(bound)
    depth = 0
    for wanted, done in steps:
        depth += min(wanted, gate.room(depth))
        assert depth <= bound
        depth -= min(done, depth)
    assert gate.room(bound + 5) == 0
