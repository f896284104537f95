"""The requests that are in the engine's process, as its parent knows them: who waits for what, and who has left.

`process` enters them, hands them what the child says and asks who is overdue. A request that its caller has left stays
here until the child says that it has ended: one that it never says of is how a child that sits on its work is found.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from service_chat.engines.gguf.messages import Counted, Outcome
from service_chat.engines.protocol import Completion, StreamEvent
from serving.errors import SluiceError


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds after which a child is thought to be stuck. A step takes a few at most, and a cancel waits for one."""

    silence_s: float = 30.0  #: no sign of life from a loaded child, which beats between steps
    margin_s: float = 10.0  #: past the deadline of a request that it was told to end
    leave_s: float = 30.0  #: since it was told to end one


@dataclass(slots=True, eq=False)
class LiveRequest:
    id: int
    due_at: float  #: its deadline, on the monotonic clock
    events: asyncio.Queue[StreamEvent | SluiceError] = field(default_factory=asyncio.Queue)


class LiveRequests:
    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._chats: dict[int, LiveRequest] = {}
        self._counts: dict[int, asyncio.Future[int]] = {}
        #: When each of those that were left should be gone.
        self._leaving: dict[int, float] = {}

    @property
    def chats(self) -> int:
        """How many hold a slot, or are about to."""
        return len(self._chats)

    def enter(self, request: LiveRequest) -> None:
        self._chats[request.id] = request

    def leave(self, request: LiveRequest, now: float) -> bool:
        """The caller is done with it. True when the child is not: it wants to be told."""
        if self._chats.pop(request.id, None) is None:
            return False
        late = max(request.due_at, now) + self._patience.margin_s
        self._leaving[request.id] = min(late, now + self._patience.leave_s)
        return True

    async def counted(self, request_id: int, answer: asyncio.Future[int]) -> int:
        """Waits for the count. Raises what the child raised."""
        self._counts[request_id] = answer
        try:
            return await answer
        finally:
            del self._counts[request_id]

    def deliver(self, request_id: int, outcome: Outcome) -> None:
        """What is for somebody who has gone is dropped."""
        last = isinstance(outcome, Completion | SluiceError)
        if last:
            self._leaving.pop(request_id, None)
        if (answer := self._counts.get(request_id)) is not None:
            if isinstance(outcome, Counted) and not answer.done():
                answer.set_result(outcome.tokens)
            elif isinstance(outcome, SluiceError) and not answer.done():
                answer.set_exception(outcome)
        elif isinstance(outcome, Counted):
            return
        elif (request := self._chats.get(request_id)) is not None:
            if last:
                del self._chats[request_id]
            request.events.put_nowait(outcome)

    def fail_all(self, error: Callable[[], SluiceError]) -> None:
        """The process is gone: each gets an error of its own, since a raised one takes its traceback along."""
        for request_id in (*self._chats, *self._counts):
            self.deliver(request_id, error())
        self._leaving.clear()

    def overdue_s(self, now: float) -> float | None:
        """For how long the most overdue one should have been gone; None while all is well.

        One whose caller is still there counts too: its deadline has passed and the loop has not come round to it.
        """
        held = (request.due_at + self._patience.leave_s for request in self._chats.values())
        first = min((*self._leaving.values(), *held), default=now)
        return now - first if first < now else None
