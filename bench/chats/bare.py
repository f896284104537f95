"""llama.cpp with nothing around it: how many tokens a second can this machine write at all?

    python -m bench.chats.bare MODEL N_CTX N_THREADS NICE        then lines on stdin: `rows N PROMPT TOKENS` or
                                                           `generate PROMPT TOKENS`; a line of tokens/s for each

A process of its own, because libgomp reads its environment once. `rows` is the loop that an engine can not beat: decode
N rows, take the likeliest token of each, decode those. `generate` is llama-cpp-python's own, for one stream. Called by
`parts.decode`.
"""

import os
import sys
import time
from itertools import islice

import llama_cpp
import numpy as np
from llama_cpp import Llama

#: Tokens decoded before the clock runs.
WARM_UP = 4
MOST_ROWS = 16
CHUNK = 64


class Bare:
    def __init__(self, model: str, n_ctx: int, n_threads: int) -> None:
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = 0
        self._model = llama_cpp.llama_model_load_from_file(os.fsencode(model), params)
        context = llama_cpp.llama_context_default_params()
        context.n_ctx, context.n_seq_max, context.kv_unified = n_ctx, MOST_ROWS, True
        context.n_batch = context.n_ubatch = CHUNK
        context.n_threads = context.n_threads_batch = n_threads
        context.no_perf = True
        self._context = llama_cpp.llama_init_from_model(self._model, context)
        vocab = llama_cpp.llama_model_get_vocab(self._model)
        self._n_vocab: int = llama_cpp.llama_vocab_n_tokens(vocab)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(CHUNK, 0, 1)

    def rows(self, rows: int, prompt: int, tokens: int) -> float:
        """Tokens a second of all rows together, each after a prompt of its own."""
        llama_cpp.llama_memory_clear(self._memory, True)
        for row in range(rows):
            words = [(1000 + 97 * row + 31 * place) % self._n_vocab for place in range(prompt)]
            for start in range(0, prompt, CHUNK):
                piece = words[start : start + CHUNK]
                self._decode([(token, start + number, row) for number, token in enumerate(piece)], logits=False)
        last = list(range(rows))
        began = 0.0
        for step in range(WARM_UP + tokens):
            if step == WARM_UP:
                began = time.perf_counter()
            self._decode([(token, prompt + step, row) for row, token in enumerate(last)], logits=True)
            last = [self._likeliest(row) for row in range(rows)]
        return rows * tokens / (time.perf_counter() - began)

    def _decode(self, entries: list[tuple[int, int, int]], logits: bool) -> None:
        batch = self._batch
        batch.n_tokens = len(entries)
        for number, (token, position, row) in enumerate(entries):
            batch.token[number], batch.pos[number] = token, position
            batch.n_seq_id[number], batch.seq_id[number][0] = 1, row
            batch.logits[number] = logits
        status = llama_cpp.llama_decode(self._context, batch)
        if status != 0:
            raise SystemExit(f"llama_decode: status {status}")

    def _likeliest(self, row: int) -> int:
        logits = llama_cpp.llama_get_logits_ith(self._context, row)
        return int(np.ctypeslib.as_array(logits, (self._n_vocab,)).argmax())


def generate(llama: Llama, prompt: int, tokens: int) -> float:
    """Tokens a second of `Llama.generate`, greedy, the prompt not counted."""
    llama.n_tokens = 0  # forgets the last prompt, so that this one is read whole
    words = [(1000 + 31 * place) % llama.n_vocab() for place in range(prompt)]
    stream = llama.generate(words, temp=0.0, top_k=1, repeat_penalty=1.0)
    for _ in islice(stream, WARM_UP):
        pass
    began = time.perf_counter()
    written = sum(1 for _ in islice(stream, tokens))
    return written / (time.perf_counter() - began)


def main() -> None:
    model, n_ctx, n_threads, nice = sys.argv[1:]
    os.nice(int(nice))
    bare = Bare(model, int(n_ctx), int(n_threads))
    # The high-level class has a context of its own; a memory-mapped file is shared between the two.
    llama = Llama(model, n_ctx=2048, n_threads=int(n_threads), n_threads_batch=int(n_threads), verbose=False)
    print("ready", flush=True)
    for line in sys.stdin:
        kind, *numbers = line.split()
        sizes = [int(number) for number in numbers]
        print(bare.rows(*sizes) if kind == "rows" else generate(llama, *sizes), flush=True)


if __name__ == "__main__":
    main()
