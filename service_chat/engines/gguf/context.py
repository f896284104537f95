"""llama.cpp's context: one batch of rows of many sequences at a time, over one KV cache that they share.

Used by `engine` and `sampling`, from one thread; only `abort` may be called from another. Which rows, and what becomes
of them, is decided elsewhere.
"""

import ctypes
from collections.abc import Sequence

import llama_cpp
import numpy as np

from service_chat.engines.gguf.model import LlamaModel
from serving.errors import DependencyFailed, WorkFailed

_libc = ctypes.CDLL(None)
_ABORTED = 2


class Aborted(Exception):
    """The decode was given up in the middle. What it had put into the cache must be removed."""


class LlamaContext:
    def __init__(
        self, model: LlamaModel, cells: int, sequences: int, rows: int, n_threads: int, exact: bool = False
    ) -> None:
        """`cells`: tokens the cache holds, of all sequences together; `rows`: the largest batch.

        `exact` does without flash attention, which adds in half precision and so differs by some thousandths with the
        number of rows: for tests of equality, where a near tie would be decided by it. It is slower.

        Raises:
            DependencyFailed: There is no memory for it.
        """
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = cells
        params.n_batch = params.n_ubatch = rows
        params.n_seq_max = sequences
        params.n_threads = params.n_threads_batch = n_threads
        params.kv_unified = True  # shared prefixes are then shared cells, and rows of many sequences one product
        params.no_perf = True
        if exact:
            params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        # Asked some hundred times in a decode, so it must not be Python: `strlen` of a flag is true once it is set.
        self._flag = (ctypes.c_ubyte * 2)(0, 0)
        params.abort_callback = ctypes.cast(_libc.strlen, llama_cpp.ggml_abort_callback)
        params.abort_callback_data = ctypes.addressof(self._flag)
        pointer: llama_cpp.llama_context_p | None = llama_cpp.llama_init_from_model(model.pointer, params)
        if not pointer:
            raise DependencyFailed(f"There is no memory for a cache of {cells} tokens", reason="no_context")
        #: For `sampling`.
        self.pointer = pointer
        self.model = model
        self.cells: int = llama_cpp.llama_n_ctx(pointer)
        self.rows = rows
        self._memory = llama_cpp.llama_get_memory(pointer)
        self._batch = self._make_batch()
        self._used = 0

    def _make_batch(self) -> "llama_cpp.llama_batch":
        """A batch whose arrays are numpy's: writing 64 rows one by one takes longer than sampling."""
        rows = self.rows
        self._tokens, self._positions, self._ids = (np.zeros(rows, dtype=np.int32) for _ in range(3))
        self._counts, self._wanted = np.ones(rows, dtype=np.int32), np.zeros(rows, dtype=np.int8)
        # Every row points at a list of its sequences. Each has one, so the lists lie side by side in one array.
        self._lists = (ctypes.POINTER(llama_cpp.llama_seq_id) * rows)()
        for row in range(rows):
            self._lists[row] = ctypes.cast(self._ids.ctypes.data + 4 * row, ctypes.POINTER(llama_cpp.llama_seq_id))
        return llama_cpp.llama_batch(
            0,
            self._tokens.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_token)),
            None,
            self._positions.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_pos)),
            self._counts.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)),
            ctypes.cast(self._lists, ctypes.POINTER(ctypes.POINTER(llama_cpp.llama_seq_id))),
            self._wanted.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )

    def close(self) -> None:
        llama_cpp.llama_free(self.pointer)

    # --- rows -----------------------------------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """Rows that may still be added to the batch."""
        return self.rows - self._used

    def clear_rows(self) -> None:
        """Drops rows that were added and not decoded."""
        self._used = 0

    def add(self, sequence: int, tokens: Sequence[int], position: int, wanted: int = 0) -> int:
        """Appends rows; after the last `wanted` of them a token can be drawn. The index of the first row."""
        begin, end = self._used, self._used + len(tokens)
        self._tokens[begin:end] = tokens
        self._positions[begin:end] = np.arange(position, position + len(tokens))
        self._ids[begin:end] = sequence
        self._wanted[begin:end] = 0  # 150,000 numbers each: only where they are read
        self._wanted[end - wanted : end] = 1
        self._used = end
        return begin

    def decode(self) -> None:
        """Computes the rows that were added, and forgets them.

        Raises:
            Aborted: `abort` was called.
            WorkFailed: llama.cpp could not do it.
        """
        self._batch.n_tokens, self._used = self._used, 0
        status = llama_cpp.llama_decode(self.pointer, self._batch)
        if status == _ABORTED:
            raise Aborted
        if status != 0:
            raise WorkFailed(f"llama.cpp refused a step with status {status}.", llama_status=status)
        llama_cpp.llama_synchronize(self.pointer)

    def abort(self) -> None:
        """Makes a decode that runs, or the next one, end within some milliseconds. From any thread."""
        self._flag[0] = 1

    def resume(self) -> None:
        """Decodes may run again."""
        self._flag[0] = 0

    def use_threads(self, count: int) -> None:
        llama_cpp.llama_set_n_threads(self.pointer, count, count)

    # --- the cache ------------------------------------------------------------------------------------------------

    def share(self, source: int, target: int, length: int) -> None:
        """The first `length` tokens of `source` are also the beginning of `target`. Copies nothing."""
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, 0, length)

    def forget(self, sequence: int, position: int = 0) -> None:
        """Removes what `sequence` has from `position` on."""
        llama_cpp.llama_memory_seq_rm(self._memory, sequence, position, -1)

    def length(self, sequence: int) -> int:
        """Tokens `sequence` has in the cache."""
        last: int = llama_cpp.llama_memory_seq_pos_max(self._memory, sequence)
        return last + 1
