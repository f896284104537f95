"""Under which spellings a word is looked up: as it is, without its contraction or its drawl, and repaired.

`assess` hands this to the lexicon. Repairs go to words that the lexicon knows and nowhere else, never to a small word, and
never to one that could deny something: a typing error may find a symptom, it must not explain one away. That is why the
cues are looked up by `exact`.

A repair changes one letter in words of five to seven letters and two in longer ones (a swap of neighbours is one change),
and keeps the first letter, which people rarely get wrong. Candidates come from an index of words with letters left out
(the symmetric-delete idea) over the first six letters, so a text of nothing but errors costs what any text costs.
"""

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from service_chat.safety.language import Languages
from service_chat.safety.packaged import Packaged, table, text_items
from service_chat.safety.patterns import Matcher
from service_chat.safety.text import fold

_LEAST, _LONG, _MOST = 5, 8, 24  #: letters: below no repair, from here two changes, above no word
_PREFIX = 6
_DRAWL = re.compile(r"(.)\1{2,}")
_FIGURES = str.maketrans("013457", "oieast")
_FIGURES_L = str.maketrans("013457", "oleast")
_UMLAUT = re.compile(r"([aou])e")

#: How English is typed without its apostrophes.
_BARE = (
    "can't won't don't didn't doesn't isn't wasn't aren't weren't haven't hasn't hadn't couldn't wouldn't shouldn't ain't "
    "mustn't i'm i've that's there's what's it's he's she's they're you're they've you've we've"
)
#: Without those that are words as they are: its, were, whats.
CONTRACTIONS = {word.replace("'", ""): word for word in _BARE.split() if word not in {"it's", "he's", "she's"}}
CONTRACTIONS |= {"cannot": "can't", "cnt": "can't", "dnt": "don't", "aint": "ain't", "havnt": "haven't"}


def distance(left: str, right: str, most: int) -> int:
    """Changes of one letter, and swaps of two neighbours, between two words; `most + 1` when there are more."""
    if abs(len(left) - len(right)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        row = [i]
        for j, b in enumerate(right, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
        before, last = last, row
    return last[-1]


def _mask(word: str) -> int:
    """Which letters occur: two words further apart in this than their distance allows are not compared."""
    mask = 0
    for char in word:
        mask |= 1 << (ord(char) & 63)
    return mask


def _keys(word: str, most: int) -> set[str]:
    """The beginning with up to so many of its letters left out, never the first."""
    head = word[:_PREFIX]
    places = range(1, len(head))
    return {
        "".join(char for at, char in enumerate(head) if at not in gone)
        for size in range(most + 1)
        for gone in combinations(places, size)
    }


class Index:
    """Words by what is left of them. Sorted arrays of hashes: a table of half a million texts would weigh 100 MB."""

    def __init__(self, words: Iterable[str], stems: Iterable[str]) -> None:
        kinds = [(word, False) for word in sorted(set(words))] + [(stem, True) for stem in sorted(set(stems))]
        self._words = [(word, stem, _mask(word)) for word, stem in kinds if _LEAST <= len(word) <= _MOST]
        pairs = sorted(
            (hash(key), at) for at, (word, _, _) in enumerate(self._words) for key in _keys(word, self.changes(word))
        )
        self._hashes = array("q", (pair[0] for pair in pairs))
        self._at = array("l", (pair[1] for pair in pairs))

    @staticmethod
    def changes(word: str) -> int:
        return 1 if len(word) < _LONG else 2

    def near(self, word: str) -> Iterator[str]:
        """The known words that this may be meant as, the nearest only; for a beginning of a word, that beginning."""
        most = self.changes(word)
        mask = _mask(word)
        found: list[tuple[int, str]] = []
        tried: set[int] = set()
        for key in _keys(word, most):
            hashed = hash(key)
            place = bisect_left(self._hashes, hashed)
            while place < len(self._hashes) and self._hashes[place] == hashed:
                tried.add(self._at[place])
                place += 1
        for at in tried:
            known, stem, known_mask = self._words[at]
            if known[0] != word[0]:
                continue
            limit = min(most, self.changes(known))
            if stem:
                if (known_mask & ~mask).bit_count() <= limit and len(word) >= len(known) - limit:
                    heads = {word[: len(known) + more] for more in range(-1, 2)}
                    best = min(distance(head, known, limit) for head in heads)
                    if best <= limit:
                        found.append((best, known))
            elif (known_mask ^ mask).bit_count() <= 2 * limit and (best := distance(word, known, limit)) <= limit:
                found.append((best, known))
        nearest = min((best for best, _ in found), default=0)
        return (known for best, known in sorted(found) if best == nearest)


class Speller:
    """Spellings of words, by language. Built once at start, then only read."""

    def __init__(
        self, lexicon: Matcher, cues: Matcher, languages: Languages, common: Mapping[str, frozenset[str]]
    ) -> None:
        self._lexicon = lexicon
        self._languages = languages
        self._common = frozenset().union(*common.values())
        self._indexes: dict[str, Index] = {}
        for language in lexicon.languages & {*languages.latin, "ru"}:
            denying, _ = cues.vocabulary(language)
            words, stems = lexicon.vocabulary(language)
            forbidden = denying | self._common
            self._indexes[language] = Index(
                (word for word in words if word.isalpha() and word not in forbidden and not languages.is_small(word)),
                (stem for stem in stems if stem.isalpha() and stem not in denying),
            )

    def exact(self, word: str, language: str) -> Sequence[str]:
        """The word, and what it is short for."""
        if language == "en" and word in CONTRACTIONS:
            return (word, CONTRACTIONS[word])
        return (word,)

    def spellings(self, word: str, language: str) -> Sequence[str]:
        """Every form under which the lexicon of a language should look a word up, the word itself first."""
        if len(word) == 1 or not word.isalnum() and "'" not in word:
            return (word,)
        forms = list(self.exact(word, language))
        if word.endswith("'s"):
            forms.append(word[:-2])
        if len(word) > _MOST or any(self._lexicon.knows(form, language) for form in forms):
            return forms
        forms.extend(self._other_ways(word, language))
        if any(self._lexicon.knows(form, language) for form in forms):
            return forms
        index = self._indexes.get(language)
        if index is None or self._languages.is_small(word) or word in self._common:
            return forms
        for form in list(forms):
            if len(form) >= _LEAST and form.isalpha():
                forms.extend(index.near(form))
                swapped = form[1] + form[0] + form[2:]
                if self._lexicon.knows(swapped, language):
                    forms.append(swapped)
        return list(dict.fromkeys(forms))

    @staticmethod
    def _other_ways(word: str, language: str) -> Iterator[str]:
        """Drawled ("paaaain"), with figures for letters ("p4in"), umlauts in two letters ("uebel")."""
        if _DRAWL.search(word):
            yield _DRAWL.sub(r"\1", word)
            yield _DRAWL.sub(r"\1\1", word)
        if not word.isalpha() and not word.isdigit() and word.isascii() and not word[0].isdigit():
            yield word.translate(_FIGURES)
            yield word.translate(_FIGURES_L)
        if language == "de" and _UMLAUT.search(word):
            yield _UMLAUT.sub(r"\1", word)


def read_speller(data: Packaged, lexicon: Matcher, cues: Matcher, languages: Languages, problems: list[str]) -> Speller:
    """`languages.toml` lists the common words that are left alone."""
    file = data.read("languages.toml", problems)
    common = {language: frozenset(fold(words).split()) for language, words in text_items(table(file.get("common")))}
    return Speller(lexicon, cues, languages, common)
