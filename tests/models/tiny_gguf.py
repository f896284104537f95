"""Tiny GGUF models for tests, made from nothing in a tenth of a second: real llama.cpp, no download, no mock.

Three kinds, all of the Qwen2 architecture with a ChatML template and a byte-level tokenizer:

* `script`: says one fixed reply and ends its turn, whatever it was asked and however it is sampled. Characters of
  several bytes arrive split over tokens, so whoever decodes the stream must put them together. The reply may be the
  form of a triage: a JSON object as `form_of` writes it.
* `random`: random attention weights, so every token depends on the whole prefix: a wrong position, slot or reused
  prefix changes the text. It writes plain ASCII and, unless `talks_forever` is off, never ends by itself.
* `slow`: `random`, and of a form it fills every text and every list, in as many tokens as that can take, some
  milliseconds each: an answer that takes seconds and can be interrupted although its form would end it.

Command line: `python -m tests.models.tiny_gguf script out.gguf --reply "Rest."`
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import gguf
import numpy as np
from numpy.typing import NDArray

Mode = Literal["script", "random", "slow"]
Matrix = NDArray[np.float32]

DEFAULT_REPLY = "Rest and drink water. With a fever above 38.5 °C, call your doctor today ✓."
#: A triage's answer. Each text may stand as it is below an urgent question, and none in it is named by a record.
DEFAULT_RATIONALE = "Rest the knee and drink water ✓. What else hurts is not known here."
N_CTX_TRAIN = 8192
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)
#: Width of what a slow model multiplies for each token it writes: milliseconds.
SLOW = 65_536
#: How much more it likes to end a sentence than to go on.
_OFTEN = 0.3
#: Words that become one token, so that prompts have about as many tokens as with a real vocabulary.
_WORDS = """
the and you are patient with pain since for of to in a not or is has have on my no was your any give system user
assistant question answer record chest head fever cough blood pressure medication allergies conditions recorded year
old female male pregnant history daily tablet doctor emergency advice symptoms
"""


def build_tiny_gguf(
    path: Path,
    mode: Mode,
    reply: str = DEFAULT_REPLY,
    seed: int = 1,
    talks_forever: bool = True,
    width: int = SLOW,
) -> Path:
    """Writes the model to `path` (about 1 MB; a slow one 50) and gives the path back. Equal arguments, equal bytes.

    `width`: how slow a slow one is.
    """
    vocabulary = _vocabulary()
    if mode == "slow":
        vocabulary.add(_SENTENCE_ENDS)
    if mode == "script":
        model = _script(vocabulary, reply)
    else:
        model = _random(vocabulary, np.random.default_rng(seed), talks_forever, width if mode == "slow" else None)
    _write(path, f"tiny-{mode}", vocabulary, model)
    return path


def form_of(
    rationale: str = DEFAULT_RATIONALE,
    acuity: str = "urgent",
    refs: Sequence[str] = (),
    next_steps: Sequence[str] = ("Ask before you take it.",),
    questions: Sequence[str] = ("Since when does it hurt?",),
) -> str:
    """What a model writes that keeps to a triage's form: a reply for `script`. A grammar takes it where it may stand.

    `acuity` must not be below what the rules hold, and `refs` name what the prompt shows; else another token comes.
    """
    told = {"record_refs": [*refs], "rationale": rationale, "acuity": acuity}
    lists = {"next_steps": [*next_steps], "questions": [*questions]}
    return json.dumps({**told, **lists}, ensure_ascii=False, separators=(",", ":"))


# --- vocabulary ---------------------------------------------------------------------------------------------------


@dataclass
class _Vocabulary:
    tokens: list[str]  #: plain tokens in the printable byte alphabet of GPT-2; the control tokens follow when written
    merges: list[str]

    def add(self, piece: str) -> int:
        if piece not in self.tokens:
            self.tokens.append(piece)
        return self.tokens.index(piece)

    @property
    def end_of_turn(self) -> int:
        return len(self.tokens) + CONTROL.index("<|im_end|>")

    @property
    def size(self) -> int:
        return len(self.tokens) + len(CONTROL)


def _alphabet() -> dict[int, str]:
    """GPT-2's byte alphabet: printable bytes stand for themselves, the others for code points from 256 upwards."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    shifted = iter(range(256, 512))
    return {byte: chr(byte if byte in printable else next(shifted)) for byte in range(256)}


_ALPHABET = _alphabet()
_SENTENCE_ENDS = f".{_ALPHABET[ord(' ')]}"


def _spell(data: bytes) -> str:
    return "".join(_ALPHABET[byte] for byte in data)


def _vocabulary() -> _Vocabulary:
    vocabulary = _Vocabulary([_ALPHABET[byte] for byte in range(256)], [])
    for word in _WORDS.split():
        for text in (f" {word}", word):
            spelled = _spell(text.encode())
            for end in range(2, len(spelled) + 1):
                merge = f"{spelled[: end - 1]} {spelled[end - 1]}"
                if merge not in vocabulary.merges:
                    vocabulary.merges.append(merge)
                    vocabulary.add(spelled[:end])
    return vocabulary


# --- weights ------------------------------------------------------------------------------------------------------


@dataclass
class _Model:
    heads: int
    kv_heads: int
    feed_forward: int
    embedding: Matrix  #: tokens x width
    head: Matrix  #: tokens x width
    blocks: list[dict[str, Matrix]]

    @property
    def width(self) -> int:
        return int(self.embedding.shape[1])


def _cut(reply: bytes) -> list[bytes]:
    """`reply` in pieces of which no two are equal, so that each piece alone tells which one comes next.

    A piece is as short as it can be and still be new. A lone newline is left to the prompt, whose last token it is.
    A form is cut before blanks and within characters only: between a text's bounds. Elsewhere its grammar leaves no
    choice, so the engine writes on by itself, in tokens that are no pieces, and the chain would be lost.
    """
    pieces: list[bytes] = []
    used = {b"\n"}
    start = 0
    for end in range(1, len(reply) + 1):
        if reply.startswith(b"{") and end < len(reply) and reply[end] != ord(" ") and reply[end] >> 6 != 0b10:
            continue
        if reply[start:end] not in used:
            pieces.append(reply[start:end])
            used.add(reply[start:end])
            start = end
    rest = reply[start:]
    while rest and rest in used:  # the end repeats a piece: the one before it takes it in
        last = pieces.pop() if pieces else b""
        used.discard(last)
        rest = last + rest
        if not last:
            raise ValueError("a reply of newlines only can not be told from the prompt")
    return [*pieces, rest] if rest else pieces


def _script(vocabulary: _Vocabulary, reply: str) -> _Model:
    """One block of zeros, so the state is the embedding of the last token; the head is a table from it to the next."""
    chain = [_ALPHABET[ord("\n")], *(_spell(piece) for piece in _cut(reply.encode()))]
    ids = [vocabulary.add(piece) for piece in chain]
    following = [*ids[1:], vocabulary.end_of_turn]
    width = -(-(len(ids) + 1) // 32) * 32
    embedding = np.zeros((vocabulary.size, width), np.float32)
    head = np.zeros_like(embedding)
    embedding[:, 0] = 1.0  # every token outside the chain ends the turn
    head[vocabulary.end_of_turn, 0] = 1.0
    for column, (here, there) in enumerate(zip(ids, following, strict=True), start=1):
        embedding[here, 0] = 0.0
        embedding[here, column] = 1.0
        head[there, column] = 1.0
    # The norm scales a one-hot state by sqrt(width); 80 over that leaves no other token a chance at temperature 2.
    head *= 80.0 / np.sqrt(width)
    return _Model(1, 1, 32, embedding, head, [_block(width, width, width, 32, None)])


def _random(vocabulary: _Vocabulary, rng: np.random.Generator, talks_forever: bool, slow: int | None) -> _Model:
    # llama.cpp computes the last block for those tokens only whose successor is drawn: where it is the only one, it can
    # be as wide as it likes and prompts are read as fast as ever.
    width, heads, kv_heads, feed_forward, count = 64, 4, 2, slow or 128, 1 if slow else 2
    embedding = rng.standard_normal((vocabulary.size, width)).astype(np.float32)
    head = (0.5 * rng.standard_normal((vocabulary.size, width))).astype(np.float32)
    blocks = [_block(width, width, width // heads * kv_heads, feed_forward, rng) for _ in range(count)]
    # Column 0 is the same for all tokens and no block writes to it: a place to forbid tokens from.
    embedding[:, 0], head[:, 0] = 4.0, 0.0
    for block in blocks:
        block["attn_output.weight"][0] = 0.0
        block["ffn_down.weight"][0] = 0.0
    speakable = {_ALPHABET[byte] for byte in range(0x20, 0x7F)}
    for number, token in enumerate(vocabulary.tokens):
        if not set(token) <= speakable:
            head[number, 0] = -100.0
    for number in range(len(vocabulary.tokens), vocabulary.size):
        if talks_forever or number != vocabulary.end_of_turn:
            head[number, 0] = -100.0
    if slow:
        _fill_forms(vocabulary, head)
    return _Model(heads, kv_heads, feed_forward, embedding, head, blocks)


def _fill_forms(vocabulary: _Vocabulary, head: Matrix) -> None:
    """Mostly one byte a token, short sentences without numbers, and no end of a text or list where more may come."""
    head[:, 1:] *= 0.15  # at the temperature of a triage it would say one thing again and again
    for number, token in enumerate(vocabulary.tokens):
        if token == _SENTENCE_ENDS:
            head[number, 0] = _OFTEN
        elif len(token) > 1 or token in '"\\0123456789':
            head[number, 0] = -100.0
        elif token == "]":
            head[number, 0] = -200.0


def _block(width: int, q: int, kv: int, feed_forward: int, rng: np.random.Generator | None) -> dict[str, Matrix]:
    def matrix(rows: int, columns: int) -> Matrix:
        values = np.zeros((rows, columns)) if rng is None else rng.standard_normal((rows, columns))
        scaled: Matrix = (values * (1.5 / columns**0.5)).astype(np.float32)
        return scaled

    def bias(rows: int) -> Matrix:
        values = np.zeros(rows) if rng is None else rng.standard_normal(rows)
        return (values * 0.1).astype(np.float32)

    return {
        "attn_norm.weight": np.ones(width, np.float32),
        "attn_q.weight": matrix(q, width),
        "attn_q.bias": bias(q),
        "attn_k.weight": matrix(kv, width),
        "attn_k.bias": bias(kv),
        "attn_v.weight": matrix(kv, width),
        "attn_v.bias": bias(kv),
        "attn_output.weight": matrix(width, q),
        "ffn_norm.weight": np.ones(width, np.float32),
        "ffn_gate.weight": matrix(feed_forward, width),
        "ffn_up.weight": matrix(feed_forward, width),
        "ffn_down.weight": matrix(width, feed_forward),
    }


# --- file ---------------------------------------------------------------------------------------------------------


def _write(path: Path, name: str, vocabulary: _Vocabulary, model: _Model) -> None:
    writer = gguf.GGUFWriter(str(path), "qwen2")
    writer.add_name(name)
    writer.add_context_length(N_CTX_TRAIN)
    writer.add_embedding_length(model.width)
    writer.add_block_count(len(model.blocks))
    writer.add_feed_forward_length(model.feed_forward)
    writer.add_head_count(model.heads)
    writer.add_head_count_kv(model.kv_heads)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([*vocabulary.tokens, *CONTROL])
    writer.add_token_types([gguf.TokenType.NORMAL] * len(vocabulary.tokens) + [gguf.TokenType.CONTROL] * len(CONTROL))
    writer.add_token_merges(vocabulary.merges)
    writer.add_add_bos_token(False)
    writer.add_bos_token_id(len(vocabulary.tokens))
    writer.add_pad_token_id(len(vocabulary.tokens))
    writer.add_eos_token_id(vocabulary.end_of_turn)
    writer.add_chat_template(TEMPLATE)
    writer.add_tensor("token_embd.weight", model.embedding.astype(np.float32))
    for number, block in enumerate(model.blocks):
        for tensor, values in block.items():
            # llama.cpp wants one-dimensional tensors in 32 bits.
            writer.add_tensor(f"blk.{number}.{tensor}", values if values.ndim == 1 else values.astype(np.float32))
    writer.add_tensor("output_norm.weight", np.ones(model.width, np.float32))
    writer.add_tensor("output.weight", model.head.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a tiny GGUF model.")
    parser.add_argument("mode", choices=("script", "random", "slow"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--reply", default=DEFAULT_REPLY)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    build_tiny_gguf(given.path, given.mode, given.reply, given.seed)


if __name__ == "__main__":
    main()
