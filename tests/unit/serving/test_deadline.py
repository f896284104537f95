import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.errors import DeadlineExceeded
from tests.fakes.clock import ManualClock

seconds = st.floats(0, 1e6)


@given(promise=seconds, turns=st.lists(seconds, max_size=8))
def test_what_remains_never_grows_and_never_falls_below_zero(promise: float, turns: list[float]) -> None:
    clock = ManualClock()
    deadline = Deadline.after(promise, clock)
    before = deadline.remaining()
    for turn in turns:
        clock.turn(turn)
        assert 0.0 <= deadline.remaining() <= before
        assert deadline.expired == (deadline.remaining() == 0.0)
        before = deadline.remaining()


@given(promise=seconds, nearer=seconds)
def test_a_deadline_is_never_moved_away(promise: float, nearer: float) -> None:
    clock = ManualClock()
    deadline = Deadline.after(promise, clock)
    assert deadline.tightened(nearer).at <= deadline.at


def test_check_raises_only_once_the_moment_has_come() -> None:
    clock = ManualClock()
    deadline = Deadline.after(1.0, clock)
    deadline.check()
    clock.turn(1.0)
    with pytest.raises(DeadlineExceeded):
        deadline.check()


@pytest.mark.anyio
async def test_bound_cancels_work_that_takes_too_long() -> None:
    ended = asyncio.Event()

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(DeadlineExceeded):
        await Deadline.after(0.01, SystemClock()).bound(slow())
    assert ended.is_set()


@pytest.mark.anyio
async def test_bound_lets_a_timeout_of_the_work_itself_through() -> None:
    async def own_timeout() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await Deadline.after(10, SystemClock()).bound(own_timeout())
