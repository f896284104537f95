"""How a process that is told to end waits: once patiently, and told twice not at all."""

import asyncio

import pytest

from serving.admission import BoundedQueue
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.drain import Drain
from serving.errors import Draining
from serving.lifecycle import Lifecycle, State

pytestmark = pytest.mark.anyio

Lane = BoundedQueue[int, str]


def drain_of(grace_s: float) -> tuple[Drain, Lane]:
    lane = Lane(4, SystemClock())
    life = Lifecycle()
    life.to(State.READY)
    drain = Drain([lane], life, grace_s)
    drain.watch()
    return drain, lane


async def test_one_signal_lets_what_was_admitted_finish() -> None:
    drain, lane = drain_of(60)
    ticket = lane.try_admit(1, Deadline.after(30, SystemClock()))
    closed = asyncio.Event()
    drain.begin_from_signal(closed.set)
    await asyncio.sleep(0.02)
    assert not closed.is_set()
    with pytest.raises(Draining):
        lane.try_admit(2, Deadline.after(30, SystemClock()))
    ticket.settle("done")
    await asyncio.wait_for(closed.wait(), 5)


@pytest.mark.parametrize("between_s", [0.0, 0.02])
async def test_a_second_signal_settles_what_is_left_at_once(between_s: float) -> None:
    drain, lane = drain_of(60)
    ticket = lane.try_admit(1, Deadline.after(30, SystemClock()))
    calls: list[str] = []
    drain.begin_from_signal(lambda: calls.append("close"))
    if between_s:
        await asyncio.sleep(between_s)
    drain.begin_from_signal(lambda: calls.append("close"))
    with pytest.raises(Draining):
        await asyncio.wait_for(ticket.result(), 5)
    await drain.done()
    await asyncio.sleep(0)
    assert calls == ["close"]


async def test_a_signal_before_there_is_anything_to_drain_closes_at_once() -> None:
    calls: list[str] = []
    Drain([], Lifecycle(), 60).begin_from_signal(lambda: calls.append("close"))
    assert calls == ["close"]


async def test_what_ends_after_the_lanes_has_what_they_left_of_the_grace() -> None:
    drain, _ = drain_of(60)
    assert drain.left_s() == 60
    drain.begin_from_signal(lambda: None)
    await asyncio.sleep(0.05)
    assert 50 < drain.left_s() < 60
    drain.begin_from_signal(lambda: None)
    await asyncio.sleep(0)
    assert drain.left_s() == 0
