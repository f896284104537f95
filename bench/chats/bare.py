"""llama.cpp with nothing around it: how many tokens a second can this machine write at all?

    python -m bench.chats.bare MODEL N_CTX N_THREADS NICE        then lines on stdin, each answered by a number:
        rows N PROMPT TOKENS                tokens/s
        generate PROMPT TOKENS              tokens/s
        crowd N SHARED OWN TOKENS           seconds

A process of its own, because libgomp reads its environment once. `rows` is the loop that an engine can not beat: decode
N rows, take the likeliest token of each, decode those. `crowd` is what no server of this llama.cpp can beat: N prompts
that have their beginning in common are read, and then all answers written together. `generate` is llama-cpp-python's
own, for one stream. `parts.decode` asks for the first and the last, `parts.chats` for the crowd.
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
            self._read(row, 0, prompt)
        self._write(rows, prompt, WARM_UP)
        began = time.perf_counter()
        self._write(rows, prompt + WARM_UP, tokens)
        return rows * tokens / (time.perf_counter() - began)

    def crowd(self, rows: int, shared: int, own: int, tokens: int) -> float:
        """Seconds until all have read and written what is their own; what they share was read before."""
        llama_cpp.llama_memory_clear(self._memory, True)
        self._read(0, 0, shared)
        for row in range(1, rows):
            llama_cpp.llama_memory_seq_cp(self._memory, 0, row, 0, shared)
        began = time.perf_counter()
        for row in range(rows):
            self._read(row, shared, own)
        self._write(rows, shared + own, tokens)
        return time.perf_counter() - began

    def _read(self, row: int, begin: int, count: int) -> None:
        words = [(1000 + 97 * row + 31 * place) % self._n_vocab for place in range(begin, begin + count)]
        for start in range(0, count, CHUNK):
            piece = words[start : start + CHUNK]
            self._decode([(token, begin + start + at, row) for at, token in enumerate(piece)], logits=False)

    def _write(self, rows: int, begin: int, tokens: int) -> None:
        """The likeliest, one for each row in a step."""
        last = list(range(rows))
        for step in range(tokens):
            self._decode([(token, begin + step, row) for row, token in enumerate(last)], logits=True)
            last = [self._likeliest(row) for row in range(rows)]

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
        match kind:
            case "rows":
                print(bare.rows(*sizes), flush=True)
            case "crowd":
                print(bare.crowd(*sizes), flush=True)
            case _:
                print(generate(llama, *sizes), flush=True)


if __name__ == "__main__":
    main()
