"""Who holds how many cells of the KV cache, and which prefixes are kept in it for later. Pure.

Called by `prefixes`, which does to llama.cpp's memory what is decided here. The context is one unified
cache: a cell is used once however many sequences share it (`seq_cp` copies nothing). llama.cpp refuses a whole step
when no cell is left, so one request would fail for another; therefore each reserves before it starts what it may need
at worst, and one that started never runs out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A prefix that stays in the cache as sequence `seq`."""

    seq: int
    tokens: tuple[int, ...]
    #: Whose text it is; None is everybody's, which only system parts may be.
    scope: str | None
    pinned: bool = False  #: it is never evicted


@dataclass(frozen=True, slots=True)
class Placed:
    """`kept` may now be filled: copy the cells to `kept.seq`. Before that, clear `evicted.seq` and let go of it."""

    kept: Kept
    evicted: Kept | None = None


class PrefixShelf:
    """What is kept, the least recently used first. The cells behind it are counted by `Cells`."""

    def __init__(self, seqs: Sequence[int]) -> None:
        self._free = sorted(seqs, reverse=True)
        self._kept: dict[int, Kept] = {}

    def find(self, prompt: Sequence[int], shared: int, scope: str | None) -> tuple[Kept | None, int]:
        """The kept prefix that saves most of `prompt`, and how many tokens of it may be used.

        Of what is everybody's, only the first `shared` tokens of the prompt (its system part) are compared; of what
        belongs to a scope, the whole prompt, for a request of that scope. The last token is always left to be read:
        the first one of the answer is drawn from it.
        """
        whole = tuple(prompt[: len(prompt) - 1]) if prompt else ()
        best, most = None, 0
        for kept in self._kept.values():
            if kept.scope is None:
                usable = _common(kept.tokens, whole[:shared])
            elif kept.scope == scope:
                usable = _common(kept.tokens, whole)
            else:
                continue
            # Of equals a pinned one: to share it holds nothing back from eviction.
            if usable > most or (usable == most > 0 and kept.pinned):
                best, most = kept, usable
        if best is not None:
            self.touch(best)
        return best, most

    def touch(self, kept: Kept) -> None:
        """It was used just now."""
        self._kept[kept.seq] = self._kept.pop(kept.seq)

    def place(self, tokens: Sequence[int], scope: str | None, pinned: bool = False) -> Placed | None:
        """A sequence for `tokens`, or None: there are none, they are kept already, or all that is kept is pinned.

        An entry of the same scope that `tokens` continue is replaced, otherwise the least recently used one goes when
        no sequence is free.
        """
        wanted = tuple(tokens)
        if not wanted:
            return None
        mine = [kept for kept in self._kept.values() if kept.scope == scope]
        covering = next((kept for kept in mine if kept.tokens[: len(wanted)] == wanted), None)
        if covering is not None and (covering.pinned or not pinned):
            self.touch(covering)
            return None
        evicted = next((kept for kept in mine if not kept.pinned and wanted[: len(kept.tokens)] == kept.tokens), None)
        if evicted is not None:
            self._remove(evicted)
        elif not self._free:
            evicted = self.evict_oldest()
        if not self._free:
            return None
        kept = Kept(self._free.pop(), wanted, scope, pinned)
        self._kept[kept.seq] = kept
        return Placed(kept, evicted)

    def evict_oldest(self, spare: Kept | None = None) -> Kept | None:
        """Takes the least recently used entry off the shelf, but none that is pinned, and not `spare`.

        `spare` is what a request is about to stand on. It may hold far more than it saves: who finds nothing else to
        evict while nobody is at work must evict it too, or waits for cells that nobody will ever give back.
        """
        for kept in self._kept.values():
            if not kept.pinned and kept is not spare:
                self._remove(kept)
                return kept
        return None

    def drop_unpinned(self) -> list[Kept]:
        """Takes everything off the shelf that is not pinned."""
        dropped = [kept for kept in self._kept.values() if not kept.pinned]
        for kept in dropped:
            self._remove(kept)
        return dropped

    def total_tokens(self) -> int:
        return sum(len(kept.tokens) for kept in self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)

    def _remove(self, kept: Kept) -> None:
        del self._kept[kept.seq]
        self._free.append(kept.seq)
        self._free.sort(reverse=True)


def _common(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    """Length of the longest common prefix. Slices compare in C; a prompt has thousands of tokens."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


@dataclass(slots=True, eq=False)
class _Holder:
    """A request or a kept prefix. Its first `start` cells are those of `base`; behind them come its own."""

    base: "_Holder | None"
    start: int
    #: How far it is needed, in tokens: by itself while it lives, and by each holder that stands on it.
    ends: list[int] = field(default_factory=list)

    @property
    def need(self) -> int:
        return max(self.ends, default=0)

    @property
    def cells(self) -> int:
        """The cells it is charged for."""
        return max(0, self.need - self.start)


class Cells:
    """The books of one unified cache.

    A holder is charged for the cells that come into the cache with it, and for none it shares. A kept prefix that is
    let go stays charged as far as others stand on it, requests or longer prefixes, and frees the rest at once. So the
    books say what llama.cpp holds, plus what was reserved and is not read or written yet.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity, self.used = capacity, 0
        self._requests: dict[int, _Holder] = {}
        self._kept: dict[Kept, _Holder] = {}

    @property
    def free(self) -> int:
        return self.capacity - self.used

    def reserve(self, request_id: int, cells: int, base: Kept | None = None, shared: int = 0) -> bool:
        """For a request that may come to need `cells` beside the first `shared` tokens of `base`; False if too many.

        `cells` is the worst case: the tokens of the prompt that are not shared, those of the longest answer, and the
        rows of a draft. `base` must be held here, and not be let go between `find` and this.
        """
        if cells > self.free:
            return False
        under = self._kept[base] if base is not None and shared else None
        start = shared if under else 0
        self._requests[request_id] = self._open(under, start, start + cells)
        return True

    def release(self, request_id: int) -> None:
        """The request ended and its sequence was cleared. One that holds nothing is no error."""
        holder = self._requests.pop(request_id, None)
        if holder is not None:
            self._move(holder, holder.need, 0)

    def hold(self, kept: Kept, by: int | None = None) -> bool:
        """`kept` is a copy of the first cells of request `by`, or, without one, is to be read for itself.

        With a request no cell is added: the prefix is charged instead of the request, which stands on it from now on.
        False: there are too few cells to read it, or the request never reserved so many.
        """
        end = len(kept.tokens)
        if by is None:
            if end > self.free:
                return False
            self._kept[kept] = self._open(None, 0, end)
            return True
        reader = self._requests[by]
        if reader.need < end:
            return False
        self._kept[kept] = holder = self._open(reader.base, reader.start, end)
        if end > reader.start:
            last = reader.need
            self._move(reader, last, 0)
            self._requests[by] = self._open(holder, end, last)
        return True

    def let_go(self, kept: Kept) -> None:
        """`kept` left the shelf and its sequence was cleared. One that is not held is no error."""
        holder = self._kept.pop(kept, None)
        if holder is not None:
            self._move(holder, len(kept.tokens), 0)

    def _open(self, base: _Holder | None, start: int, end: int) -> _Holder:
        holder = _Holder(base, start)
        self._move(holder, 0, end)
        return holder

    def _move(self, holder: _Holder | None, was: int, now: int) -> None:
        """Somebody needs `holder` up to `now` instead of `was`, which its base may feel as well; 0 is not at all."""
        while holder is not None and was != now:
            need, cells = holder.need, holder.cells
            if was:
                holder.ends.remove(was)
            if now:
                holder.ends.append(now)
            self.used += holder.cells - cells
            was, now = min(need, holder.start), min(holder.need, holder.start)
            holder = holder.base
