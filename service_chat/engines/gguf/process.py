"""The local engine as the service sees it: llama.cpp in a child process, one request at a time.

Made by `service_chat.wiring`. The child (`worker.serve`) fetches and loads the model in the background and is replaced
when it dies; the request that was in it fails with ChildDied, everything else goes on. Who waits for the engine waits
in a lane outside: a second request at the same time is refused here. All of this runs on the event loop.
"""

import asyncio
import itertools
import math
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace

from typing_extensions import override

from service_chat.engines.gguf.messages import (
    Cancel,
    Counted,
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
    EngineState,
    EngineStatus,
    FinishReason,
    SamplingParams,
    StreamEvent,
)
from serving import events
from serving.child import Child, ChildExit, ChildListener, RestartPolicy
from serving.clock import Clock
from serving.deadline import Deadline
from serving.errors import ChildDied, NotReady, QueueFull, SluiceError, WorkFailed
from serving.lifecycle import Progress

#: After a life that was ready the next process starts at once, the hundredth time as the first; a model that can not
#: be fetched or loaded is tried again at growing distances, at last every half minute.
RESTARTS = RestartPolicy(first_wait_s=0.1, max_wait_s=30.0)
#: Ready for this long, in seconds, an engine has put its failures behind it, also when nobody asked it anything.
_SETTLED_S = 30.0
_NAME = "engine"


class _Request:
    def __init__(self, request_id: int) -> None:
        self.id = request_id
        self.events: asyncio.Queue[StreamEvent | SluiceError] = asyncio.Queue()


class GgufEngine(Engine, ChildListener):
    def __init__(self, config: EngineConfig, clock: Clock, restarts: RestartPolicy = RESTARTS) -> None:
        self._clock, self._restarts = clock, restarts
        self._child: Child[EngineConfig] = Child(
            _NAME, serve, config, self, clock, restarts, engine_environment(os.environ)
        )
        self._ids = itertools.count(1)
        self._running: _Request | None = None
        self._watchers: list[Callable[[EngineStatus], None]] = []
        self._status = EngineStatus(EngineState.LOADING, Progress("starting"))
        self._ready_at: float | None = None  #: of the present life
        self._was_ready = False
        self._load_error: str | None = None

    # --- the port -------------------------------------------------------------------------------------------------

    @override
    async def start(self) -> None:
        await self._child.__aenter__()

    @override
    async def aclose(self) -> None:
        await self._child.aclose()
        self._fail_running(WorkFailed("The engine was closed."))
        self._become(replace(self._status, state=EngineState.STOPPED, progress=None))

    @override
    def status(self) -> EngineStatus:
        self._settle()
        return self._status

    @override
    def load(self) -> EngineLoad:
        return EngineLoad(busy=int(self._running is not None))

    @override
    async def count(self, messages: Sequence[ChatMessage]) -> int | None:
        return None

    @override
    def watch(self, call: Callable[[EngineStatus], None]) -> None:
        self._watchers.append(call)
        call(self._status)

    @property
    def pid(self) -> int | None:
        """Of the present process, for an operator's log line and for tests that kill it."""
        return self._child.pid

    @override
    async def stream(
        self,
        messages: Sequence[ChatMessage],
        params: SamplingParams,
        deadline: Deadline,
        scope: str | None = None,
    ) -> AsyncGenerator[StreamEvent, None]:
        deadline.check()
        request = self._submit(messages, params, scope)
        begun, queue_ms = self._clock.monotonic(), 0.0
        try:
            first = True
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
            if self._running is request:  # left before the end: nobody waits for the rest
                self._running = None
                self._child.send(Cancel(request.id))

    def _submit(self, messages: Sequence[ChatMessage], params: SamplingParams, scope: str | None) -> _Request:
        if not self._status.ready:
            raise NotReady(retry_after_s=self._retry_after_s())
        if self._running is not None:
            raise QueueFull("The engine is at work on another request.", retry_after_s=1)
        request = _Request(next(self._ids))
        if not self._child.send(Submit(request.id, tuple(messages), params, scope)):
            raise NotReady(retry_after_s=self._retry_after_s())
        self._running = request
        return request

    def _retry_after_s(self) -> int:
        progress = self._status.progress
        eta = progress.eta_s if progress is not None else None
        return min(60, max(1, math.ceil(eta))) if eta is not None else 2

    # --- the child ------------------------------------------------------------------------------------------------

    @override
    def on_start(self, pid: int) -> None:
        events.child_started(child=_NAME, pid=pid, start=self._child.starts)
        self._load_error = None
        self._become(replace(self._status, starts=self._child.starts, progress=Progress("starting")))

    @override
    def on_message(self, message: object) -> None:
        match message:
            case Stepped():
                for request_id, outcome in message.outcomes:
                    self._deliver(request_id, outcome)
            case Loading():
                progress = Progress(message.phase, message.percent, message.eta_s)
                self._become(replace(self._status, progress=progress))
            case Ready():
                self._was_ready, self._ready_at = True, self._clock.monotonic()
                self._child.forgive()
                self._become(
                    EngineStatus(
                        EngineState.READY,
                        model=message.model,
                        starts=self._child.starts,
                        failures=self._status.failures,
                    )
                )
            case LoadFailed():
                self._load_error = message.reason
            case _:
                raise TypeError(f"the engine sent {type(message).__name__}")

    @override
    def on_exit(self, ended: ChildExit) -> None:
        self._settle()
        self._ready_at = None
        wait_s, failures = self._restarts.wait(ended.failures), self._status.failures + 1
        events.child_exited(child=_NAME, pid=ended.pid, reason=ended.reason, failures=failures, wait_s=round(wait_s, 1))
        self._fail_running(ChildDied(retry_after_s=2))
        self._become(
            replace(
                self._status,
                # Before the first success nobody counts on it: that is a failed start, not a restart.
                state=EngineState.RESTARTING if self._was_ready else EngineState.FAILED,
                reason=self._load_error or f"engine process {_in_words(ended)}",
                progress=None,
                failures=failures,
            )
        )

    @override
    def on_stderr(self, line: str) -> None:
        events.child_stderr(child=_NAME, line=line)

    def _settle(self) -> None:
        if self._ready_at is not None and self._clock.monotonic() - self._ready_at >= _SETTLED_S:
            self._status = replace(self._status, failures=0)

    def _deliver(self, request_id: int, event: Outcome) -> None:
        finished = isinstance(event, Completion) and event.finish_reason is not FinishReason.CANCELLED
        if finished and self._status.failures:
            self._become(replace(self._status, failures=0))  # it works: what failed before counts no longer
        request = self._running
        if request is None or request.id != request_id or isinstance(event, Counted):
            return  # cancelled a moment ago
        if isinstance(event, Completion | SluiceError):
            self._running = None
        request.events.put_nowait(event)

    def _fail_running(self, error: SluiceError) -> None:
        if self._running is not None:
            self._deliver(self._running.id, error)

    def _become(self, status: EngineStatus) -> None:
        self._status = status
        for call in self._watchers:
            call(status)


def _in_words(ended: ChildExit) -> str:
    """The exit, and what the process complained about last: llama.cpp says why there."""
    last = f" ({ended.stderr_tail[-1]})" if ended.stderr_tail else ""
    return f"{ended.reason}{last}"
