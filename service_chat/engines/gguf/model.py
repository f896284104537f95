"""The model file as llama.cpp sees it: its vocabulary, its chat template, and what a chat is in tokens.

Used by `context` and `engine`, in the engine's process (or in a test's). Import it only after the environment of
`threads` stands: libgomp reads it when it is loaded. Nothing here computes; that is `context`.
"""

import ctypes
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import llama_cpp

from service_chat.engines.gguf.template import ChatTemplate, TemplateUnusable
from service_chat.engines.protocol import ChatMessage
from serving.errors import DependencyFailed, InvalidInput, WorkFailed

#: ggml's levels; llama_cpp's own table of them is out of date.
_WARN, _ERROR = 3, 4


def _print_warning(level: int, text: bytes, _: ctypes.c_void_p) -> None:
    """Warnings and errors go to standard error, which the parent logs line by line; the rest is too much."""
    if level in (_WARN, _ERROR):
        sys.stderr.write(text.decode(errors="replace"))


#: Kept for as long as the process lives: llama.cpp holds a bare pointer to it.
_LOG = llama_cpp.llama_log_callback(_print_warning)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A chat in tokens. The first `shared` of them stand before any word of a patient or a caller's question: the
    system part, which is the same for many."""

    tokens: list[int]
    shared: int


class LlamaModel:
    def __init__(self, path: Path, progress: Callable[[float], None]) -> None:
        """Loads the file; `progress` hears fractions from 0 to 1.

        Raises:
            DependencyFailed: The file is no model llama.cpp can run, or brings no usable chat template.
        """
        llama_cpp.llama_log_set(_LOG, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()

        def heard(fraction: float, _: ctypes.c_void_p) -> bool:
            progress(fraction)
            return True

        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = 0
        params.progress_callback = callback = llama_cpp.llama_progress_callback(heard)
        pointer = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        del callback  # it had to live until here
        if not pointer:
            raise DependencyFailed(f"llama.cpp can not load {path.name}", reason="not_loadable")
        #: For `context` and `sampling`.
        self.pointer = pointer
        self.vocab = llama_cpp.llama_model_get_vocab(pointer)
        self.n_vocab: int = llama_cpp.llama_vocab_n_tokens(self.vocab)
        self.n_ctx_train: int = llama_cpp.llama_model_n_ctx_train(pointer)
        self._bos: int = llama_cpp.llama_vocab_bos(self.vocab)
        self._buffer = ctypes.create_string_buffer(256)
        self._template = self._read_template()

    def close(self) -> None:
        llama_cpp.llama_model_free(self.pointer)

    @staticmethod
    def system_info() -> str:
        """llama.cpp's own line on the instruction sets it uses."""
        line: bytes = llama_cpp.llama_print_system_info()
        return line.decode(errors="replace").strip()

    def _read_template(self) -> ChatTemplate:
        source = llama_cpp.llama_model_chat_template(self.pointer, None)
        if source is None:
            raise DependencyFailed("The model file brings no chat template", reason="no_template")
        eos = llama_cpp.llama_vocab_eos(self.vocab)
        try:
            return ChatTemplate(source.decode(), self._spelling(self._bos), self._spelling(eos))
        except TemplateUnusable as error:
            raise DependencyFailed(f"The model's chat template is not usable: {error}", reason="template") from error

    def prompt(self, messages: Sequence[ChatMessage]) -> Prompt:
        """The tokens of a chat, up to where the answer begins. Raises InvalidInput for an order it does not take.

        Each message is tokenised by itself, so that equal beginnings have equal tokens whatever comes behind them.
        """
        tokens: list[int] = []
        shared: int | None = None
        for piece in self._template.pieces(messages):
            if shared is None and piece.role not in (None, "system"):
                shared = len(tokens)
            tokens += self.tokenize(piece.text, control=piece.role is None)
        if llama_cpp.llama_vocab_get_add_bos(self.vocab) and tokens[:1] != [self._bos]:
            tokens.insert(0, self._bos)
            shared = None if shared is None else shared + 1
        if not tokens:
            raise InvalidInput("There is nothing to answer.")
        return Prompt(tokens, shared if shared is not None else 0)

    def tokenize(self, text: str, control: bool = False) -> list[int]:
        """`control`: control tokens spelled out in `text` have their power."""
        data = text.encode("utf-8", errors="replace")
        room = len(data) + 8  # a token is at least a byte, but for a prefix some vocabularies add
        tokens = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self.vocab, data, len(data), tokens, room, False, control)
        if count < 0:
            raise WorkFailed("The text could not be tokenised.")
        return list(tokens[:count])

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for, none for a control token. They may be part of a character."""
        return self._bytes(token, special=False)

    def ends(self, token: int) -> bool:
        """Whether `token` ends the answer."""
        return bool(llama_cpp.llama_vocab_is_eog(self.vocab, token))

    def _spelling(self, token: int) -> str:
        return self._bytes(token, special=True).decode(errors="replace") if token >= 0 else ""

    def _bytes(self, token: int, special: bool) -> bytes:
        while True:
            buffer = self._buffer
            length = llama_cpp.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, special)
            if length >= 0:
                return buffer.raw[:length]
            self._buffer = ctypes.create_string_buffer(-length)
