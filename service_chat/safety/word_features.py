"""What of a word counts for the second reader: the word, its parts, and the words before it, each as a number. Pure.

Called by `second_reader` when a question is read, and by `scripts.second_reader` when the weights are learned: both
must number alike. No dictionary is kept. A feature is hashed to one of so many weights, so the reader is a table of
numbers and holds nobody's words.
"""

import zlib

#: Lengths of the pieces of a word: they find it again when it is bent or misspelt.
_PIECES = (4, 5)


def alone(word: str, size: int) -> list[int]:
    """Of a word by itself; ascending, below `size`.

    Of a number only how many figures it has: what it means is read by `numbers`.
    """
    if word.isdigit():
        return [_hashed(f"#{len(word)}", size)]
    whole = f"<{word}>"
    pieces = {whole[at : at + length] for length in _PIECES for at in range(len(whole) - length + 1)}
    return sorted({_hashed(piece, size) for piece in (word, *pieces)})


def behind(before: str, word: str, size: int) -> int:
    """Of a word behind another one."""
    return _hashed(f"{_seen(before)}_{_seen(word)}", size)


def behind_two(before: str, word: str, size: int) -> int:
    """Of a word with one between."""
    return _hashed(f"{_seen(before)}_._{_seen(word)}", size)


def _seen(word: str) -> str:
    return f"#{len(word)}" if word.isdigit() else word


def _hashed(feature: str, size: int) -> int:
    return zlib.crc32(feature.encode()) % size
