"""The bound that follows the pace: only after a lane was full, only while it is pressed."""

from hypothesis import given
from hypothesis import strategies as st

from serving.pace import Shedding
from tests.fakes.clock import ManualClock


@given(depths=st.lists(st.integers(0, 511), max_size=200), interval=st.floats(1e-5, 10))
def test_a_lane_that_was_never_full_keeps_all_of_its_places(depths: list[int], interval: float) -> None:
    clock = ManualClock()
    shedding = Shedding(clock)
    for depth in depths:
        clock.turn(0.01)
        assert shedding.limit(depth, 512, interval) == 512


@given(depth=st.integers(0, 600), interval=st.floats(1e-6, 100) | st.none())
def test_the_limit_never_leaves_its_bounds(depth: int, interval: float | None) -> None:
    shedding = Shedding(ManualClock())
    shedding.limit(512, 512, interval)
    assert 48 <= shedding.limit(depth, 512, interval) <= 512


def test_a_full_lane_gets_as_short_as_its_wait_may_be_and_long_again_when_calm() -> None:
    clock = ManualClock()
    shedding = Shedding(clock, wait_s=0.03, calm_s=1.0)
    assert shedding.limit(512, 512, 0.0002) == 150
    assert shedding.active
    clock.turn(0.5)
    assert shedding.limit(140, 512, 0.0002) == 150
    clock.turn(1.1)
    assert shedding.limit(80, 512, 0.0002) == 150  # more than half as long: pressed still
    clock.turn(0.9)
    assert shedding.limit(20, 512, 0.0002) == 150
    clock.turn(0.2)
    assert shedding.limit(20, 512, 0.0002) == 512
    assert not shedding.active


def test_a_slow_lane_keeps_a_few_places_whatever_the_wait() -> None:
    shedding = Shedding(ManualClock(), at_least=16)
    assert shedding.limit(512, 512, 5.0) == 16


def test_work_too_slow_to_ever_fill_the_lane_presses_it_by_those_who_come_too_late() -> None:
    shedding = Shedding(ManualClock(), in_a_row=3)
    for _ in range(3):
        assert shedding.limit(100, 512, 0.005) == 512
        shedding.too_late()
    assert shedding.limit(100, 512, 0.005) == 48


def test_one_caller_in_a_hurry_among_others_that_are_not_shortens_nothing() -> None:
    shedding = Shedding(ManualClock(), in_a_row=3)
    for _ in range(20):
        shedding.too_late()
        shedding.too_late()
        shedding.admitted()
    assert shedding.limit(100, 512, 0.005) == 512
