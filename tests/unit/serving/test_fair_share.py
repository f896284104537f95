"""Weighted turns: shares in proportion, no lane starved, nothing saved up while idle."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.admission import BoundedQueue
from serving.deadline import Deadline
from serving.fair_share import Company, FairShare
from tests.fakes.clock import ManualClock

Lane = BoundedQueue[int, str]


def lanes(*weights: float) -> tuple[FairShare[int, str], list[Lane], ManualClock]:
    clock = ManualClock()
    made = [Lane(10_000, clock) for _ in weights]
    return FairShare(*zip(made, weights, strict=True)), made, clock


def fill(lane: Lane, count: int, clock: ManualClock, mark: int) -> None:
    for _ in range(count):
        lane.try_admit(mark, Deadline.after(1e6, clock))


@settings(deadline=None)
@given(weight=st.sampled_from([1.0, 2.0, 4.0, 9.0]), batch=st.integers(1, 64))
def test_while_both_wait_each_gets_its_share(weight: float, batch: int) -> None:
    async def inside() -> None:
        share, (callers, claims), clock = lanes(weight, 1.0)
        for mark, lane in enumerate((callers, claims)):
            fill(lane, 100 * batch, clock, mark)  # more than it can lose: both wait to the end
        taken = [share.take_now(batch)[0].item for _ in range(100)]
        expected = 100 * weight / (weight + 1)
        assert abs(taken.count(0) - expected) <= 1

    asyncio.run(inside())


@settings(deadline=None)
@given(batches=st.lists(st.integers(1, 32), min_size=1, max_size=60), weight=st.floats(1, 50))
def test_no_lane_with_work_is_passed_over_for_ever(batches: list[int], weight: float) -> None:
    async def inside() -> None:
        share, (callers, claims), clock = lanes(weight, 1.0)
        fill(claims, 1, clock, 1)
        waited = 0
        for size in batches:
            fill(callers, 64, clock, 0)
            if share.take_now(size)[0].item == 1:
                return
            waited += size
            assert waited <= weight + size, "the claim's turn has come and gone"

    asyncio.run(inside())


def test_a_lane_that_was_silent_has_saved_nothing_up() -> None:
    async def inside() -> None:
        share, (callers, claims), clock = lanes(1.0, 1.0)
        fill(callers, 200, clock, 0)
        for _ in range(100):
            share.take_now(1)
        fill(claims, 50, clock, 1)
        after = [share.take_now(1)[0].item for _ in range(20)]
        assert after.count(1) == 10

    asyncio.run(inside())


def test_nothing_waits_nothing_is_taken() -> None:
    share, _, _ = lanes(1.0, 1.0)
    assert share.take_now(8) == []
    with pytest.raises(ValueError, match="above 0"):
        lanes(0.0)


def test_beside_callers_the_turns_of_others_are_short_and_without_them_whole() -> None:
    async def inside() -> None:
        clock = ManualClock()
        callers, claims = Lane(100, clock), Lane(100, clock)
        share = FairShare((callers, 4.0), (claims, 1.0), company=Company(clock, at_most=4, lately_s=0.1))
        fill(claims, 90, clock, 1)
        assert len(share.take_now(32)) == 32, "no caller was ever here"
        fill(callers, 20, clock, 0)
        assert len(share.take_now(32)) == 20, "callers' own turns are whole"
        clock.turn(0.05)
        assert [len(share.take_now(32)), len(share.take_now(3))] == [4, 3]
        clock.turn(0.06)
        assert len(share.take_now(32)) == 32

    asyncio.run(inside())
