"""A ticket: a place in a lane, which settles once. Made by `admission`; doors, dispatchers and batches hold it.

Whoever has one may wait for its outcome, settle it, or give it up, and needs to know nothing of the lane for that.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Generic, TypeAlias, TypeVar, cast

from serving.deadline import Deadline
from serving.errors import CallerGone, DeadlineExceeded, SluiceError
from serving.tracing import Trace

I = TypeVar("I")  # noqa: E741 - the item of a ticket; no digit can be meant in a type
R = TypeVar("R")


class Stage(Enum):
    WAITING = auto()
    RUNNING = auto()
    SETTLED = auto()


class Ticket(Generic[I, R]):
    """A place in a lane, and later the answer. Its lane alone writes `stage`, `value`, `error` and `watchers`."""

    __slots__ = (
        *("_close", "admitted_at", "alarm_slot", "deadline", "error", "item", "size", "stage", "trace", "value"),
        *("waited_s", "watchers"),
    )

    def __init__(self, item: I, deadline: Deadline, close: "Close[I, R]", admitted_at: float, size: int) -> None:
        """`close` is asked to settle it, with a value or an error; False when it was settled before."""
        self.item = item
        self.deadline = deadline
        self.admitted_at = admitted_at
        self.size = size
        #: None until it is taken.
        self.waited_s: float | None = None
        self.alarm_slot = 0
        self._close = close
        self.stage = Stage.WAITING
        #: What it was settled with. Ask only a settled ticket without an error.
        self.value = cast(R, None)
        #: What it was settled with, if that was an error.
        self.error: SluiceError | None = None
        self.watchers: list[Callable[[], None]] | None = None
        #: What its wait and its work are part of; set by whoever admits, where that is traced.
        self.trace: Trace | None = None

    @property
    def settled(self) -> bool:
        return self.stage is Stage.SETTLED

    async def result(self) -> R:
        """Waits for the outcome. A caller that is cancelled gives its place up.

        Raises:
            DeadlineExceeded: Nobody settled it in time.
            SluiceError: What the work failed with.
        """
        if self.stage is not Stage.SETTLED:
            outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.when_settled(lambda: None if outcome.done() else outcome.set_result(None))
            try:
                await outcome
            except asyncio.CancelledError:
                self.fail(CallerGone())
                raise
        if self.error is not None:
            # A new one: raised, it holds this frame, the frame this ticket, and the ticket must not hold it in turn.
            # The item, which may be large, would wait for a garbage collection that seldom comes.
            raise self.error.with_details()
        return self.value

    def settle(self, value: R) -> bool:
        """False when the ticket was settled before; the value is then dropped."""
        return self._close(self, value, None)

    def fail(self, error: SluiceError) -> bool:
        """False when the ticket was settled before."""
        return self._close(self, self.value, error)  # there is no value yet

    def ring(self) -> None:
        """The deadline has passed."""
        self.fail(DeadlineExceeded())

    def when_settled(self, call: Callable[[], None]) -> None:
        """`call` is made at once when the ticket settles, or now if it has."""
        if self.stage is Stage.SETTLED:
            call()
        elif self.watchers is None:
            self.watchers = [call]
        else:
            self.watchers.append(call)


Close: TypeAlias = Callable[[Ticket[I, R], R, SluiceError | None], bool]
