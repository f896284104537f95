"""A request that has no slot yet: its prompt in tokens, its grammar, and what it may come to need at worst.

Made by `engine` when a request comes in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from service_chat.engines.gguf.model import LlamaModel, Prompt
from service_chat.engines.gguf.schema import grammar_of
from service_chat.engines.gguf.shape import Shape
from service_chat.engines.protocol import ChatMessage, SamplingParams
from service_chat.engines.room import check_room


@dataclass(frozen=True, slots=True)
class Asked:
    request_id: int
    prompt: Prompt
    params: SamplingParams
    scope: str | None
    limit: int
    grammar: str | None
    came_at: float

    @property
    def worst(self) -> int:
        """Cells it may come to need."""
        return len(self.prompt.tokens) + self.limit + Shape.SPARE

    @classmethod
    def of(
        cls,
        request_id: int,
        messages: Sequence[ChatMessage],
        params: SamplingParams,
        scope: str | None,
        model: LlamaModel,
        n_ctx: int,
        now: float,
    ) -> Self:
        """
        Raises:
            PromptTooLong: It does not fit.
            InvalidInput: The model can not take these messages, or writes nothing of the form asked for.
        """
        prompt = model.prompt(messages)
        check_room(len(prompt.tokens), n_ctx, params.max_tokens)
        limit = min(params.max_tokens, n_ctx - len(prompt.tokens))
        grammar = grammar_of(params.json_schema) if params.json_schema is not None else params.grammar
        return cls(request_id, prompt, params, scope, limit, grammar, now)
