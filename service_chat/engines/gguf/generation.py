"""One request from the messages to the finished answer, a step at a time. Runs in the engine's process.

`worker` draws the steps and looks at its pipe between them; to cancel, it stops drawing. A step is at most 64 tokens of
the prompt, or one token of the answer: that is how long a cancel waits, about a second on two slow cores.
"""

import secrets
import time
from collections.abc import Generator, Sequence

from service_chat.engines.gguf.context import LlamaContext
from service_chat.engines.gguf.text import TextStream
from service_chat.engines.protocol import (
    ChatMessage,
    Completion,
    Delta,
    FinishReason,
    Prefill,
    SamplingParams,
    StreamEvent,
    Timings,
)
from service_chat.errors import PromptTooLong

#: Tokens of room below which a longer answer is not begun: a sentence cut after three words helps nobody.
_LEAST_ROOM = 32


def generate(
    context: LlamaContext, messages: Sequence[ChatMessage], params: SamplingParams
) -> Generator[StreamEvent | None, None, None]:
    """Prefill, then Delta, then one Completion; None for a step that brought no text to show. `queue_ms` is 0.

    Raises:
        PromptTooLong: The prompt leaves no room for an answer; details `prompt_tokens`, `n_ctx`, `room`.
        WorkFailed: llama.cpp refused a step.
    """
    prompt = context.prompt(messages)
    room = max(0, context.n_ctx - len(prompt))
    if room < max(1, min(params.max_tokens, _LEAST_ROOM)):
        raise PromptTooLong(
            f"The prompt has {len(prompt)} of {context.n_ctx} tokens and leaves {room} for the answer.",
            prompt_tokens=len(prompt),
            n_ctx=context.n_ctx,
            room=room,
        )
    begun = time.monotonic()
    context.clear()
    yield Prefill(0, len(prompt))
    for start in range(0, len(prompt), context.chunk):
        end = min(start + context.chunk, len(prompt))
        context.decode(prompt[start:end], start, last=end == len(prompt))
        yield Prefill(end, len(prompt))
    read = time.monotonic()

    text, shown, written = TextStream(params.stop), list[str](), 0
    finish = FinishReason.LENGTH
    # The room that is left: a token is decoded only when another one is wanted after it.
    limit = min(params.max_tokens, room)
    seed = params.seed if params.seed is not None else secrets.randbits(31)
    with context.sampler(params, seed) as sampler:
        while written < limit:
            token = sampler.next()
            if context.ends(token):
                finish = FinishReason.STOP
                break
            written += 1
            new = text.feed(context.piece(token))
            if new:
                shown.append(new)
            yield Delta(new, written) if new else None
            if text.stopped:
                finish = FinishReason.STOP
                break
            if written < limit:
                context.decode([token], len(prompt) + written - 1, last=True)
    if rest := text.finish():
        shown.append(rest)
        yield Delta(rest, written)
    done = time.monotonic()
    timings = Timings(0.0, (read - begun) * 1000, (done - read) * 1000)
    yield Completion("".join(shown), finish, len(prompt), written, timings)
