"""A model of exactly the shape of Qwen2.5-1.5B-Instruct in Q4_K_M, made from noise: no weights to download.

    python -m bench.chats.model            prints where it lies; builds it first, once per machine (two minutes, 4 GB)

Noise costs what learnt weights cost: the same tensors are read and multiplied for every token, so speed, memory and KV
use are the real model's. What it says means nothing. Every token it can say is plain ASCII that a client sees at once:
the rows of all others, the end of turn among them, are zero, and some other token is always likelier.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import gguf
import numpy as np
import numpy.typing as npt

from bench.chats.source import TOKENIZER, source_file
from bench.peers.environment import cache_folder

#: Part of the file's name: count it up when the same shape gets other numbers.
RECIPE = 1
LAYERS, WIDTH, HEADS, KV_HEADS, FEED_FORWARD, N_CTX = 28, 1536, 12, 2, 8960, 32768
#: More rows than the tokenizer has tokens: the original pads its embedding, and the output matrix is a fifth of a step.
ROWS = 151_936
SPREAD = 0.02
_PRINTABLE = {*map(chr, range(0x21, 0x7F)), "\u0120"}  # U+0120 spells a space in a byte-level vocabulary
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

Half = npt.NDArray[np.float16]
Single = npt.NDArray[np.float32]


class Fill(Protocol):
    """Gives every tensor its numbers."""

    name: str  #: of the model, for its file

    def __call__(self, name: str, shape: tuple[int, ...]) -> Half | Single:
        """A matrix in 16 bits, a vector in 32, as llama.cpp wants them."""
        ...


class ModelFailed(Exception):
    """llama.cpp did not quantize the file; it has said why on stderr."""


@dataclass(frozen=True, slots=True)
class Tokenizer:
    tokens: tuple[str, ...]  #: padded to `ROWS`
    kinds: tuple[int, ...]
    merges: tuple[str, ...]

    def speakable(self) -> npt.NDArray[np.bool_]:
        """By row: whether it is a whole token of printable ASCII."""
        normal = int(gguf.TokenType.NORMAL)
        pairs = zip(self.tokens, self.kinds, strict=True)
        return np.array([kind == normal and _PRINTABLE.issuperset(token) for token, kind in pairs])


def read_tokenizer(path: Path) -> Tokenizer:
    """Out of a GGUF file, without its weights, if it has any."""
    fields = gguf.GGUFReader(path).fields

    def texts(name: str) -> list[str]:
        return [str(each) for each in fields[f"tokenizer.ggml.{name}"].contents()]

    tokens = texts("tokens")
    kinds = [int(each) for each in fields["tokenizer.ggml.token_type"].contents()]
    padding = ROWS - len(tokens)
    tokens += [f"[PAD{len(tokens) + number}]" for number in range(padding)]
    kinds += [int(gguf.TokenType.UNUSED)] * padding
    return Tokenizer(tuple(tokens), tuple(kinds), tuple(texts("merges")))


def shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor's name and shape, in the order of the file."""
    kv = WIDTH // HEADS * KV_HEADS
    yield "token_embd.weight", (ROWS, WIDTH)
    yield "output_norm.weight", (WIDTH,)
    block = {
        "attn_norm.weight": (WIDTH,),
        "attn_q.weight": (WIDTH, WIDTH),
        "attn_q.bias": (WIDTH,),
        "attn_k.weight": (kv, WIDTH),
        "attn_k.bias": (kv,),
        "attn_v.weight": (kv, WIDTH),
        "attn_v.bias": (kv,),
        "attn_output.weight": (WIDTH, WIDTH),
        "ffn_norm.weight": (WIDTH,),
        "ffn_gate.weight": (FEED_FORWARD, WIDTH),
        "ffn_up.weight": (FEED_FORWARD, WIDTH),
        "ffn_down.weight": (WIDTH, FEED_FORWARD),
    }
    for number in range(LAYERS):
        yield from ((f"blk.{number}.{name}", shape) for name, shape in block.items())


class Noise:
    """Fills tensors out of one pool of random numbers: 1.5 billion drawn one by one would take a minute for nothing."""

    name = "noise"

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._speakable = tokenizer.speakable()
        self._draw = np.random.default_rng(20250625)
        pool = self._draw.standard_normal(1 << 24, dtype=np.float32) * SPREAD
        self._pool: Half = pool.astype(np.float16)

    def __call__(self, name: str, shape: tuple[int, ...]) -> Half | Single:
        """A matrix in 16 bits, a vector in 32, as llama.cpp wants them."""
        if name.endswith("norm.weight"):
            return np.ones(shape, np.float32)
        size = int(np.prod(shape))
        begin = int(self._draw.integers(len(self._pool)))
        values = np.resize(np.roll(self._pool, -begin), size).reshape(shape)
        if name == "token_embd.weight":
            values[~self._speakable] = 0.0
        return values if len(shape) == 2 else values.astype(np.float32)


def write_half(path: Path, tokenizer: Tokenizer, fill: Fill) -> None:
    """The model in 16 bits, 3.1 GB, one tensor in memory at a time."""
    writer = _described(path, tokenizer, fill.name)
    for name, shape in shapes():
        kind = np.dtype(np.float16 if len(shape) == 2 else np.float32)
        writer.add_tensor_info(name, shape, kind, int(np.prod(shape)) * kind.itemsize)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, shape in shapes():
        writer.write_tensor_data(fill(name, shape))
    writer.close()


def _described(path: Path, tokenizer: Tokenizer, name: str) -> gguf.GGUFWriter:
    writer = gguf.GGUFWriter(str(path), "qwen2")
    writer.add_name(f"{name} in the shape of Qwen2.5 1.5B")
    writer.add_context_length(N_CTX)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(1e6)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokenizer.tokens)
    writer.add_token_types(tokenizer.kinds)
    writer.add_token_merges(tokenizer.merges)
    writer.add_add_bos_token(False)
    writer.add_bos_token_id(tokenizer.tokens.index("<|endoftext|>"))
    writer.add_pad_token_id(tokenizer.tokens.index("<|endoftext|>"))
    writer.add_eos_token_id(tokenizer.tokens.index("<|im_end|>"))
    writer.add_chat_template(CHATML)
    return writer


def quantize(source: Path, target: Path) -> None:
    """To Q4_K_M, as the real file is published, on all cores.

    Raises:
        ModelFailed: llama.cpp refused.
    """
    import llama_cpp

    options = llama_cpp.llama_model_quantize_default_params()
    options.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M
    options.nthread = len(os.sched_getaffinity(0))
    status = llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(target), options)
    if status != 0:
        raise ModelFailed(f"llama.cpp could not quantize {source.name}: status {status}")


def model_file(fill: Callable[[Tokenizer], Fill] = Noise, name: str = Noise.name) -> Path:
    """Where it lies, about 1 GB; built first when it is missing.

    Raises:
        SourceMissing: Its tokenizer could not be fetched.
        ModelFailed: llama.cpp did not quantize it.
    """
    kept = cache_folder() / "bench" / f"{name}-1.5b-q4_k_m-{RECIPE}.gguf"
    if kept.is_file():
        return kept
    tokenizer = read_tokenizer(source_file(TOKENIZER))
    print(f"Building the model {name!r}, once: about two minutes", file=sys.stderr, flush=True)
    # In the cache and not in the system's temporary folder: 3 GB may be more than that holds.
    with tempfile.TemporaryDirectory(prefix="building-", dir=kept.parent) as scratch:
        half, quantized = Path(scratch) / "half.gguf", Path(scratch) / kept.name
        write_half(half, tokenizer, fill(tokenizer))
        quantize(half, quantized)
        quantized.replace(kept)
    return kept


if __name__ == "__main__":
    print(model_file())
