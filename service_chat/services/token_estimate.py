"""How many tokens a text has, guessed without the model that would know. Pure.

Called by `fitting`, once for each line of a record. The tokenizer lives in the engine's process and counts whole chats,
a step each; asking it for every line would cost more than reading the prompt. So the guess errs upwards: today's
vocabularies split English into pieces of four letters or more, and here a piece has three; digits and marks stand alone
in some of them, and do so here; beyond ASCII a character counts by its bytes in UTF-8, which no byte-level vocabulary
exceeds. The engine still counts the chat it gets, and refuses what does not fit; `Budget.shrunk` is for that.
"""

import re

_PARTS = re.compile(
    r"(?P<lower>[A-Z]?[a-z]+)|(?P<upper>[A-Z]+)|(?P<one>[0-9!-/:-@\[-`{-~]|\n)|(?P<blanks>[ \t\r\f\v]+)"
    r"|(?P<wide>[^\x00-\x7f]+)|(?P<control>[\x00-\x1f\x7f])"
)
#: Letters in a token.
_LOWER, _UPPER = 3, 2


def estimate_tokens(text: str) -> int:
    """Rather more than less, for any vocabulary that was made for many texts."""
    tokens = 0
    for part in _PARTS.finditer(text):
        size = part.end() - part.start()
        match part.lastgroup:
            case "lower":
                tokens += -(-size // _LOWER)
            case "upper":
                tokens += -(-size // _UPPER)
            case "blanks":
                tokens += size > 1  # a single one belongs to the word behind it
            case "wide":
                tokens += len(part[0].encode(errors="replace"))
            case _:
                tokens += 1
    return tokens
