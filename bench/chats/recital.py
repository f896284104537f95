"""A model of the same shape that recites one text, whatever it is asked: for measuring guesses that come true.

Called by `parts.decode`. Drafting wins when an answer repeats what stands in the prompt, which noise never does. Here
three quarters of the answer stand in the patient's record, word for word, and the rest does not: about what a model
says that was told to use the record only. Each word is one token and stands in the text once, so each tells the next.
"""

import numpy as np

from bench.chats.model import Half, Single, Tokenizer
from bench.chats.words import WORDS

#: What is said. A space before each word makes it the token that `WORDS` promises.
WORDS_SAID = tuple(f" {word}" for word in WORDS[:96])
TEXT = "".join(WORDS_SAID)
#: Of every so many words the first few are the model's own.
STRETCH, OWN = 32, 8
#: Small enough for 4 bits beside zeros, large enough that the next word leaves no doubt.
_GATE, _DOWN = 0.05, 10.0


def record() -> str:
    """Lines of a record that hold what the answer quotes."""
    starts = range(0, len(WORDS_SAID), STRETCH)
    return "\n".join(
        f"Entry {number}:{''.join(WORDS_SAID[start + OWN : start + STRETCH])}" for number, start in enumerate(starts)
    )


class Recital:
    """Each token of the text lights one direction, and the first block turns it into the next token's.

    The other blocks add nothing; their tensors are read and multiplied all the same.
    """

    name = "recital"

    def __init__(self, tokenizer: Tokenizer) -> None:
        # The prompt ends in a newline, which begins the recital. U+010A and U+0120 spell newline and space.
        spelled = ["\u010a", *(word.replace(" ", "\u0120") for word in WORDS_SAID)]
        self._chain = [tokenizer.tokens.index(token) for token in spelled]
        self._end = tokenizer.tokens.index("<|im_end|>")
        self._draw = np.random.default_rng(7)

    def __call__(self, name: str, shape: tuple[int, ...]) -> Half | Single:
        """As `model.Fill` says."""
        if name.endswith("norm.weight"):
            return np.ones(shape, np.float32)
        if len(shape) == 1:
            return np.zeros(shape, np.float32)
        if name == "token_embd.weight":
            return self._embedding(shape)
        if name.startswith("blk.0.ffn_"):
            return self._step(name, shape)
        if name.endswith(("attn_output.weight", "ffn_down.weight")):
            return np.zeros(shape, np.float16)
        row = self._draw.standard_normal(shape[1], dtype=np.float32) * 0.02
        return np.tile(row.astype(np.float16), (shape[0], 1))

    def _embedding(self, shape: tuple[int, ...]) -> Half:
        values = np.zeros(shape, np.float16)
        for place, token in enumerate((*self._chain, self._end)):
            values[token, place] = 1.0
        return values

    def _step(self, name: str, shape: tuple[int, ...]) -> Half:
        values = np.zeros(shape, np.float16)
        for place in range(len(self._chain)):
            if name.endswith("ffn_down.weight"):
                values[place + 1, place] = _DOWN
            else:
                values[place, place] = _GATE
        return values
