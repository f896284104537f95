"""Whether a prompt leaves room for its answer: one rule, for the engine that runs it and for the door that asks before.

The engine's own check is the truth, since only it has the tokens it will read; the lane applies the same rule to a
prompt that has to wait, so that nobody waits for a refusal.
"""

from service_chat.errors import PromptTooLong

#: Tokens of room below which a longer answer is not begun: a sentence cut after three words helps nobody.
LEAST_ROOM = 32


def check_room(prompt_tokens: int, n_ctx: int, max_tokens: int) -> None:
    """Raises PromptTooLong, with the counts, when less is left than the answer may take and less than a sentence."""
    room = max(0, n_ctx - prompt_tokens)
    if room < max(1, min(max_tokens, LEAST_ROOM)):
        raise PromptTooLong(
            f"The prompt has {prompt_tokens} of {n_ctx} tokens and leaves {room} for the answer.",
            prompt_tokens=prompt_tokens,
            n_ctx=n_ctx,
            room=room,
        )
