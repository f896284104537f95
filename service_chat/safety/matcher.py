"""The matcher: thousands of patterns of many languages, found in one walk over a text.

`lexicon`, `cues` and `talk` each keep one. Their patterns are written as `patterns` says.
"""

from collections.abc import Callable, Iterable, Sequence, Set
from typing import NamedTuple

from service_chat.safety.folding import fold
from service_chat.safety.pattern_trie import Node, Tongue
from service_chat.safety.patterns import SPACELESS, PatternError, Words
from service_chat.safety.text import Text, is_sign

_GAP, _GAP_SIGNS = 3, 6


class Match(NamedTuple):
    """A pattern found. Words are counted from 0; `words` are those that the pattern names, without what fills a gap."""

    payload: str
    language: str
    first: int
    last: int
    words: tuple[int, ...]


#: The spellings under which a word of a text is looked up in a language, itself first.
Forms = Callable[[str, str], Sequence[str]]


class Matcher:
    """Patterns of many languages. Filled once at start, then only read, from any thread."""

    def __init__(self) -> None:
        self._tongues: dict[str, Tongue] = {}
        self.patterns = 0

    @property
    def languages(self) -> frozenset[str]:
        return frozenset(self._tongues)

    def add(self, language: str, pattern: str, payload: str) -> None:
        """Adds one pattern that finds `payload`.

        Raises:
            PatternError: see `parse`.
        """
        self.add_folded(language, fold(pattern), payload)

    def add_folded(self, language: str, folded: str, payload: str) -> None:
        """`add`, for what is folded already."""
        if language not in self._tongues:
            self.seal()  # languages come one after the other
            self._tongues[language] = Tongue(language in SPACELESS)
        self._tongues[language].add(folded, payload)
        self.patterns += 1

    def seal(self) -> None:
        """Drops what only building needs."""
        for tongue in self._tongues.values():
            tongue.seal()

    def vocabulary(self, language: str) -> tuple[Set[str], Set[str]]:
        """Whole words and beginnings of words that a language's patterns know."""
        tongue = self._tongues.get(language)
        return (tongue.literals, tongue.prefixes.keys()) if tongue else (frozenset(), frozenset())

    def knows(self, word: str, language: str) -> bool:
        """Whether some pattern of the language has a place for this word."""
        tongue = self._tongues.get(language)
        return tongue is not None and (word in tongue.literals or bool(tongue.stars(word)))

    def find(self, text: Text, tongues: Sequence[Sequence[str]], forms: Forms) -> list[Match]:
        """Every pattern in the text, in order of its words; where languages agree, the first one's.

        Args:
            tongues: for each sentence the languages to look in.
        """
        places: dict[str, list[int]] = {}
        for at, sentence in enumerate(text.sentences):
            for language in tongues[sentence]:
                places.setdefault(language, []).append(at)
        found: dict[tuple[str, int, int], Match] = {}
        for language in sorted(places.keys() & self._tongues.keys()):
            search = _Search(text, language, self._tongues[language], forms)
            for match in search.beginning_at(places[language]):
                known = found.setdefault((match.payload, match.first, match.last), match)
                if known.language == language and len(known.words) < len(match.words):
                    found[match.payload, match.first, match.last] = match  # it owns more words, so less can deny it
        return sorted(found.values(), key=lambda match: (match.first, match.last))


class _Search:
    """One language's patterns in one text."""

    def __init__(self, text: Text, language: str, tongue: Tongue, forms: Forms) -> None:
        self._text = text
        self._language = language
        self._tongue = tongue
        self._forms = forms
        self._known: dict[str, _Looked] = {}
        self._looked: list[_Looked | None] = [None] * len(text.words)

    def beginning_at(self, places: Iterable[int]) -> list[Match]:
        """Every match that begins at one of these words."""
        matches: list[Match] = []
        looked, blocks, words, language = self._looked, self._text.blocks, self._text.words, self._language
        count = len(words)
        # A stack and one long body: this loop is where a text spends its time, and a call costs what a step does.
        ahead: list[tuple[Node, tuple[int, ...]]] = []
        for at in places:
            beginning = (looked[at] or self._look(at))[2]
            if beginning is None:
                continue
            block = blocks[at]
            ahead.append((beginning, (at,)))
            while ahead:
                node, taken = ahead.pop()
                literal, starred, gap, payloads = node.steps or node.open()
                last = taken[-1]
                for payload in payloads:
                    matches.append(Match(payload, language, at, last, taken))
                place = last + 1
                if place >= count or blocks[place] != block:
                    continue
                if literal or starred:
                    literals, stars, _ = looked[place] or self._look(place)
                    for form in literals:
                        if form in literal:
                            ahead.append((literal[form], (*taken, place)))
                    for star in stars:
                        if star in starred:
                            ahead.append((starred[star], (*taken, place)))
                if gap is None:
                    continue
                literal, starred, _, _ = gap.steps or gap.open()
                end = min(place + 1 + (_GAP_SIGNS if is_sign(words[last]) else _GAP), count)
                while place < end and blocks[place] == block:
                    literals, stars, _ = looked[place] or self._look(place)
                    for form in literals:
                        if form in literal:
                            ahead.append((literal[form], (*taken, place)))
                    for star in stars:
                        if star in starred:
                            ahead.append((starred[star], (*taken, place)))
                    place += 1
        return matches

    def _look(self, at: int) -> "_Looked":
        """What a word is to this language; remembered, since most words come again."""
        word, twin = self._text.words[at], self._text.twins.get(at)
        known = self._known.get(word) if twin is None else None
        if known is None:
            every = list(self._forms(word, self._language))
            if twin is not None:
                every.extend(self._forms(twin, self._language))
            tongue = self._tongue
            literals = tuple([form for form in every if form in tongue.literals])
            stars = tuple([star for form in every for star in tongue.stars(form)])
            known = self._known[word] = literals, stars, tongue.beginnings(literals, stars)
        self._looked[at] = known
        return known


#: The forms of a word that patterns may name, the starred words that it fits, and where patterns begin with it.
_Looked = tuple[Words, Words, Node | None]


def add_all(
    matcher: Matcher, language: str, patterns: Sequence[object], payload: str, where: str, problems: list[str]
) -> None:
    """Adds a list as it stands in a data file; what is wrong with it goes to `problems`, one sentence each."""
    written = [pattern for pattern in patterns if isinstance(pattern, str)]
    problems.extend(f"{where}: {pattern!r} is no text" for pattern in patterns if not isinstance(pattern, str))
    folded = fold("\n".join(written)).split("\n")  # in one go: folding one by one was a third of the start
    if len(folded) != len(written):  # one of them has several lines
        folded = [fold(pattern) for pattern in written]
    for pattern in folded:
        try:
            matcher.add_folded(language, pattern, payload)
        except PatternError as wrong:
            problems.append(f"{where}: {pattern!r}: {wrong}")
