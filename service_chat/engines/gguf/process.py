"""The local engine as the service sees it: llama.cpp in a child process, several requests at a time.

Made by `service_chat.wiring`. The child (`worker.serve`) fetches and loads the model in the background and is replaced
when it dies or hangs; the requests that were in it fail with ChildDied, everything else goes on. Who waits for a slot
waits in a lane outside: a request more than there are slots is refused here. All of this runs on the event loop.
"""

import asyncio
import contextvars
import itertools
import math
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace

from typing_extensions import override

from service_chat.engines.gguf.life import Lives
from service_chat.engines.gguf.live import LiveRequest, LiveRequests, Patience
from service_chat.engines.gguf.messages import (
    Cancel,
    Count,
    EngineConfig,
    LoadFailed,
    Loading,
    Outcome,
    Ready,
    Stepped,
    Submit,
)
from service_chat.engines.gguf.threads import engine_environment
from service_chat.engines.gguf.worker import serve
from service_chat.engines.protocol import (
    ChatMessage,
    Completion,
    Engine,
    EngineLoad,
    EngineStatus,
    FinishReason,
    SamplingParams,
    StreamEvent,
)
from service_chat.events import engine_stuck
from serving import events
from serving.child import Channel, Child, ChildExit, ChildListener, RestartPolicy
from serving.clock import Clock
from serving.deadline import Deadline
from serving.errors import ChildDied, NotReady, QueueFull, SluiceError, WorkFailed
from serving.lifecycle import Progress

#: After a life that was ready the next process starts at once, the hundredth time as the first; a model that can not
#: be fetched or loaded is tried again at growing distances, at last every half minute.
RESTARTS = RestartPolicy(first_wait_s=0.1, max_wait_s=30.0)
_LOOK_EVERY_S = 1.0
_NAME = "engine"


class GgufEngine(Engine, ChildListener):
    def __init__(
        self,
        config: EngineConfig,
        clock: Clock,
        restarts: RestartPolicy = RESTARTS,
        patience: Patience = Patience(),  # noqa: B008 - frozen
        entry: Callable[[Channel, EngineConfig], None] = serve,
    ) -> None:
        self.config = config
        self._clock, self._restarts, self._patience = clock, restarts, patience
        self._child: Child[EngineConfig] = Child(
            _NAME, entry, config, self, clock, restarts, engine_environment(os.environ)
        )
        self._ids = itertools.count(1)
        self._live = LiveRequests(patience)
        self._lives = Lives(config.slots, clock)
        self._watchdog: asyncio.Task[None] | None = None

    # --- the port -------------------------------------------------------------------------------------------------

    @override
    async def start(self) -> None:
        await self._child.__aenter__()
        # In a context of its own, as the child: whoever starts an engine in a request is not what it logs for.
        self._watchdog = asyncio.create_task(self._watch(), name="engine-watchdog", context=contextvars.Context())

    @override
    async def aclose(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        await self._child.aclose()
        self._live.fail_all(lambda: WorkFailed("The engine was closed."))
        self._lives.closed()

    @override
    def status(self) -> EngineStatus:
        return self._lives.status

    @override
    def load(self) -> EngineLoad:
        """As of its last step, but for `busy`: what was submitted or left since then is counted."""
        busy = self._live.chats
        if busy:
            return replace(self._lives.load, busy=busy)
        return replace(self._lives.load, busy=0, prompt_tokens_left=0, answer_tokens_left=0)

    @override
    def watch(self, call: Callable[[EngineStatus], None]) -> None:
        self._lives.watch(call)

    @property
    def pid(self) -> int | None:
        """Of the present process, for an operator's log line and for tests that kill it."""
        return self._child.pid

    @override
    async def count(self, messages: Sequence[ChatMessage]) -> int | None:
        if not self._lives.status.ready:
            raise NotReady(retry_after_s=self._retry_after_s())
        request_id, answer = next(self._ids), asyncio.get_running_loop().create_future()
        if not self._child.send(Count(request_id, tuple(messages))):
            raise NotReady(retry_after_s=self._retry_after_s())
        return await self._live.counted(request_id, answer)

    @override
    async def stream(
        self,
        messages: Sequence[ChatMessage],
        params: SamplingParams,
        deadline: Deadline,
        scope: str | None = None,
    ) -> AsyncGenerator[StreamEvent, None]:
        deadline.check()
        request = self._submit(messages, params, deadline, scope)
        begun, queue_ms, first = self._clock.monotonic(), 0.0, True
        try:
            while True:
                event = await deadline.bound(request.events.get())
                if isinstance(event, SluiceError):
                    raise event
                if first:
                    first, queue_ms = False, (self._clock.monotonic() - begun) * 1000
                if isinstance(event, Completion):
                    yield replace(event, timings=replace(event.timings, queue_ms=queue_ms))
                    return
                yield event
        finally:
            if self._live.leave(request, self._clock.monotonic()):  # before its end: nobody waits for the rest
                self._child.send(Cancel(request.id))

    def _submit(
        self, messages: Sequence[ChatMessage], params: SamplingParams, deadline: Deadline, scope: str | None
    ) -> LiveRequest:
        if not self._lives.status.ready:
            raise NotReady(retry_after_s=self._retry_after_s())
        if self._live.chats >= self._lives.load.slots:
            raise QueueFull("The engine is at work on as many requests as it has slots.", retry_after_s=1)
        request = LiveRequest(next(self._ids), deadline.at)
        if not self._child.send(Submit(request.id, tuple(messages), params, scope)):
            raise NotReady(retry_after_s=self._retry_after_s())
        self._live.enter(request)
        return request

    def _retry_after_s(self) -> int:
        progress = self._lives.status.progress
        eta = progress.eta_s if progress is not None else None
        return min(60, max(1, math.ceil(eta))) if eta is not None else 2

    # --- the child ------------------------------------------------------------------------------------------------

    @override
    def on_start(self, pid: int) -> None:
        events.child_started(child=_NAME, pid=pid, start=self._child.starts)
        self._lives.begun(self._child.starts)

    @override
    def on_message(self, message: object) -> None:
        match message:
            case Stepped():
                self._lives.load = message.load
                for request_id, outcome in message.outcomes:
                    self._deliver(request_id, outcome)
            case Loading():
                self._lives.progressed(Progress(message.phase, message.percent, message.eta_s))
            case Ready():
                self._child.forgive()
                self._child.expect_signs_every(self._patience.silence_s)
                self._lives.ready(message)
            case LoadFailed():
                self._lives.why = message.reason
            case _:
                raise TypeError(f"the engine sent {type(message).__name__}")

    @override
    def on_exit(self, ended: ChildExit) -> None:
        wait_s, failures = self._restarts.wait(ended.failures), self._lives.status.failures + 1
        events.child_exited(child=_NAME, pid=ended.pid, reason=ended.reason, failures=failures, wait_s=round(wait_s, 1))
        self._live.fail_all(lambda: ChildDied(retry_after_s=2))
        self._lives.ended(ended)

    @override
    def on_stderr(self, line: str) -> None:
        events.child_stderr(child=_NAME, line=line)

    def _deliver(self, request_id: int, outcome: Outcome) -> None:
        if isinstance(outcome, Completion) and outcome.finish_reason is not FinishReason.CANCELLED:
            self._lives.answered()
        self._live.deliver(request_id, outcome)

    async def _watch(self) -> None:
        """The child's silence is watched by `Child`; this is for one that beats and yet does not let go."""
        while True:
            since = self._clock.monotonic()
            await self._clock.sleep(_LOOK_EVERY_S)
            now = self._clock.monotonic()
            if now - since > 5 * _LOOK_EVERY_S:
                continue  # this process stood still: what the child has said meanwhile comes first
            overdue_s = self._live.overdue_s(now)
            if overdue_s is not None and self._lives.why is None:
                engine_stuck(pid=self.pid, overdue_s=round(overdue_s, 1))
                self._lives.why = "engine process sat on a request for which nobody waited any more, killed"
                self._child.kill()
