"""The spans of a chat with an engine, told when it is over. Kept by `chat_notes`, which knows when each part began.

A chat is a generator's work, and what is current between two of its steps is its caller's: so nothing is current here.
Its own part is made at the beginning, and goes along with its ticket to where the engine is asked.
"""

from dataclasses import dataclass, field

from service_chat.engines.protocol import Completion
from service_chat.spans import CHAT, DECODE, PREFILL
from serving.spans import WAIT, part
from serving.tracing import Trace


@dataclass(slots=True)
class ChatSpans:
    """Times are seconds of the lane's clock; None for what was not reached."""

    mode: str
    began: float
    #: The chat's own part of its request's trace; None where nobody will hear of it.
    trace: Trace | None = field(default_factory=part)
    taken: float | None = None
    first_words: float | None = None

    def tell(self, ended: float, done: Completion | None = None, error: str | None = None) -> None:
        trace = self.trace
        if trace is None:
            return
        stages = ((WAIT, self.began), (PREFILL, self.taken), (DECODE, self.first_words))
        for (stage, begun), until in zip(stages, (self.taken, self.first_words, None), strict=True):
            if begun is not None:
                stage.told(trace.child(), begun, ended if until is None else until)
        CHAT.told(
            trace,
            self.began,
            ended,
            error=error,
            mode=self.mode,
            input_tokens=done.prompt_tokens if done is not None else None,
            output_tokens=done.completion_tokens if done is not None else None,
            cached_tokens=done.cached_tokens if done is not None else None,
            finish_reason=done.finish_reason.value if done is not None else None,
        )
