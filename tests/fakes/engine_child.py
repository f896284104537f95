"""An engine's process without a model: it speaks the pipe's words and misbehaves when a message asks it to.

Every request gets one word for each step until it has `max_tokens` of them. What the last message says decides more:
"deaf" never ends when it is cancelled, "stuck" stops the whole process in its step, "die" ends it.
"""

import os
import time
from dataclasses import dataclass, field

from service_chat.engines.gguf.messages import (
    Cancel,
    Count,
    Counted,
    EngineConfig,
    LoadFailed,
    Outcome,
    Ready,
    Stepped,
    Submit,
)
from service_chat.engines.protocol import Completion, Delta, EngineLoad, FinishReason, ModelInfo, Prefill, Timings
from service_chat.errors import PromptTooLong
from serving.child import Channel

STEP_S = 0.01


@dataclass(slots=True)
class _Slot:
    submit: Submit
    words: list[str] = field(default_factory=list)
    cancelled: bool = False


class FakeChild:
    def __init__(self, channel: Channel, config: EngineConfig) -> None:
        self._channel, self._config = channel, config
        self._live: dict[int, _Slot] = {}
        self._outcomes: list[tuple[int, Outcome]] = []

    def run(self) -> None:
        name = str(self._config.model.source)
        if "broken" in name:
            self._channel.send(LoadFailed("a broken model"))
            raise SystemExit(1)
        self._channel.send(Ready(ModelInfo(name, n_ctx=self._config.n_ctx), self._load()))
        while True:
            message = self._channel.receive(timeout_s=STEP_S if self._live else None)
            while message is not None:
                self._take(message)
                message = self._channel.receive(timeout_s=0)
            self._step()

    def _take(self, message: object) -> None:
        match message:
            case Submit():
                said = message.messages[-1].content
                if said == "die":
                    os._exit(3)
                if said == "stuck":
                    time.sleep(600)
                self._live[message.request_id] = _Slot(message)
                self._outcomes.append((message.request_id, Prefill(len(said), len(said))))
            case Cancel() if message.request_id in self._live:
                self._live[message.request_id].cancelled = True
            case Count():
                tokens = sum(len(each.content) for each in message.messages)
                short = tokens < self._config.n_ctx
                too_long = PromptTooLong(prompt_tokens=tokens, n_ctx=self._config.n_ctx, room=0)
                self._outcomes.append((message.request_id, Counted(tokens) if short else too_long))

    def _step(self) -> None:
        for request_id, slot in list(self._live.items()):
            params, said = slot.submit.params, slot.submit.messages[-1].content
            if slot.cancelled and said == "deaf":
                continue
            slot.words.append(f"{said} ")
            self._outcomes.append((request_id, Delta(slot.words[-1], len(slot.words))))
            if slot.cancelled or len(slot.words) == params.max_tokens:
                reason = FinishReason.CANCELLED if slot.cancelled else FinishReason.LENGTH
                text, timings = "".join(slot.words), Timings(0.0, 1.0, 2.0)
                self._outcomes.append((request_id, Completion(text, reason, len(said), len(slot.words), timings)))
                del self._live[request_id]
        self._channel.send(Stepped(tuple(self._outcomes), self._load()))
        self._outcomes.clear()

    def _load(self) -> EngineLoad:
        slots, busy = self._config.slots, len(self._live)
        return EngineLoad(slots, busy, prefill_rate=100.0, decode_rate=20.0, kv_tokens=7)


def fake_serve(channel: Channel, config: EngineConfig) -> None:
    FakeChild(channel, config).run()
