"""A chat from the door to its last token: admission, the wait with its place in the queue, a slot, the text.

Both doors (`triage`, `chat_completions`) speak to an engine through this and never to the engine itself. Each engine
has a lane of its own, so that what waits for the local model never stands before a remote one.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeAlias

from service_chat.engines.protocol import ChatMessage, Completion, Engine, SamplingParams, StreamEvent
from service_chat.services.readiness import given_up
from serving.admission import BoundedQueue, LaneStatistics, Ticket
from serving.clock import Clock
from serving.deadline import Deadline
from serving.dispatch import Dispatcher
from serving.errors import CallerGone, NotReady, SluiceError, WorkFailed

#: How often one who waits hears where it stands, in seconds.
STATUS_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Chat:
    """What an engine is asked."""

    messages: tuple[ChatMessage, ...]
    params: SamplingParams
    #: Whose text it is; see `Engine.stream`.
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """It waits for a slot: `position` others stand before it, and its turn comes in about `eta_s` seconds."""

    position: int
    eta_s: float | None = None


#: What a lane yields: Waiting (at least one, then every few seconds), then what the engine's stream yields.
ChatStep: TypeAlias = Waiting | StreamEvent


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What waits in the lane. The engine's events go into `steps`, then None when the ticket is settled."""

    chat: Chat
    steps: asyncio.Queue[StreamEvent | None] = field(default_factory=asyncio.Queue)


class ChatLane:
    """Open it as a context for as long as chats are to be answered."""

    def __init__(self, mode: str, engine: Engine, capacity: int, slots: int, clock: Clock) -> None:
        """`capacity`: chats that may wait; `slots`: how many the engine is given at the same time."""
        self.mode, self.engine = mode, engine
        self.queue: BoundedQueue[_Asked, Completion] = BoundedQueue(capacity, clock)
        self._clock = clock
        self._dispatcher = Dispatcher(self.queue, self._run, workers=slots)

    async def __aenter__(self) -> "ChatLane":
        await self._dispatcher.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._dispatcher.__aexit__()

    def statistics(self) -> LaneStatistics:
        return self.queue.statistics()

    async def stream(self, chat: Chat, deadline: Deadline) -> AsyncGenerator[ChatStep, None]:
        """Everything until the Completion, which is the last. Closing it early gives up the place and the slot.

        Raises (the first three at the first step, and within milliseconds):
            QueueFull: Too many wait, or it could not be answered before its deadline; `retry_after_s` says when.
            NotReady: There is no model to ask.
            Draining: The process is going down.
            PromptTooLong: It does not fit; details `prompt_tokens`, `n_ctx`, `room`.
            InvalidInput: The model can not take these messages, or writes nothing of the form asked for.
            DeadlineExceeded: Nobody waits any more.
            ChildDied, DependencyFailed, WorkFailed: The engine broke.
        """
        ticket = self.queue.try_admit(_Asked(chat), deadline)
        steps = ticket.item.steps
        ticket.when_settled(lambda: steps.put_nowait(None))
        try:
            yield Waiting(self.queue.position(ticket) or 0)
            while True:
                try:
                    async with asyncio.timeout(STATUS_EVERY_S):
                        event = await steps.get()
                except TimeoutError:
                    position = self.queue.position(ticket)
                    if position is not None:
                        yield Waiting(position)
                    continue
                if event is None:
                    break
                yield event
            yield await ticket.result()
        finally:
            ticket.fail(CallerGone())  # a settled ticket stays as it is

    async def _run(self, batch: Sequence[Ticket[_Asked, Completion]]) -> Sequence[Completion | SluiceError]:
        (ticket,) = batch
        asked, deadline = ticket.item, ticket.deadline
        await self._until_ready(deadline)
        chat = asked.chat
        async with aclosing(self.engine.stream(chat.messages, chat.params, deadline, chat.scope)) as stream:
            async for event in stream:
                if isinstance(event, Completion):
                    return [event]
                asked.steps.put_nowait(event)
        return [WorkFailed("The engine ended without an answer.")]

    async def _until_ready(self, deadline: Deadline) -> None:
        """A restart takes seconds: who was admitted waits for it instead of failing.

        Raises:
            DeadlineExceeded: It did not come back in time.
            NotReady: It will not come back.
        """
        while not self.engine.status().ready:
            if given_up(self.engine.status()):
                raise NotReady(retry_after_s=5)  # its reason may hold a path: that is for /ready and the log
            deadline.check()
            await asyncio.sleep(0.05)
