"""A chat from the door to its last token: admission, the wait with its place in the queue, a slot, the text.

Both doors (`triage`, `chat_completions`) speak to an engine through this and never to the engine itself. Each engine
has a lane of its own, so that what waits for the local model never stands before a remote one. Who can not be answered
before its deadline hears so at once, from `lane_door`. What becomes of the others is told by `chat_notes`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from service_chat.engines.protocol import ChatMessage, Completion, Engine, SamplingParams, StreamEvent
from service_chat.engines.room import check_room
from service_chat.errors import PromptTooLong
from service_chat.metrics import ChatMetrics
from service_chat.services.chat_notes import ChatNotes
from service_chat.services.expected import Expected
from service_chat.services.lane_door import LaneDoor
from service_chat.services.outlook import LaneOutlook, Outlook, Place
from service_chat.services.readiness import given_up
from serving.admission import BoundedQueue
from serving.clock import Clock
from serving.deadline import Deadline
from serving.dispatch import Dispatcher
from serving.errors import CallerGone, InvalidInput, NotReady, SluiceError, WorkFailed
from serving.lane_statistics import LaneStatistics
from serving.ticket import Ticket
from serving.tracing import within

#: How often one who waits hears where it stands, in seconds. Callers are promised five, and timers are late.
STATUS_EVERY_S = 4.5
_LOOK_EVERY_S = 0.02


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
    """What waits in the lane. `steps` gets (when, what): None as what is the slot, and None alone the end."""

    chat: Chat
    place: Place
    steps: asyncio.Queue[tuple[float, StreamEvent | None] | None] = field(default_factory=asyncio.Queue)


class ChatLane:
    """Open it as a context for as long as chats are to be answered."""

    def __init__(
        self, mode: str, engine: Engine, capacity: int, slots: int, clock: Clock, metrics: ChatMetrics | None = None
    ) -> None:
        """`capacity`: chats that may wait; `slots`: how many the engine is given at the same time."""
        self.mode, self.engine = mode, engine
        self.queue: BoundedQueue[_Asked, Completion] = BoundedQueue(capacity, clock)
        self._clock, self._metrics = clock, metrics or ChatMetrics()
        self._dispatcher = Dispatcher(self.queue, self._run, workers=slots)
        self._outlook = Outlook(engine, slots)
        self._door = LaneDoor(engine, self.queue, self._outlook, slots)
        self._expected: set[Expected] = set()

    async def __aenter__(self) -> "ChatLane":
        await self._dispatcher.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._dispatcher.__aexit__()

    def statistics(self) -> LaneStatistics:
        """One that was taken and has no slot yet, because the engine restarts or has fewer than asked of it, waits."""
        busy, waiting = self._outlook.counts
        return replace(self.queue.statistics(), depth=waiting, running=busy)

    def outlook(self, at_most: int) -> LaneOutlook:
        """`at_most`: tokens of an answer, for as long as no chat has shown how long they are."""
        return self._outlook.summary(self.queue.statistics(), at_most)

    def expect(self, size: int, at_most: int, deadline: Deadline) -> Expected:
        """A place kept for one that has to fetch what it will ask; leave it right before `stream`.

        `size` is in bytes, of the messages that are known by now. So its wait is predicted too short rather than too
        long, and who is refused here would be refused with the rest as well. `at_most`: tokens of the answer.

        Raises what `stream` raises at its first step. That is then how the chat ended, and it is counted.
        """
        with ChatNotes(self.mode, self._metrics, self._clock).outcome():
            self._door.look(self._outlook.place(size, at_most), deadline, len(self._expected))
        return Expected(self._expected)

    async def stream(self, chat: Chat, deadline: Deadline) -> AsyncGenerator[ChatStep, None]:
        """Everything until the Completion, which is the last. Closing it early gives up the place and the slot.

        Raises (the first three at the first step, and within milliseconds):
            QueueFull: Too many wait, or it could not be answered before its deadline; details `retry_after_s`, and
                `reason`: queue_full or too_late.
            NotReady: There is no model to ask.
            Draining: The process is going down.
            PromptTooLong: It does not fit; details `prompt_tokens`, `n_ctx`, `room`. Who waits hears it while it waits.
            InvalidInput: The model can not take these messages, or writes nothing of the form asked for.
            DeadlineExceeded: Nobody waits any more.
            ChildDied, DependencyFailed, WorkFailed: The engine broke.
        """
        notes = ChatNotes(self.mode, self._metrics, self._clock)
        with notes.outcome():
            ticket = self._admit(chat, deadline, notes)
            place, steps = ticket.item.place, ticket.item.steps
            counting: asyncio.Task[None] | None = None
            if self._outlook.crowded or not self.engine.status().ready:
                counting = asyncio.create_task(self._check_length(ticket), name="count-prompt")
            try:
                yield Waiting(*self._outlook.of(place))
                while True:
                    try:
                        async with asyncio.timeout(STATUS_EVERY_S):
                            step = await steps.get()
                    except TimeoutError:
                        if not place.begun:
                            yield Waiting(*self._outlook.of(place))
                        continue
                    if step is None:
                        break
                    at, event = step
                    if event is None:
                        notes.taken(at)
                    else:
                        notes.take(at, event)
                        yield event
                done = await ticket.result()
                notes.take(self._clock.monotonic(), done)
                yield done
            finally:
                ticket.fail(CallerGone())  # a settled ticket stays as it is
                if counting is not None:
                    counting.cancel()

    # --- at the door ----------------------------------------------------------------------------------------------

    def _admit(self, chat: Chat, deadline: Deadline, notes: ChatNotes) -> Ticket[_Asked, Completion]:
        size = sum(len(message.content.encode(errors="replace")) for message in chat.messages)
        place = self._outlook.place(size, chat.params.max_tokens)
        future = self._door.look(place, deadline)
        ticket = self.queue.try_admit(_Asked(chat, place), deadline)
        ticket.trace = notes.trace
        steps = ticket.item.steps
        self._outlook.enter(place)
        ticket.when_settled(lambda: self._outlook.leave(place))
        ticket.when_settled(lambda: steps.put_nowait(None))
        notes.admitted(self.queue.depth, round(place.tokens), future.start_s if future is not None else None)
        return ticket

    async def _check_length(self, ticket: Ticket[_Asked, Completion]) -> None:
        """Asks how long a prompt is that has to wait, so that one which can not fit need not wait for that."""
        chat, place = ticket.item.chat, ticket.item.place
        try:
            await self._until(lambda: self.engine.status().ready, ticket.deadline)
            tokens = await self._count(chat)
            if tokens is None:
                return
            self._outlook.counted(place, tokens)
            model = self.engine.status().model
            if model is not None and model.n_ctx is not None:
                check_room(tokens, model.n_ctx, chat.params.max_tokens)
        except InvalidInput as error:
            ticket.fail(error)
        except SluiceError:
            pass  # the engine went away meanwhile: who gets a slot asks it again

    async def _count(self, chat: Chat) -> int | None:
        """An engine that counts knows nothing of the answer: what is too long for a long one may do for a short one."""
        try:
            return await self.engine.count(chat.messages)
        except PromptTooLong as error:
            tokens = error.details.get("prompt_tokens")
            if isinstance(tokens, int):
                return tokens
            raise

    # --- at the engine --------------------------------------------------------------------------------------------

    async def _run(self, batch: Sequence[Ticket[_Asked, Completion]]) -> Sequence[Completion | SluiceError]:
        (ticket,) = batch
        asked, deadline = ticket.item, ticket.deadline
        chat, place = asked.chat, asked.place
        await self._until(self._slot_free, deadline)
        begun = self._clock.monotonic()
        place.begun = True
        asked.steps.put_nowait((begun, None))
        stream = self.engine.stream(chat.messages, chat.params, deadline, chat.scope)
        with within(ticket.trace):
            return [await self._follow(stream, ticket, begun)]

    async def _follow(
        self, events: AsyncGenerator[StreamEvent, None], ticket: Ticket[_Asked, Completion], begun: float
    ) -> Completion | SluiceError:
        asked = ticket.item
        async with aclosing(events) as stream:
            async for event in stream:
                self._outlook.note(asked.place, event)
                if isinstance(event, Completion):
                    # The engine knows nothing of the lane; to the caller both are one wait.
                    queue_ms = event.timings.queue_ms + (begun - ticket.admitted_at) * 1000
                    return replace(event, timings=replace(event.timings, queue_ms=round(queue_ms, 2)))
                asked.steps.put_nowait((self._clock.monotonic(), event))
        return WorkFailed("The engine ended without an answer.")

    def _slot_free(self) -> bool:
        """An engine may have fewer slots than it was asked for. What it says is taken is a step old: who has just left
        counts no more, so that the next one's words are there when the engine looks again."""
        busy, _ = self._outlook.counts
        return self.engine.status().ready and busy < self.engine.load().slots

    async def _until(self, true: Callable[[], bool], deadline: Deadline) -> None:
        """A restart takes seconds: who was admitted waits for it instead of failing.

        Raises:
            DeadlineExceeded: It did not come back in time.
            NotReady: It will not come back.
        """
        while not true():
            if given_up(self.engine.status()):
                raise NotReady(retry_after_s=5)
            deadline.check()
            await asyncio.sleep(_LOOK_EVERY_S)
