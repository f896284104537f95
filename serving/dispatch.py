"""Dispatch: workers that take tickets, drop the expired, run the rest and settle them.

The use case hands in how a batch is run; a batch of one is the same code. A ticket is settled whatever happens: a run
that raises fails its whole batch with that error, and a run for which nobody waits any more is cancelled.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from serving import events
from serving.admission import BoundedQueue
from serving.errors import DeadlineExceeded, SluiceError, WorkFailed
from serving.logging import where
from serving.ticket import Ticket

I = TypeVar("I")  # noqa: E741 - the item of a ticket, as in serving.admission
R = TypeVar("R")

#: Runs one batch: an outcome for each ticket, in their order. An outcome is a value or the error of that ticket alone.
RunBatch = Callable[[Sequence[Ticket[I, R]]], Awaitable[Sequence[R | SluiceError]]]


class Dispatcher(Generic[I, R]):
    """`workers` batches run at a time, each of at most `batch_size` tickets. There is no timer: what waits is taken.

    An idle worker takes a ticket in the moment in which it is admitted. So what a lane calls waiting has no worker
    free, and of a burst nobody is refused for those who will be gone from the lane a step later.
    """

    def __init__(self, lane: BoundedQueue[I, R], run: RunBatch[I, R], workers: int = 1, batch_size: int = 1) -> None:
        self._lane, self._run, self._batch_size = lane, run, batch_size
        self._idle = workers
        self._tasks: set[asyncio.Task[None]] = set()
        self._context = contextvars.copy_context()

    async def __aenter__(self) -> "Dispatcher[I, R]":
        self._context = contextvars.copy_context()
        self._lane.on_arrival = self._begin
        self._begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops taking and ends what runs. Drain the lane first when its answers still matter."""
        self._lane.on_arrival = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self) -> None:
        while self._idle and (batch := self._lane.take_now(self._batch_size)):
            self._idle -= 1
            # Not in the caller's context: the worker goes on to tickets of others, which must not log this one's trace.
            task = asyncio.create_task(self._work(batch), name="dispatch", context=self._context.copy())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, batch: list[Ticket[I, R]]) -> None:
        """This batch, and then whatever waits; idle when nothing does."""
        try:
            while batch:
                wanted = [ticket for ticket in batch if not _is_over(ticket)]
                if wanted:
                    await self._run_while_wanted(wanted)
                batch = self._lane.take_now(self._batch_size)
        finally:
            self._idle += 1

    async def _run_while_wanted(self, batch: list[Ticket[I, R]]) -> None:
        run = asyncio.ensure_future(self._run(batch))
        wanted = len(batch)

        def one_left() -> None:
            nonlocal wanted
            wanted -= 1
            if wanted == 0:
                run.cancel()

        for ticket in batch:
            ticket.when_settled(one_left)
        try:
            outcomes = await run
            if len(outcomes) != len(batch):
                raise ValueError(f"{len(outcomes)} outcomes for {len(batch)} tickets")
        except asyncio.CancelledError:
            run.cancel()
            _fail(batch, WorkFailed("The work was stopped before it was done."))
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # this worker is being stopped, not just the batch
                raise
            return
        except SluiceError as error:
            _fail(batch, error)
            return
        except Exception as error:  # a defect in a use case fails its batch; the worker lives on for the next
            events.unexpected_error(error_type=type(error).__name__, at=where(error))
            _fail(batch, WorkFailed())
            return
        for ticket, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, SluiceError):
                ticket.fail(outcome)
            else:
                ticket.settle(outcome)


def _is_over(ticket: Ticket[I, R]) -> bool:
    """Whether nobody waits for it any more; one whose moment has just passed is settled here."""
    if ticket.deadline.expired:
        ticket.fail(DeadlineExceeded())
    return ticket.settled


def _fail(batch: Sequence[Ticket[I, R]], error: SluiceError) -> None:
    for ticket in batch:
        ticket.fail(error)
