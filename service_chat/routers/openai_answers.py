"""The OpenAI door's answers: a Completion as one JSON body, and as the chunks of a stream. Pure.

Called by `openai` and `openai_stream`. Beside OpenAI's own fields both carry `timings`, in milliseconds.
"""

import secrets
import time
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, Field

from service_chat.engines.protocol import Completion, FinishReason
from service_chat.services.chat_completions import Offered

#: The shape has two words for an end. A text that the guard against repetition ended is a text that was cut, and so is
#: one that the engine was told to stop.
_FINISH: dict[FinishReason, Literal["stop", "length"]] = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.REPETITION: "length",
    FinishReason.CANCELLED: "length",
}


class PromptDetails(BaseModel):
    cached_tokens: int = Field(description="Of the prompt, read for somebody before and not again.")


class CompletionDetails(BaseModel):
    accepted_prediction_tokens: int = Field(description="Of the answer, guessed from the prompt.")
    rejected_prediction_tokens: int = Field(description="Guesses that came to nothing; no part of the sums.")


class CompletionUsage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class CompletionTimings(BaseModel):
    queue_ms: float
    prefill_ms: float
    decode_ms: float


class AnswerMessage(BaseModel):
    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(BaseModel):
    index: Literal[0] = 0
    message: AnswerMessage
    logprobs: None = None
    finish_reason: Literal["stop", "length"] = Field(
        description="`length`: the longest answer, the end of the context, or a text that repeated itself."
    )


class ChatCompletion(BaseModel):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int = Field(description="Unix time in seconds.")
    model: str
    system_fingerprint: str | None = Field(description="The beginning of the model file's sha256.")
    choices: list[Choice]
    usage: CompletionUsage
    timings: CompletionTimings


class ModelCard(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="When this process began, in Unix time.")
    owned_by: Literal["sluice"] = "sluice"
    mode: str = Field(description="What `llm_mode` of a triage calls it.")
    aliases: list[str] = Field(description="Names that a request may send instead of the id.")
    max_model_len: int | None = Field(description="Tokens that prompt and answer share; null where unknown.")


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelCard]


def model_card(model: Offered, created: int) -> ModelCard:
    return ModelCard(
        id=model.name, created=created, mode=model.mode, aliases=list(model.aliases), max_model_len=model.n_ctx
    )


@dataclass(frozen=True, slots=True)
class Head:
    """What all parts of one answer repeat."""

    model: str
    fingerprint: str | None
    answer_id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    @classmethod
    def of(cls, model: Offered) -> "Head":
        return cls(model.name, f"fp_{model.sha256[:12]}" if model.sha256 else None)

    def whole(self, done: Completion) -> ChatCompletion:
        return ChatCompletion(
            id=self.answer_id,
            created=self.created,
            model=self.model,
            system_fingerprint=self.fingerprint,
            choices=[Choice(message=AnswerMessage(content=done.text), finish_reason=_FINISH[done.finish_reason])],
            usage=usage_of(done),
            timings=timings_of(done),
        )

    def chunk(self, delta: dict[str, str], finish_reason: str | None = None) -> dict[str, object]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._chunk([choice])

    def last_chunk(self, done: Completion) -> dict[str, object]:
        return {**self.chunk({}, _FINISH[done.finish_reason]), "timings": timings_of(done).model_dump()}

    def usage_chunk(self, done: Completion) -> dict[str, object]:
        return {**self._chunk([]), "usage": usage_of(done).model_dump()}

    def _chunk(self, choices: list[dict[str, object]]) -> dict[str, object]:
        return {
            "id": self.answer_id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
        }


def usage_of(done: Completion) -> CompletionUsage:
    return CompletionUsage(
        prompt_tokens=done.prompt_tokens,
        completion_tokens=done.completion_tokens,
        total_tokens=done.prompt_tokens + done.completion_tokens,
        prompt_tokens_details=PromptDetails(cached_tokens=done.cached_tokens),
        completion_tokens_details=CompletionDetails(
            accepted_prediction_tokens=done.accepted_tokens,
            rejected_prediction_tokens=max(0, done.drafted_tokens - done.accepted_tokens),
        ),
    )


def timings_of(done: Completion) -> CompletionTimings:
    timings = done.timings
    return CompletionTimings(
        queue_ms=round(timings.queue_ms, 2),
        prefill_ms=round(timings.prefill_ms, 2),
        decode_ms=round(timings.decode_ms, 2),
    )
