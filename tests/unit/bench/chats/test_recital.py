import gguf
import numpy as np
import numpy.typing as npt

from bench.chats.model import FEED_FORWARD, WIDTH, Tokenizer
from bench.chats.recital import OWN, STRETCH, TEXT, WORDS_SAID, Recital, record
from bench.chats.words import WORDS

TOKENS = ("\u010a", *(word.replace(" ", "\u0120") for word in WORDS_SAID), "<|im_end|>", "\u0120else")
SMALL = 128

Numbers = npt.NDArray[np.float64]


def recital() -> Recital:
    return Recital(Tokenizer(TOKENS, (int(gguf.TokenType.NORMAL),) * len(TOKENS), ()))


def next_token(token: int) -> int:
    """The first block and the output, in small: the attention and the other blocks add nothing."""
    fill = recital()
    embedding = fill("token_embd.weight", (len(TOKENS), SMALL)).astype(np.float64)
    gate, up, down = (
        fill(f"blk.0.ffn_{name}.weight", (SMALL, SMALL)).astype(np.float64) for name in ("gate", "up", "down")
    )

    def normed(state: Numbers) -> Numbers:
        # The widths differ; what the norm gives a lone direction is the root of the width.
        found: Numbers = state / (np.linalg.norm(state) + 1e-9) * WIDTH**0.5
        return found

    state = embedding[token]
    bent = gate @ normed(state)
    state = state + down @ (bent / (1 + np.exp(-bent)) * (up @ normed(state)))
    return int((embedding @ normed(state)).argmax())


def test_each_token_leads_to_the_next_and_the_last_word_ends_the_turn() -> None:
    chain = range(len(WORDS_SAID) + 1)
    assert [next_token(token) for token in chain] == [token + 1 for token in chain]
    assert TOKENS[next_token(len(WORDS_SAID))] == "<|im_end|>"


def test_the_text_fits_the_model_and_no_word_is_said_twice() -> None:
    assert len(set(WORDS)) == len(WORDS)
    assert len(WORDS_SAID) + 2 <= min(WIDTH, FEED_FORWARD)
    assert len(WORDS_SAID) % STRETCH == 0


def test_three_quarters_of_the_answer_stand_in_the_record_word_for_word() -> None:
    quoted = [line.partition(":")[2] for line in record().splitlines()]
    assert all(stretch in TEXT for stretch in quoted)
    assert sum(len(stretch.split()) for stretch in quoted) == len(WORDS_SAID) * (STRETCH - OWN) // STRETCH
    assert len(WORDS_SAID) * 3 == 4 * sum(len(stretch.split()) for stretch in quoted)


def test_what_adds_nothing_is_still_there_to_be_read() -> None:
    fill = recital()
    assert not fill("blk.3.ffn_down.weight", (16, 32)).any()
    assert not fill("blk.0.attn_output.weight", (16, 16)).any()
    assert fill("blk.3.ffn_up.weight", (16, 32)).all()
