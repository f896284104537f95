"""Heads that the server's parser has read before: the same bytes mean the same again, and need no parser.

A client that keeps its connection says the same head over and over, and a probe never says anything else. Eleven
callbacks of a parser cost more than the whole admission of a forecast; looking bytes up costs a hash of them. Only what
the real parser found plain is ever kept, so this reads nothing by itself and can not read it differently.
"""

from typing import Generic, TypeVar

M = TypeVar("M")

_END = b"\r\n\r\n"
_MAX_HEAD_BYTES = 2048


class KnownHeads(Generic[M]):
    """From a whole head, its empty line included, to what it means. Forgets the oldest when there are too many."""

    def __init__(self, at_most: int = 1024) -> None:
        self._at_most = at_most
        self._meanings: dict[bytes, M] = {}
        #: What a head means; None when it is not known.
        self.get = self._meanings.get

    def __len__(self) -> int:
        return len(self._meanings)

    def remember(self, head: bytes, meaning: M) -> None:
        """Keeps it, if its bytes alone say where it ends: a parser may be more lenient about line ends than `find`."""
        if (
            len(head) <= _MAX_HEAD_BYTES
            and head.find(_END) == len(head) - len(_END)
            and head.count(b"\n") == head.count(b"\r\n") == head.count(b"\r")
            and head[:1].isalpha()  # else the parser skipped something before the request line
        ):
            while len(self._meanings) >= self._at_most:
                del self._meanings[next(iter(self._meanings))]
            self._meanings[head] = meaning
