"""One request at work: its tokens, how many of them the cache has, what was shown of its text, and when it ends.

Made by `engine`, which feeds its tokens to the model and hands it every token that was drawn. A slot neither computes
nor draws; it knows what a drawn token means for its own request.
"""

from collections.abc import Sequence

from service_chat.engines.gguf.drafting import PromptLookup
from service_chat.engines.gguf.model import LlamaModel, Prompt
from service_chat.engines.gguf.repetition import RepetitionGuard
from service_chat.engines.gguf.sampling import Sampler
from service_chat.engines.gguf.text import TextStream
from service_chat.engines.protocol import Completion, Delta, FinishReason, Prefill, SamplingParams, Timings


class Slot:
    def __init__(
        self,
        request_id: int,
        sequence: int,
        prompt: Prompt,
        params: SamplingParams,
        scope: str | None,
        limit: int,
        worst: int,
        sampler: Sampler,
        guesses: bool,
        came_at: float,
    ) -> None:
        """`limit`: tokens the answer may have; `worst`: cells it may come to need; `guesses`: whether `draft` will be
        asked."""
        self.request_id, self.sequence, self.scope = request_id, sequence, scope
        self.limit, self.worst = limit, worst
        self.sampler, self.came_at = sampler, came_at
        self.prompt = prompt
        self.shared = tuple(prompt.tokens[: prompt.shared])
        #: Prompt and answer. The first `fed` are in the cache.
        self.tokens = list(prompt.tokens)
        self.fed = 0
        self.cached = 0
        self.written = self.drafted = self.accepted = 0
        self.begun_at: float | None = None  #: when its first tokens were read, or found read
        self.read_at: float | None = None  #: when the whole prompt was
        self.finish: FinishReason | None = None
        # A form has an end of its own, and behind it there is nothing to draw from.
        self._ignore_end = params.ignore_eos and not sampler.keeps_form
        self._text = TextStream(params.stop)
        self._shown: list[str] = []
        self._new = ""
        # A form may want the same sixty times over.
        self._guard = RepetitionGuard() if not (params.ignore_eos or sampler.keeps_form) else None
        self._lookup = PromptLookup(self.tokens) if guesses and not sampler.keeps_form else None

    # --- reading --------------------------------------------------------------------------------------------------

    @property
    def left(self) -> int:
        """Tokens of the prompt that are still to be read."""
        return max(0, len(self.prompt.tokens) - self.fed)

    @property
    def decoding(self) -> bool:
        return self.fed >= len(self.prompt.tokens)

    def progress(self) -> Prefill:
        return Prefill(min(self.fed, len(self.prompt.tokens)), len(self.prompt.tokens), self.cached)

    # --- writing --------------------------------------------------------------------------------------------------

    def next_tokens(self) -> Sequence[int]:
        """Written and not yet in the cache."""
        return self.tokens[self.fed :]

    def draft(self, at_most: int) -> list[int]:
        """A guess at what comes after the last token; nothing where a grammar decides."""
        room = min(at_most, self.limit - self.written - 1)
        return self._lookup.draft(room) if self._lookup is not None and room > 0 else []

    def take(self, token: int, model: LlamaModel) -> bool:
        """`token` was drawn, or is forced. False when the answer ends with it."""
        if model.ends(token) and not self._ignore_end:
            self.finish = FinishReason.STOP
            return False
        self.tokens.append(token)
        self.written += 1
        piece = model.piece(token)
        self._new += self._text.feed(piece)
        if self._lookup is not None:
            self._lookup.extend(token)
        if self._text.stopped or self.sampler.whole:
            self.finish = FinishReason.STOP
        elif self.written >= self.limit:
            self.finish = FinishReason.LENGTH
        elif self._guard is not None and self._guard.feed(token):
            self.finish = FinishReason.REPETITION
        return self.finish is None

    # --- telling --------------------------------------------------------------------------------------------------

    def delta(self) -> Delta | None:
        """The text that became certain since the last call."""
        if not self._new:
            return None
        text, self._new = self._new, ""
        self._shown.append(text)
        return Delta(text, self.written)

    def rest(self) -> Delta | None:
        """What was held back, now that no token follows."""
        self._new += self._text.finish()
        return self.delta()

    def completion(self, now: float) -> Completion:
        """After `rest`."""
        begun = self.begun_at if self.begun_at is not None else now
        read = self.read_at if self.read_at is not None else now
        timings = Timings((begun - self.came_at) * 1000, (read - begun) * 1000, (now - read) * 1000)
        return Completion(
            "".join(self._shown),
            self.finish or FinishReason.CANCELLED,
            len(self.prompt.tokens),
            self.written,
            timings,
            self.cached,
            self.drafted,
            self.accepted,
        )
