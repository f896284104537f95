"""An engine without a model: one fixed sentence that says so. For `LLM_MODE=mock` and for work on everything around it.

It keeps to the same protocol as the real ones: deltas, max_tokens (a word counts as a token), stop strings, deadline. A
JSON schema is filled in with the least it takes.
"""

import asyncio
import json
import re
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
_WORDS = re.compile(r" ?[^ ]+| $")
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
        said, reason = _said(params)
        words: list[str] = _WORDS.findall(said)
        for written, word in enumerate(words, start=1):
            await deadline.bound(self._clock.sleep(self._step_s) if self._step_s else asyncio.sleep(0))
            yield Delta(word, written)
        took_ms = (self._clock.monotonic() - begun) * 1000
        yield Completion(said, reason, prompt_tokens, len(words), Timings(0.0, 0.0, took_ms))

    def _to(self, state: EngineState) -> None:
        self._state = state
        for call in self._watchers:
            call(self.status())


def _said(params: SamplingParams) -> tuple[str, FinishReason]:
    """As much of the sentence as may be said. Of several stop strings the one that is complete first ends it."""
    words = (SENTENCE if params.json_schema is None else in_form(params.json_schema)).split(" ")
    said = " ".join(words[: params.max_tokens])
    ends = [(at + len(stop), at) for stop in params.stop if stop and (at := said.find(stop)) >= 0]
    if ends:
        return said[: min(ends)[1]], FinishReason.STOP
    return said, FinishReason.LENGTH if params.max_tokens < len(words) else FinishReason.STOP


def in_form(schema: str) -> str:
    """The least that the schema takes, with the sentence for a text: as JSON, and on one line."""
    return json.dumps(_least(json.loads(schema)))


def _least(schema: object) -> object:
    if not isinstance(schema, dict):
        return SENTENCE
    match schema:
        case {"enum": [first, *_]}:
            return first
        case {"type": "object", "properties": dict(properties)}:
            return {name: _least(properties.get(name)) for name in schema.get("required", ())}
        case {"type": "object"}:
            return {}
        case {"type": "array"}:
            return []
        case {"type": "integer" | "number"}:
            return 0
        case {"type": "boolean"}:
            return False
        case {"type": "null"}:
            return None
        case _:
            return SENTENCE[: schema.get("maxLength", len(SENTENCE))]
