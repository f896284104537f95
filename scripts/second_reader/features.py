"""What of a text counts: its words, their parts, and the words before them, each as the number of a weight. Pure.

Called by `model`. No dictionary is kept: a feature is hashed to one of `SIZE` weights, so the reader is a table of
numbers and holds nobody's words.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

SIZE = 1 << 16
#: Lengths of the pieces of a word: they find it again when it is bent or misspelt.
_PIECES = (4, 5)
_WORD = re.compile(r"[a-z']+|\d+")


@dataclass(frozen=True, slots=True)
class Features:
    """Of one word: what it is by itself, and what it is behind others."""

    alone: tuple[int, ...]
    behind_one: int | None  #: with the word before it
    behind_two: int | None  #: with the one before that


def words_of(text: str) -> list[str]:
    """Lower case; of a number only how many figures it has."""
    found = _WORD.findall(text.lower().replace("\u2019", "'"))
    return [f"#{len(word)}" if word.isdigit() else word for word in found]


def features_of(words: list[str]) -> Iterator[Features]:
    for at, word in enumerate(words):
        yield Features(
            alone=tuple(_hash(piece) for piece in sorted(_pieces(word))),
            behind_one=_hash(f"{words[at - 1]}_{word}") if at > 0 else None,
            behind_two=_hash(f"{words[at - 2]}_._{word}") if at > 1 else None,
        )


def _pieces(word: str) -> set[str]:
    whole = f"<{word}>"
    return {word, *(whole[at : at + size] for size in _PIECES for at in range(len(whole) - size + 1))}


def _hash(feature: str) -> int:
    return zlib.crc32(feature.encode()) % SIZE
