import asyncio

import pytest

from serving.admission import BoundedQueue
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.errors import DeadlineExceeded

pytestmark = pytest.mark.anyio

Lane = BoundedQueue[int, str]


async def test_a_caller_that_goes_away_frees_its_place_at_once() -> None:
    lane, deadline = Lane(1, SystemClock()), Deadline.after(30, SystemClock())
    waiting = asyncio.create_task(lane.try_admit(1, deadline).result())
    await asyncio.sleep(0)
    assert lane.full
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert lane.depth == 0
    lane.try_admit(2, deadline)


async def test_a_ticket_that_nobody_settles_ends_with_its_deadline() -> None:
    clock = SystemClock()
    lane = Lane(1, clock)
    ticket = lane.try_admit(1, Deadline.after(0.01, clock))
    with pytest.raises(DeadlineExceeded):
        await ticket.result()
    assert lane.statistics().expired == 1
    assert not ticket.settle("late")


async def test_a_ticket_that_nobody_asks_about_still_ends_with_its_deadline() -> None:
    lane = Lane(1, SystemClock())
    ticket = lane.try_admit(1, Deadline.after(0.01, SystemClock()))
    await asyncio.sleep(0.05)
    assert ticket.settled
    assert lane.depth == 0
