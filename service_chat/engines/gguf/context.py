"""llama.cpp itself: one model, one context, one sequence. The only room that imports llama_cpp.

Used by `generation` and `worker`, in the engine's process (or in a test's), from one thread. Import it only after the
environment of `threads` stands: libgomp reads it when it is loaded. What to do with the tokens is decided elsewhere.
"""

import ctypes
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import llama_cpp

from service_chat.engines.gguf.template import ChatTemplate, TemplateUnusable
from service_chat.engines.protocol import ChatMessage, SamplingParams
from serving.errors import DependencyFailed, InvalidInput, WorkFailed

#: Prompt tokens in one step. 64 reads at 97 % of the speed of 512 and stalls for a second instead of four.
CHUNK = 64
#: ggml's levels; llama_cpp's own table of them is out of date.
_WARN, _ERROR = 3, 4


def _print_warning(level: int, text: bytes, _: ctypes.c_void_p) -> None:
    """Warnings and errors go to standard error, which the parent logs line by line; the rest is too much."""
    if level in (_WARN, _ERROR):
        sys.stderr.write(text.decode(errors="replace"))


#: Kept for as long as the process lives: llama.cpp holds a bare pointer to it.
_LOG = llama_cpp.llama_log_callback(_print_warning)


class LlamaContext:
    def __init__(self, path: Path, n_ctx: int, n_threads: int, progress: Callable[[float], None]) -> None:
        """Loads the model; `progress` hears fractions from 0 to 1.

        Raises:
            DependencyFailed: The file is no model llama.cpp can run, or brings no usable chat template.
        """
        llama_cpp.llama_log_set(_LOG, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self.chunk = CHUNK

        def heard(fraction: float, _: ctypes.c_void_p) -> bool:
            progress(fraction)
            return True

        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = 0
        params.progress_callback = callback = llama_cpp.llama_progress_callback(heard)
        model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        del callback  # it had to live until here
        if not model:
            raise DependencyFailed(f"llama.cpp can not load {path.name}", reason="not_loadable")
        self._model = model
        self._context = self._open(n_ctx, n_threads)
        self.n_ctx = min(llama_cpp.llama_n_ctx(self._context), self._wanted)
        self._vocab = llama_cpp.llama_model_get_vocab(model)
        self._n_vocab = llama_cpp.llama_vocab_n_tokens(self._vocab)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(CHUNK, 0, 1)
        self._bos: int = llama_cpp.llama_vocab_bos(self._vocab)
        self._template = self._read_template()

    def _open(self, n_ctx: int, n_threads: int) -> "llama_cpp.llama_context_p":
        trained = llama_cpp.llama_model_n_ctx_train(self._model)
        self._wanted = min(n_ctx, trained) if n_ctx else trained
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = self._wanted
        params.n_batch = params.n_ubatch = CHUNK
        params.n_seq_max = 1
        params.n_threads = params.n_threads_batch = n_threads
        params.no_perf = True
        context: llama_cpp.llama_context_p | None = llama_cpp.llama_init_from_model(self._model, params)
        if not context:
            raise DependencyFailed(f"There is no memory for a context of {self._wanted} tokens", reason="no_context")
        return context

    def close(self) -> None:
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)

    # --- about the model ------------------------------------------------------------------------------------------

    @staticmethod
    def system_info() -> str:
        line: bytes = llama_cpp.llama_print_system_info()
        return line.decode(errors="replace").strip()

    def _read_template(self) -> ChatTemplate:
        source = llama_cpp.llama_model_chat_template(self._model, None)
        if source is None:
            raise DependencyFailed("The model file brings no chat template", reason="no_template")
        eos = llama_cpp.llama_vocab_eos(self._vocab)
        try:
            return ChatTemplate(source.decode(), self._spelling(self._bos), self._spelling(eos))
        except TemplateUnusable as error:
            raise DependencyFailed(f"The model's chat template is not usable: {error}", reason="template") from error

    # --- tokens ---------------------------------------------------------------------------------------------------

    def prompt(self, messages: Sequence[ChatMessage]) -> list[int]:
        """The tokens of a chat, up to where the answer begins. Raises InvalidInput for an order it does not take."""
        tokens: list[int] = []
        for piece in self._template.pieces(messages):
            tokens += self.tokenize(piece.text, control=piece.control)
        if llama_cpp.llama_vocab_get_add_bos(self._vocab) and tokens[:1] != [self._bos]:
            tokens.insert(0, self._bos)
        if not tokens:
            raise InvalidInput("There is nothing to answer.")
        return tokens

    def tokenize(self, text: str, control: bool) -> list[int]:
        data = text.encode("utf-8", errors="replace")
        room = len(data) + 8  # a token is at least a byte, but for a prefix some vocabularies add
        tokens = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self._vocab, data, len(data), tokens, room, False, control)
        if count < 0:
            raise WorkFailed("The text could not be tokenised.")
        return list(tokens[:count])

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for, none for a control token. They may be part of a character."""
        return self._bytes(token, special=False)

    def ends(self, token: int) -> bool:
        """Whether `token` ends the answer."""
        return bool(llama_cpp.llama_vocab_is_eog(self._vocab, token))

    def _spelling(self, token: int) -> str:
        return self._bytes(token, special=True).decode(errors="replace") if token >= 0 else ""

    def _bytes(self, token: int, special: bool) -> bytes:
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, size, 0, special)
            if length >= 0:
                return bytes(buffer.raw[:length])
            size = -length

    # --- work -----------------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Forgets the last request."""
        llama_cpp.llama_memory_clear(self._memory, True)

    def decode(self, tokens: Sequence[int], position: int, last: bool) -> None:
        """Reads at most `chunk` tokens at `position`. `last`: the next token is to be drawn after them.

        Raises:
            WorkFailed: llama.cpp could not do it.
        """
        batch = self._batch
        batch.n_tokens = len(tokens)
        for row, token in enumerate(tokens):
            batch.token[row] = token
            batch.pos[row] = position + row
            batch.n_seq_id[row] = 1
            batch.seq_id[row][0] = 0
            batch.logits[row] = last and row == len(tokens) - 1  # 150,000 numbers: only where they are read
        status = llama_cpp.llama_decode(self._context, batch)
        if status != 0:
            raise WorkFailed(f"llama.cpp refused a step with status {status}.", llama_status=status)

    @contextmanager
    def sampler(self, params: SamplingParams, seed: int) -> "Iterator[Sampler]":
        chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        try:
            for part in self._chain(params, seed):
                llama_cpp.llama_sampler_chain_add(chain, part)
            yield Sampler(chain, self._context)
        finally:
            llama_cpp.llama_sampler_free(chain)

    def _chain(self, params: SamplingParams, seed: int) -> Iterator["llama_cpp.llama_sampler_p"]:
        if params.presence_penalty:
            # Looks back over the whole answer; -1 would switch it off here, whatever its documentation says.
            yield llama_cpp.llama_sampler_init_penalties(
                self._n_vocab, max(params.max_tokens, 1), 1.0, 0.0, params.presence_penalty
            )
        if params.temperature <= 0:
            yield llama_cpp.llama_sampler_init_greedy()
            return
        if params.top_k > 0:
            yield llama_cpp.llama_sampler_init_top_k(params.top_k)
        yield llama_cpp.llama_sampler_init_top_p(params.top_p, 1)
        yield llama_cpp.llama_sampler_init_temp(params.temperature)
        yield llama_cpp.llama_sampler_init_dist(seed)


class Sampler:
    """Draws tokens from what the last decode left."""

    def __init__(self, chain: "llama_cpp.llama_sampler_p", context: "llama_cpp.llama_context_p") -> None:
        self._chain, self._context = chain, context

    def next(self) -> int:
        token: int = llama_cpp.llama_sampler_sample(self._chain, self._context, -1)
        return token
