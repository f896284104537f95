"""Drawing tokens: how likely is likely enough, and what a grammar allows.

Used by `engine`: one `Sampler` for each request. A grammar is asked about the one token that was drawn freely, which
takes microseconds; only when it says no are the likeliest tokens asked about, and all 150,000 only when none of those
will do (llama.cpp's own programs do the same; a grammar in the chain costs 25 ms a token).
"""

import codecs
import ctypes
import os
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import llama_cpp
import numpy as np
import numpy.typing as npt

from service_chat.engines.gguf.context import LlamaContext
from service_chat.engines.gguf.forced import Forced
from service_chat.engines.gguf.model import LlamaModel
from service_chat.engines.protocol import SamplingParams
from serving.errors import InvalidInput, WorkFailed

_Candidates: TypeAlias = npt.NDArray[np.void]
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
#: Of the likeliest tokens, how many are put to the grammar before all of them are.
_SECOND_LOOK = 256
_MAX_GRAMMAR = 64 * 1024
_KEPT_GRAMMARS = 16


class Grammars:
    """Compiled grammars by their text; each request gets a copy of its own."""

    def __init__(self, model: LlamaModel) -> None:
        self._model = model
        self._compiled: OrderedDict[str, llama_cpp.llama_sampler_p] = OrderedDict()

    def open(self, text: str) -> "llama_cpp.llama_sampler_p":
        """A fresh copy, to be freed by the caller.

        Raises:
            InvalidInput: It does not compile, or what we can not follow is in it (`gbnf`).
        """
        compiled = self._compiled.get(text)
        if compiled is None:
            compiled = self._compiled[text] = self._compile(text)
            while len(self._compiled) > _KEPT_GRAMMARS:
                llama_cpp.llama_sampler_free(self._compiled.popitem(last=False)[1])
        self._compiled.move_to_end(text)
        copy: llama_cpp.llama_sampler_p = llama_cpp.llama_sampler_clone(compiled)
        return copy

    def _compile(self, text: str) -> "llama_cpp.llama_sampler_p":
        if len(text) > _MAX_GRAMMAR:
            raise InvalidInput(f"A grammar may have at most {_MAX_GRAMMAR} characters.")
        # First by our own eyes. Of what these do not read, some ends llama.cpp's process, and some keeps it for ever.
        if Forced(text).lost:
            raise InvalidInput("The grammar can not be read, or is too ambiguous to be followed.")
        with _silence():
            compiled: llama_cpp.llama_sampler_p | None = llama_cpp.llama_sampler_init_grammar(
                self._model.vocab, text.encode(), b"root"
            )
        if not compiled:
            raise InvalidInput("The grammar does not compile.")
        return compiled

    def close(self) -> None:
        while self._compiled:
            llama_cpp.llama_sampler_free(self._compiled.popitem()[1])


@contextmanager
def _silence() -> Iterator[None]:
    """llama.cpp prints a grammar that it refuses to standard error, past its own log; what a caller wrote must not
    come into ours."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class Sampler:
    """Draws the tokens of one request. Close it."""

    def __init__(self, context: LlamaContext, params: SamplingParams, grammars: Grammars, grammar: str | None) -> None:
        """`grammar` is the GBNF text that is kept to.

        Raises:
            InvalidInput: It can not be.
        """
        self._context = context
        self._grammar = grammars.open(grammar) if grammar is not None else None
        self._forced = Forced(grammar) if grammar is not None else None
        self._characters = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        for part in _chain(params, context.model.n_vocab):
            llama_cpp.llama_sampler_chain_add(self._chain, part)

    def close(self) -> None:
        llama_cpp.llama_sampler_free(self._chain)
        if self._grammar is not None:
            llama_cpp.llama_sampler_free(self._grammar)

    @property
    def keeps_form(self) -> bool:
        """Whether there is a grammar."""
        return self._grammar is not None

    @property
    def whole(self) -> bool:
        """The text is of its form, and nothing may follow it."""
        return self._forced is not None and self._forced.complete

    def forced_text(self) -> str:
        """Text that must come now, whatever would be drawn."""
        if self._forced is None or self._characters.getstate()[0]:
            return ""
        return self._forced.next()

    def draw(self, row: int) -> int:
        """The next token, from what the last decode left for `row` of its batch.

        Raises:
            InvalidInput: The text can not be followed through its grammar any further.
        """
        if self._grammar is None:
            token: int = llama_cpp.llama_sampler_sample(self._chain, self._context.pointer, row)
            return token
        logits = self._logits(row)
        token = self._choose(_all(logits))
        if not self.allows(token):
            token = self._choose(self._allowed(logits))
        self.accept(token)
        return token

    def allows(self, token: int) -> bool:
        """Whether the grammar takes `token` here."""
        return len(self._ask_grammar(np.array([(token, 0.0, 0.0)], dtype=_CANDIDATE))) > 0

    def accept(self, token: int) -> None:
        """`token` is written, drawn or forced. Only one that is allowed: the grammar ends the process over others.

        Raises:
            InvalidInput: As `draw`, and before llama.cpp tries to.
        """
        if self._forced is not None:
            self._forced.advance(self._characters.decode(self._context.model.piece(token)))
            if self._forced.lost:
                raise InvalidInput("The grammar is too ambiguous to be followed.")
        llama_cpp.llama_sampler_accept(self._chain, token)
        if self._grammar is not None:
            llama_cpp.llama_sampler_accept(self._grammar, token)

    def _logits(self, row: int) -> npt.NDArray[np.float32]:
        pointer = llama_cpp.llama_get_logits_ith(self._context.pointer, row)
        return np.ctypeslib.as_array(pointer, (self._context.model.n_vocab,))

    def _allowed(self, logits: npt.NDArray[np.float32]) -> _Candidates:
        likeliest = np.argpartition(logits, -min(_SECOND_LOOK, len(logits)))[-_SECOND_LOOK:]
        some = _all(logits)[likeliest]
        some = self._ask_grammar(some)
        if len(some):
            return some
        every = _all(logits)
        every = self._ask_grammar(every)
        if not len(every):
            raise WorkFailed("The grammar allows no token.")
        return every

    def _ask_grammar(self, candidates: _Candidates) -> _Candidates:
        """Those that the grammar takes."""
        if self._grammar is not None:
            self._apply(self._grammar, candidates)
        allowed: _Candidates = candidates[np.isfinite(candidates["logit"])]
        return allowed

    def _choose(self, candidates: _Candidates) -> int:
        found = self._apply(self._chain, candidates)
        if found.selected < 0:
            raise WorkFailed("No token could be drawn.")
        return int(found.data[found.selected].id)

    @staticmethod
    def _apply(sampler: "llama_cpp.llama_sampler_p", candidates: _Candidates) -> "llama_cpp.llama_token_data_array":
        data = ctypes.cast(candidates.ctypes.data, llama_cpp.llama_token_data_p)
        array = llama_cpp.llama_token_data_array(data, len(candidates), -1, False)
        llama_cpp.llama_sampler_apply(sampler, ctypes.byref(array))
        return array


def _all(logits: npt.NDArray[np.float32]) -> _Candidates:
    candidates = np.zeros(len(logits), dtype=_CANDIDATE)
    candidates["id"] = np.arange(len(logits))
    candidates["logit"] = logits
    return candidates


def _chain(params: SamplingParams, n_vocab: int) -> Iterator["llama_cpp.llama_sampler_p"]:
    if params.presence_penalty:
        # Looks back over the whole answer; -1 would switch it off here, whatever its documentation says.
        yield llama_cpp.llama_sampler_init_penalties(
            n_vocab, max(params.max_tokens, 1), 1.0, 0.0, params.presence_penalty
        )
    if params.temperature <= 0:
        yield llama_cpp.llama_sampler_init_greedy()
        return
    if params.top_k > 0:
        yield llama_cpp.llama_sampler_init_top_k(params.top_k)
    yield llama_cpp.llama_sampler_init_top_p(params.top_p, 1)
    yield llama_cpp.llama_sampler_init_temp(params.temperature)
    yield llama_cpp.llama_sampler_init_dist(params.seed if params.seed is not None else secrets.randbits(31))
