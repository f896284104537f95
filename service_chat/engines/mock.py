"""An engine without a model: one fixed sentence that says so. For `LLM_MODE=mock` and for work on everything around it.

It keeps to the same protocol as the real ones: deltas, max_tokens (a word counts as a token), deadline.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from typing_extensions import override

from service_chat.engines.protocol import (
    ChatMessage,
    Completion,
    Delta,
    Engine,
    EngineLoad,
    EngineState,
    EngineStatus,
    FinishReason,
    ModelInfo,
    Prefill,
    SamplingParams,
    StreamEvent,
    Timings,
)
from serving.clock import Clock
from serving.deadline import Deadline

#: Sentences it says at the same time: nothing is computed, so as many as anybody may wait for.
_SLOTS = 64
SENTENCE = "This is a mock response: no language model was asked, and nothing in it is about the patient."


class MockEngine(Engine):
    def __init__(self, clock: Clock, step_s: float = 0.0) -> None:
        """`step_s` is the time one word takes, in seconds."""
        self._clock, self._step_s = clock, step_s
        self._state = EngineState.LOADING
        self._watchers: list[Callable[[EngineStatus], None]] = []

    @override
    async def start(self) -> None:
        self._to(EngineState.READY)

    @override
    async def aclose(self) -> None:
        self._to(EngineState.STOPPED)

    @override
    def status(self) -> EngineStatus:
        return EngineStatus(self._state, model=ModelInfo("mock"))

    @override
    def load(self) -> EngineLoad:
        return EngineLoad(slots=_SLOTS)

    @override
    async def count(self, messages: Sequence[ChatMessage]) -> int | None:
        return sum(len(message.content.split()) for message in messages)

    @override
    def watch(self, call: Callable[[EngineStatus], None]) -> None:
        self._watchers.append(call)
        call(self.status())

    @override
    async def stream(
        self,
        messages: Sequence[ChatMessage],
        params: SamplingParams,
        deadline: Deadline,
        scope: str | None = None,
    ) -> AsyncGenerator[StreamEvent, None]:
        begun = self._clock.monotonic()
        prompt_tokens = sum(len(message.content.split()) for message in messages)
        deadline.check()
        yield Prefill(prompt_tokens, prompt_tokens)
        said, reason, written = "", FinishReason.STOP, 0
        for word in SENTENCE.split(" "):
            if written == params.max_tokens:
                reason = FinishReason.LENGTH
                break
            await deadline.bound(self._clock.sleep(self._step_s) if self._step_s else asyncio.sleep(0))
            text = f" {word}" if said else word
            said, written = said + text, written + 1
            yield Delta(text, written)
        took_ms = (self._clock.monotonic() - begun) * 1000
        yield Completion(said, reason, prompt_tokens, written, Timings(0.0, 0.0, took_ms))

    def _to(self, state: EngineState) -> None:
        self._state = state
        for call in self._watchers:
            call(self.status())
