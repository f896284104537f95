"""Under which spellings a word is looked up: as it is, without its contraction or its drawl, and repaired.

`assess` hands this to the lexicon. Repairs go to words that the lexicon knows and nowhere else, never to a small word,
and never to one that could deny something: a typing error may find a symptom, it must not explain one away. That is why
the cues are looked up by `exact`.

A repair changes one letter in words of five to seven letters and two in longer ones (a swap of neighbours is one
change, and the only one in words of four), and keeps the first letter, which people rarely get wrong. Candidates come
from an index of pieces of words, so a text of nothing but errors costs what any text costs.
"""

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from service_chat.safety.language import Languages
from service_chat.safety.packaged import Packaged, table, text_items
from service_chat.safety.patterns import SPACELESS, Matcher
from service_chat.safety.text import fold

_LEAST, _LONG, _MOST = 5, 8, 24  #: letters: below no repair, from here two changes, above no word
_SURE = 6  #: letters of a word's beginning from which it is recognised in spite of an error
_SWAP = 4  #: letters from which two neighbours may be swapped: "pian"
#: Which piece of a word an entry of the index is about. The first letter belongs to each.
_HEAD, _TAIL, _MIDDLE, _STEM, _STEM_MIDDLE = range(5)
#: An entry of the index in one machine word: 42 bits of a hash, 21 bits of a place.
_HASH, _PLACE, _PLACES = (1 << 42) - 1, 21, (1 << 21) - 1
_DRAWL = re.compile(r"(.)\1{2,}")
_FIGURES = str.maketrans("013457", "oieast")
_FIGURES_L = str.maketrans("013457", "oleast")
#: No umlaut: "neue", "blaue", "quer".
_UMLAUT = re.compile(r"([ao])e|(?<![aeq])(u)e")

#: How English is typed without its apostrophes.
_BARE = (
    "can't won't don't didn't doesn't isn't wasn't aren't weren't haven't hasn't hadn't couldn't wouldn't shouldn't"
    " ain't mustn't i'm i've that's there's what's they're you're they've you've we've"
)
#: Without those that are words as they are: its, were, hes.
CONTRACTIONS = {word.replace("'", ""): word for word in _BARE.split()}
CONTRACTIONS |= {"cannot": "can't", "cnt": "can't", "dnt": "don't", "aint": "ain't", "havnt": "haven't"}


def distance(left: str, right: str, most: int) -> int:
    """Changes of one letter, and swaps of two neighbours, between two words; `most + 1` when there are more."""
    if abs(len(left) - len(right)) > most:
        return most + 1
    start, a, b = 0, len(left), len(right)
    while start < a and start < b and left[start] == right[start]:
        start += 1
    while a > start and b > start and left[a - 1] == right[b - 1]:
        a, b = a - 1, b - 1
    left, right = left[start:a], right[start:b]
    if len(left) <= 1 and len(right) <= 1:
        return min(max(len(left), len(right)), most + 1)
    if most == 1:  # what is left of two words one change apart is one letter, or two that were swapped
        return 1 if left == right[::-1] and len(left) == 2 else 2
    return _table(left, right, most)


def _table(left: str, right: str, most: int) -> int:
    """`distance` by the table of all beginnings, given up where a row is too far already."""
    before: list[int] = []
    last = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        row = [i]
        least = i
        for j, b in enumerate(right, start=1):
            cost = last[j - 1]
            if a != b:
                beside = row[j - 1] if row[j - 1] < last[j] else last[j]
                cost = (cost if cost < beside else beside) + 1
                if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b and before[j - 2] < cost - 1:
                    cost = before[j - 2] + 1
            row.append(cost)
            if cost < least:
                least = cost
        if least > most:
            return most + 1
        before, last = last, row
    return min(last[-1], most + 1)


def _swaps(word: str) -> Iterator[str]:
    """The word with two neighbours swapped. The first letters of long words only: the index sees the others."""
    places = range(len(word) - 1) if len(word) < _LEAST else range(1)
    return (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in places)


def _mask(word: str) -> int:
    """Which letters occur: two words further apart in this than their distance allows are not compared."""
    mask = 0
    for char in word:
        mask |= 1 << (ord(char) & 63)
    return mask


def _key(piece: str, kind: int, length: int = 0) -> int:
    return (hash(piece) + kind * 0x9E3779B1 + length * 0x85EBCA6B & _HASH) << _PLACE


class Index:
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
        whole = [word for word in words if _LEAST <= len(word) <= _MOST]
        begun = [stem for stem in stems if _SURE <= len(stem) <= _MOST]
        self._words = (*whole, *begun)
        self._stems_from = len(whole)
        self._languages = tuple(languages)
        self._spoken = array("L", [*(words[word] for word in whole), *(stems[stem] for stem in begun)])
        self._masks = array("Q", bytes(8 * len(self._words)))  #: filled as they are asked for
        entries: list[int] = []
        for at, word in enumerate(whole):
            length = len(word)
            first, cut = word[0], 3 if length < _LONG else length - 3
            entries.append(_key(word[:3], _HEAD, length) | at)
            entries.append(_key(first + word[cut:], _TAIL, length) | at)
            if length >= _LONG:
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
        for other in range(max(_LEAST, length - most), length + most + 1):
            if other < _LONG:
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
        return 1 if len(word) < _LONG else 2

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


class Speller:
    """What words may be short for or meant as. Built once at start, then only read; texts use a `Spelling` each."""

    def __init__(
        self,
        lexicon: Matcher,
        negators: Mapping[str, frozenset[str]],
        languages: Languages,
        common: frozenset[str],
    ) -> None:
        self.lexicon = lexicon
        tongues = sorted(lexicon.languages - SPACELESS)
        words: dict[str, int] = {}
        stems: dict[str, int] = {}
        for bit, language in enumerate(tongues):
            denying = negators.get(language, frozenset())
            known, beginnings = lexicon.vocabulary(language)
            for some, into in ((known - denying - common, words), (beginnings - denying, stems)):
                into.update([(word, into.get(word, 0) | 1 << bit) for word in some if word.isalpha()])
        self.index = Index(words, stems, tongues)
        self._negators = negators
        self._languages = languages
        self._common = common

    def is_target(self, word: str, language: str) -> bool:
        """Whether a repair may lead to a word of a language."""
        return (
            word in self.lexicon.vocabulary(language)[0]
            and word not in self._common
            and word not in self._negators.get(language, ())
        )

    def is_meant(self, word: str) -> bool:
        """Whether a word is left as it is: small or common words are spelled as meant."""
        return word in self._common or self._languages.is_small(word)


def exact(word: str, language: str) -> Sequence[str]:
    """A word, what it is short for, and with its umlauts in one letter; nothing guessed: cues are looked up so."""
    if language == "en" and word in CONTRACTIONS:
        return (word, CONTRACTIONS[word])
    if language == "de" and "e" in word and _UMLAUT.search(word):
        return (word, _UMLAUT.sub(r"\1\2", word))
    return (word,)


class Spelling:
    """The spellings of one text's words. It remembers them, so it is thrown away with the text.

    Args:
        languages: those in which words are repaired. Elsewhere they are foreign words, not typing errors.
    """

    def __init__(self, speller: Speller, languages: frozenset[str]) -> None:
        self._speller = speller
        self._languages = languages
        self._near: dict[str, dict[str, list[str]]] = {}

    def forms(self, word: str, language: str) -> Sequence[str]:
        """Every form under which the lexicon of a language should look a word up, the word itself first."""
        lexicon = self._speller.lexicon
        if len(word) == 1 or (not word.isalnum() and "'" not in word):
            return exact(word, language)
        forms = list(exact(word, language))
        if word.endswith("'s"):
            forms.append(word[:-2])
        if len(word) > _MOST or any(lexicon.knows(form, language) for form in forms):
            return forms
        forms.extend(self._other_ways(word, language))
        if (
            language in SPACELESS
            or language not in self._languages
            or any(lexicon.knows(form, language) for form in forms)
        ):
            return forms
        if self._speller.is_meant(word):
            return forms
        for form in tuple(forms):
            if len(form) >= _LEAST + (language != "en") and form.isalpha():  # only English has its common words listed
                forms.extend(self._meant(form).get(language, ()))
            if len(form) >= _SWAP and form.isalpha() and language == "en":
                forms.extend(swapped for swapped in _swaps(form) if self._speller.is_target(swapped, language))
        return list(dict.fromkeys(forms))

    def _meant(self, word: str) -> dict[str, list[str]]:
        if word not in self._near:
            self._near[word] = self._speller.index.near(word)
        return self._near[word]

    @staticmethod
    def _other_ways(word: str, language: str) -> Iterator[str]:
        """Drawled ("paaaain"), with figures for letters ("p4in")."""
        if _DRAWL.search(word):
            yield _DRAWL.sub(r"\1", word)
            yield _DRAWL.sub(r"\1\1", word)
        if not word.isalpha() and not word.isdigit() and word.isascii() and not word[0].isdigit():
            yield word.translate(_FIGURES)
            yield word.translate(_FIGURES_L)


def read_speller(
    data: Packaged,
    lexicon: Matcher,
    negators: Mapping[str, frozenset[str]],
    languages: Languages,
    problems: list[str],
) -> Speller:
    """`languages.toml` lists the common words that are left alone."""
    file = data.read("languages.toml", problems)
    common = frozenset(word for _, words in text_items(table(file.get("common"))) for word in fold(words).split())
    return Speller(lexicon, negators, languages, common)
