"""What was read before and is used again: found, taken over, kept and let go, in llama.cpp's memory as in the books.

`cells` decides; this does to the cache what was decided there. Called by the engine's step loop and by `batch`.
"""

from collections.abc import Sequence

from service_chat.engines.gguf.asked import Asked
from service_chat.engines.gguf.cells import Cells, Kept, PrefixShelf
from service_chat.engines.gguf.context import LlamaContext
from service_chat.engines.gguf.model import Prompt
from service_chat.engines.gguf.shape import Shape
from service_chat.engines.gguf.slot import Slot
from serving.errors import WorkFailed

#: A kept beginning shorter than this is not worth a sequence.
_LEAST_SHARED = 16


class Prefixes:
    def __init__(self, context: LlamaContext, shape: Shape) -> None:
        self._context = context
        self._shelf = PrefixShelf(range(shape.slots, shape.sequences))
        self.cells = Cells(shape.cells)

    def pin(self, tokens: Sequence[int]) -> int | None:
        """The sequence into which `tokens` are to be read, to stay for good; None when they are not worth one.

        Raises:
            WorkFailed: They do not fit.
        """
        placed = self._shelf.place(tokens, None, pinned=True) if len(tokens) >= _LEAST_SHARED else None
        if placed is None:
            return None
        if not self.cells.hold(placed.kept):
            raise WorkFailed("The cache has no room for the system part.")
        return placed.kept.seq

    def reserve(self, asked: Asked, alone: bool) -> tuple[Kept | None, int] | None:
        """Cells for the worst case, and what the request may begin with; None: it has to wait for another's end.

        `alone`: nobody is at work.
        """
        kept, length = self._find(asked.prompt, asked.scope)
        while not self.cells.reserve(asked.request_id, asked.worst - length, kept, length):
            evicted = self._shelf.evict_oldest(spare=kept)
            if evicted is None and alone:
                # There is none whose end would free cells: what it could have begun with stands in its own way.
                evicted = self._shelf.evict_oldest()
            if evicted is None:
                return None
            self._let_go(evicted)
            kept, length = self._find(asked.prompt, asked.scope)
        return kept, length

    def _find(self, prompt: Prompt, scope: str | None) -> tuple[Kept | None, int]:
        """What was read before and is this prompt's to use, if it is worth it."""
        kept, length = self._shelf.find(prompt.tokens, prompt.shared, scope)
        return (kept, length) if length >= _LEAST_SHARED else (None, 0)

    def take_over(self, slot: Slot, kept: Kept, length: int) -> None:
        self._context.share(kept.seq, slot.sequence, length)
        slot.fed = slot.cached = length

    def look_again(self, slot: Slot) -> None:
        """It waited for another to read what both begin with; that may be done."""
        kept, length = self._find(slot.prompt, slot.scope)
        if kept is not None and length > slot.fed:
            self.cells.release(slot.request_id)
            self.cells.reserve(slot.request_id, slot.worst - length, kept, length)
            self._context.forget(slot.sequence)
            self.take_over(slot, kept, length)

    def keep(self, slot: Slot, tokens: Sequence[int], scope: str | None) -> None:
        """What `slot` has read stays for others to begin with."""
        placed = self._shelf.place(tokens, scope) if len(tokens) >= _LEAST_SHARED else None
        if placed is None:
            return
        if placed.evicted is not None:
            self._let_go(placed.evicted)
        self._context.share(slot.sequence, placed.kept.seq, len(tokens))
        self.cells.hold(placed.kept, by=slot.request_id)

    def _let_go(self, evicted: Kept) -> None:
        self._context.forget(evicted.seq)
        self.cells.let_go(evicted)

    def forget_unpinned(self) -> None:
        for kept in self._shelf.drop_unpinned():
            self._let_go(kept)
