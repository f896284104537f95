"""The index of known words by pieces of them: which word is meant by one with an error in it. Pure.

Built once at start by `spelling`, which decides what may be asked here at all.
"""

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from service_chat.safety.edit_distance import distance

LEAST, LONG, MOST = 5, 8, 24  #: letters: below no repair, from here two changes, above no word
_SURE = 6  #: letters of a word's beginning from which it is recognised in spite of an error
#: Which piece of a word an entry of the index is about. The first letter belongs to each.
_HEAD, _TAIL, _MIDDLE, _STEM, _STEM_MIDDLE = range(5)
#: An entry of the index in one machine word: 42 bits of a hash, 21 bits of a place.
_HASH, _PLACE, _PLACES = (1 << 42) - 1, 21, (1 << 21) - 1


def _mask(word: str) -> int:
    """Which letters occur: two words further apart in this than their distance allows are not compared."""
    mask = 0
    for char in word:
        mask |= 1 << (ord(char) & 63)
    return mask


def _key(piece: str, kind: int, length: int = 0) -> int:
    return (hash(piece) + kind * 0x9E3779B1 + length * 0x85EBCA6B & _HASH) << _PLACE


class NearWords:
    """Words of all languages by pieces of them, of which a typing error leaves one whole.

    One error of two halves, two errors of three parts: what is left leads to the word, and `distance` has the last say.
    A swap across a seam breaks both sides; so the seams are looked up swapped as well. A sorted array of numbers, since
    a table of texts would weigh 100 MB; and one for all languages, since a sentence that tells none is looked up in
    all. (By words with letters left out it is five times as many numbers, which took a second at every start.)
    """

    def __init__(self, words: Mapping[str, int], stems: Mapping[str, int], languages: Sequence[str]) -> None:
        """
        Args:
            words: whole words, each with a bit for each of its languages.
            stems: beginnings of words, likewise.
            languages: those of the bits, the lowest first.
        """
        whole = [word for word in words if LEAST <= len(word) <= MOST]
        begun = [stem for stem in stems if _SURE <= len(stem) <= MOST]
        self._words = (*whole, *begun)
        self._stems_from = len(whole)
        self._languages = tuple(languages)
        self._spoken = array("L", [*(words[word] for word in whole), *(stems[stem] for stem in begun)])
        self._masks = array("Q", bytes(8 * len(self._words)))  #: filled as they are asked for
        entries: list[int] = []
        for at, word in enumerate(whole):
            length = len(word)
            first, cut = word[0], 3 if length < LONG else length - 3
            entries.append(_key(word[:3], _HEAD, length) | at)
            entries.append(_key(first + word[cut:], _TAIL, length) | at)
            if length >= LONG:
                entries.append(_key(first + word[3 : min(cut, 6)], _MIDDLE) | at)
        for at, stem in enumerate(begun, start=len(whole)):
            entries.append(_key(stem[:3], _STEM) | at)
            entries.append(_key(stem[0] + stem[3:6], _STEM_MIDDLE) | at)
        entries.sort()
        self._entries = array("q", entries)  #: a piece's hash above, its word's place below

    @classmethod
    def _pieces(cls, word: str) -> set[int]:
        """Where to look for words that this may be meant as."""
        length, most = len(word), cls.changes(word)
        first, head, swapped = word[0], word[:3], word[:2] + word[3]
        keys = {_key(head, _STEM), _key(swapped, _STEM)}
        keys.update([_key(first + word[at : at + 3], _STEM_MIDDLE) for at in (2, 3, 4)])
        for other in range(max(LEAST, length - most), length + most + 1):
            if other < LONG:
                if abs(length - other) > 1:
                    continue
                keys.add(_key(first + word[3 - other :], _TAIL, other))
            else:
                keys.add(_key(first + word[-3:], _TAIL, other))
                keys.add(_key(first + word[-4] + word[-2:], _TAIL, other))
            keys.add(_key(head, _HEAD, other))
            keys.add(_key(swapped, _HEAD, other))
        if most > 1:  # one error before the middle, which may have moved it, and one behind
            keys.update([_key(first + word[at : at + size], _MIDDLE) for at in (2, 3, 4) for size in (2, 3)])
        return keys

    @staticmethod
    def changes(word: str) -> int:
        return 1 if len(word) < LONG else 2

    def near(self, word: str) -> dict[str, list[str]]:
        """By language, the known words that this may be meant as, the nearest only.

        For a known beginning of a word it is that beginning.

        Args:
            word: of at least five letters.
        """
        most, mask = self.changes(word), _mask(word)
        found: list[tuple[int, str, int]] = []
        entries, last = self._entries, len(self._entries)
        tried: set[int] = set()
        for key in self._pieces(word):
            at = bisect_left(entries, key)
            while at < last and entries[at] - key <= _PLACES:
                tried.add(entries[at] & _PLACES)
                at += 1
        for at in tried:
            known = self._words[at]
            if known[0] != word[0]:
                continue
            known_mask = self._masks[at]
            if not known_mask:
                known_mask = self._masks[at] = _mask(known)
            limit = min(most, self.changes(known))
            if at >= self._stems_from:
                # One change only, whatever the length: what follows a beginning may be anything already.
                if (known_mask & ~mask).bit_count() <= 1 and len(known) <= len(word) + 1:
                    heads = {word[: len(known) + more] for more in range(-1, 2)}
                    if min(distance(head, known, 1) for head in heads) <= 1:
                        found.append((1, known, self._spoken[at]))
            elif (known_mask ^ mask).bit_count() <= 2 * limit and (best := distance(word, known, limit)) <= limit:
                found.append((best, known, self._spoken[at]))
        nearest: dict[str, tuple[int, list[str]]] = {}
        for best, known, spoken in sorted(found):
            for bit, language in enumerate(self._languages):
                if spoken >> bit & 1:
                    least, words = nearest.setdefault(language, (best, []))
                    if best == least:
                        words.append(known)
        return {language: words for language, (_, words) in nearest.items()}
