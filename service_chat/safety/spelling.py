"""Under which spellings a word is looked up: as it is, without its contraction or its drawl, and repaired.

`assess` hands this to the lexicon. Repairs go to words that the lexicon knows and nowhere else, never to a small word,
and never to one that could deny something: a typing error may find a symptom, it must not explain one away. That is why
the cues are looked up by `exact`.

A repair changes one letter in words of five to seven letters and two in longer ones (a swap of neighbours is one
change, and the only one in words of four), and keeps the first letter, which people rarely get wrong. Candidates come
from an index of words with letters left out (the symmetric-delete idea) over the first six letters, so a text of
nothing but errors costs what any text costs.
"""

import re
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from service_chat.safety.language import Languages
from service_chat.safety.packaged import Packaged, table, text_items
from service_chat.safety.patterns import SPACELESS, Matcher
from service_chat.safety.text import fold

_LEAST, _LONG, _MOST = 5, 8, 24  #: letters: below no repair, from here two changes, above no word
_SURE = 6  #: letters of a word's beginning from which it is recognised in spite of an error
_SWAP = 4  #: letters from which two neighbours may be swapped: "pian"
_PREFIX = 6
#: An entry of the index in one machine word: 42 bits of a hash, 21 bits of a place.
_HASH, _PLACE, _PLACES = (1 << 42) - 1, 21, (1 << 21) - 1
_DRAWL = re.compile(r"(.)\1{2,}")
_FIGURES = str.maketrans("013457", "oieast")
_FIGURES_L = str.maketrans("013457", "oleast")
_UMLAUT = re.compile(r"([aou])e")

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


def _keys(word: str, most: int) -> set[str]:
    """The beginning with up to so many of its letters left out, never the first."""
    head = word[:_PREFIX]
    keys = {head}
    for at in range(1, len(head)):
        one = head[:at] + head[at + 1 :]
        keys.add(one)
        if most > 1:
            keys.update([one[:more] + one[more + 1 :] for more in range(at, len(one))])
    return keys


class Index:
    """Words of all languages by what is left of them.

    One sorted array of numbers: as a table of texts this would weigh 100 MB. One index rather than one a language,
    since a sentence that tells no language is looked up in all of them.
    """

    def __init__(self, words: Mapping[str, set[str]], stems: Mapping[str, set[str]]) -> None:
        """
        Args:
            words: whole words, each with its languages.
            stems: beginnings of words, each with its languages.
        """
        kinds = [(word, False, words[word]) for word in sorted(words)] + [
            (stem, True, stems[stem]) for stem in sorted(stems)
        ]
        self._words = [
            (word, stem, _mask(word), frozenset(languages))
            for word, stem, languages in kinds
            if _LEAST <= len(word) <= _MOST
        ]
        entries = [
            (hash(key) & _HASH) << _PLACE | at
            for at, (word, *_) in enumerate(self._words)
            for key in _keys(word, self.changes(word))
        ]
        entries.sort()
        self._entries = array("q", entries)  #: a key's hash above, its word's place below

    @staticmethod
    def changes(word: str) -> int:
        return 1 if len(word) < _LONG else 2

    def near(self, word: str) -> dict[str, list[str]]:
        """By language, the known words that this may be meant as, the nearest only.

        For a known beginning of a word it is that beginning.
        """
        most = self.changes(word)
        mask = _mask(word)
        found: list[tuple[int, str, frozenset[str]]] = []
        entries, last = self._entries, len(self._entries)
        tried: set[int] = set()
        for key in _keys(word, most):
            hashed = hash(key) & _HASH
            at = bisect_left(entries, hashed << _PLACE)
            while at < last and entries[at] >> _PLACE == hashed:
                tried.add(entries[at] & _PLACES)
                at += 1
        for at in tried:
            known, stem, known_mask, languages = self._words[at]
            if known[0] != word[0]:
                continue
            limit = min(most, self.changes(known))
            if stem:
                # One change only, whatever the length: what follows a beginning may be anything already.
                if (known_mask & ~mask).bit_count() <= 1 and _SURE <= len(known) <= len(word) + 1:
                    heads = {word[: len(known) + more] for more in range(-1, 2)}
                    if min(distance(head, known, 1) for head in heads) <= 1:
                        found.append((1, known, languages))
            elif (known_mask ^ mask).bit_count() <= 2 * limit and (best := distance(word, known, limit)) <= limit:
                found.append((best, known, languages))
        nearest: dict[str, tuple[int, list[str]]] = {}
        for best, known, languages in sorted(found, key=lambda each: each[:2]):
            for language in languages:
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
        words: dict[str, set[str]] = defaultdict(set)
        stems: dict[str, set[str]] = defaultdict(set)
        for language in lexicon.languages - SPACELESS:
            denying = negators.get(language, frozenset())
            known, beginnings = lexicon.vocabulary(language)
            for word in known - denying - common:
                if word.isalpha():
                    words[word].add(language)
            for stem in beginnings - denying:
                if stem.isalpha():
                    stems[stem].add(language)
        self.index = Index(words, stems)
        self._targets: dict[str, set[str]] = defaultdict(set)
        for word, languages_ in words.items():
            for language in languages_:
                self._targets[language].add(word)
        self._languages = languages
        self._common = common

    def targets(self, language: str) -> set[str]:
        """The words of a language that a repair may lead to."""
        return self._targets.get(language, set())

    def is_meant(self, word: str) -> bool:
        """Whether a word is left as it is: small or common words are spelled as meant."""
        return word in self._common or self._languages.is_small(word)


def exact(word: str, language: str) -> Sequence[str]:
    """A word and what it is short for, nothing guessed: cues are looked up so."""
    if language == "en" and word in CONTRACTIONS:
        return (word, CONTRACTIONS[word])
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
                forms.extend(swapped for swapped in _swaps(form) if swapped in self._speller.targets(language))
        return list(dict.fromkeys(forms))

    def _meant(self, word: str) -> dict[str, list[str]]:
        if word not in self._near:
            self._near[word] = self._speller.index.near(word)
        return self._near[word]

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
