import asyncio
from collections.abc import Sequence
from contextlib import suppress
from contextvars import ContextVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.admission import BoundedQueue
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.dispatch import Dispatcher
from serving.errors import DeadlineExceeded, InvalidInput, QueueFull, SluiceError, WorkFailed
from serving.ticket import Ticket

pytestmark = pytest.mark.anyio

Batch = Sequence[Ticket[int, int]]


def lane_of(capacity: int = 10) -> tuple[BoundedQueue[int, int], Deadline]:
    clock = SystemClock()
    return BoundedQueue(capacity, clock), Deadline.after(30, clock)


async def double(batch: Batch) -> list[int | SluiceError]:
    return [2 * ticket.item for ticket in batch]


async def test_every_ticket_gets_its_own_outcome() -> None:
    lane, deadline = lane_of()

    async def refuse_odd(batch: Batch) -> list[int | SluiceError]:
        return [InvalidInput("odd") if t.item % 2 else t.item for t in batch]

    tickets = [lane.try_admit(n, deadline) for n in range(4)]
    async with Dispatcher(lane, refuse_odd, batch_size=4):
        outcomes = await asyncio.gather(*(t.result() for t in tickets), return_exceptions=True)
    assert outcomes == [0, InvalidInput("odd"), 2, InvalidInput("odd")]


async def test_what_waits_is_taken_together_up_to_the_batch_size() -> None:
    lane, deadline = lane_of()
    sizes: list[int] = []

    async def note(batch: Batch) -> list[int | SluiceError]:
        sizes.append(len(batch))
        return await double(batch)

    tickets = [lane.try_admit(n, deadline) for n in range(7)]
    async with Dispatcher(lane, note, batch_size=3):
        assert [await t.result() for t in tickets] == [0, 2, 4, 6, 8, 10, 12]
    assert sizes == [3, 3, 1]


async def test_expired_work_is_never_run() -> None:
    clock = SystemClock()
    lane, deadline = lane_of()
    late = lane.try_admit(1, Deadline.after(0, clock))
    fresh = lane.try_admit(2, deadline)
    ran: list[int] = []

    async def note(batch: Batch) -> list[int | SluiceError]:
        ran.extend(t.item for t in batch)
        return await double(batch)

    async with Dispatcher(lane, note, batch_size=8):
        assert await fresh.result() == 4
    assert ran == [2]
    with pytest.raises(DeadlineExceeded):
        await late.result()


@pytest.mark.parametrize(
    ("raised", "seen"), [(InvalidInput("no"), InvalidInput("no")), (RuntimeError("a defect"), WorkFailed())]
)
async def test_a_run_that_raises_fails_its_batch_and_the_worker_goes_on(raised: Exception, seen: SluiceError) -> None:
    lane, deadline = lane_of()

    async def fragile(batch: Batch) -> list[int | SluiceError]:
        if batch[0].item == 0:
            raise raised
        return await double(batch)

    first = lane.try_admit(0, deadline)
    async with Dispatcher(lane, fragile):
        with pytest.raises(type(seen)) as failure:
            await first.result()
        assert failure.value == seen
        assert await lane.try_admit(5, deadline).result() == 10


async def test_a_run_that_forgets_a_ticket_fails_its_batch_and_the_worker_goes_on() -> None:
    lane, deadline = lane_of()

    async def forgetful(batch: Batch) -> list[int | SluiceError]:
        return [] if batch[0].item == 0 else await double(batch)

    first = lane.try_admit(0, deadline)
    async with Dispatcher(lane, forgetful):
        with pytest.raises(WorkFailed):
            await first.result()
        assert await lane.try_admit(5, deadline).result() == 10


async def test_work_that_nobody_waits_for_any_more_is_cancelled() -> None:
    lane, deadline = lane_of()
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def slow(batch: Batch) -> list[int | SluiceError]:
        if batch[0].item == 0:
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                cancelled.set()
        return await double(batch)

    async with Dispatcher(lane, slow):
        caller = asyncio.create_task(lane.try_admit(0, deadline).result())
        await begun.wait()
        caller.cancel()
        await cancelled.wait()
        assert await lane.try_admit(4, deadline).result() == 8


async def test_a_batch_goes_on_while_one_of_its_callers_still_waits() -> None:
    lane, deadline = lane_of()
    go = asyncio.Event()

    async def held(batch: Batch) -> list[int | SluiceError]:
        await go.wait()
        return await double(batch)

    leaving, staying = lane.try_admit(1, deadline), lane.try_admit(2, deadline)
    async with Dispatcher(lane, held, batch_size=2):
        await asyncio.sleep(0.01)
        leaving.fail(DeadlineExceeded())
        go.set()
        assert await staying.result() == 4


async def test_stopping_settles_what_was_running() -> None:
    lane, deadline = lane_of()
    begun = asyncio.Event()

    async def endless(batch: Batch) -> list[int | SluiceError]:
        begun.set()
        await asyncio.sleep(60)
        return await double(batch)

    ticket = lane.try_admit(1, deadline)
    async with Dispatcher(lane, endless):
        await begun.wait()
    with pytest.raises(WorkFailed):
        await ticket.result()


@given(st.integers(1, 4), st.integers(1, 4), st.lists(st.integers(0, 12), min_size=1, max_size=4))
def test_a_burst_always_gets_every_idle_worker_and_every_place_and_never_more(
    workers: int, capacity: int, bursts: list[int]
) -> None:
    async def play() -> None:
        lane, deadline = lane_of(capacity)

        async def held(batch: Batch) -> list[int | SluiceError]:
            await asyncio.sleep(60)
            return await double(batch)

        tickets: list[Ticket[int, int]] = []
        async with Dispatcher(lane, held, workers=workers):
            for callers in bursts:
                before = len(tickets)
                for number in range(callers):  # all in one step of the loop
                    with suppress(QueueFull):
                        tickets.append(lane.try_admit(number, deadline))
                assert len(tickets) == min(before + callers, workers + capacity)
                assert (lane.depth, lane.statistics().running) == (
                    max(0, len(tickets) - workers),
                    min(len(tickets), workers),
                )
                for ticket in tickets[:-2]:
                    ticket.fail(DeadlineExceeded())
                tickets = tickets[-2:]
                for _ in range(10):
                    await asyncio.sleep(0)

    asyncio.run(play())


async def test_a_worker_that_goes_on_to_anothers_ticket_does_not_log_the_first_ones_trace() -> None:
    lane, deadline = lane_of()
    trace: ContextVar[str] = ContextVar("trace", default="none")
    seen: list[str] = []

    async def note(batch: Batch) -> list[int | SluiceError]:
        seen.append(trace.get())
        return await double(batch)

    async with Dispatcher(lane, note):
        trace.set("the first caller's")
        first, second = lane.try_admit(1, deadline), lane.try_admit(2, deadline)
        assert (await first.result(), await second.result()) == (2, 4)
    assert seen == ["none", "none"]
