"""An engine whose state and words a test decides."""

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
from serving.deadline import Deadline


class FakeEngine(Engine):
    def __init__(self, words: Sequence[str] = ("Rest", " well."), state: EngineState = EngineState.READY) -> None:
        self.words = list(words)
        self.now = EngineStatus(state, model=ModelInfo("fake.gguf", "a" * 64))
        self.asked: list[tuple[ChatMessage, ...]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.stopped_early = 0
        self.error: Exception | None = None
        #: What `load` and `count` say.
        self.busy = EngineLoad(slots=1)
        self.counted: int | None = 10
        self.count_error: Exception | None = None
        self.scopes: list[str | None] = []

    @override
    async def start(self) -> None:
        pass

    @override
    async def aclose(self) -> None:
        pass

    @override
    def status(self) -> EngineStatus:
        return self.now

    @override
    def load(self) -> EngineLoad:
        return self.busy

    @override
    async def count(self, messages: Sequence[ChatMessage]) -> int | None:
        if self.count_error is not None:
            raise self.count_error
        return self.counted

    @override
    def watch(self, call: Callable[[EngineStatus], None]) -> None:
        call(self.now)

    @override
    async def stream(
        self,
        messages: Sequence[ChatMessage],
        params: SamplingParams,
        deadline: Deadline,
        scope: str | None = None,
    ) -> AsyncGenerator[StreamEvent, None]:
        self.asked.append(tuple(messages))
        self.scopes.append(scope)
        try:
            yield Prefill(0, 10)
            await self.gate.wait()
            if self.error is not None:
                raise self.error
            for count, word in enumerate(self.words, start=1):
                yield Delta(word, count)
            text = "".join(self.words)
            yield Completion(text, FinishReason.STOP, 10, len(self.words), Timings(1.0, 2.0, 3.0))
        except (GeneratorExit, asyncio.CancelledError):
            self.stopped_early += 1
            raise
