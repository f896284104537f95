"""The pattern language of the lexicon and the cues, and the matcher that finds thousands of patterns in one walk.

A pattern is written as people write, words with a space between them:

- `word*` begins a word, `*word` ends one, `*word*` stands anywhere in one
- `a|b|c` is one of several words in one place; each of them may have its stars
- `..` is a gap of at most three words (six signs in Chinese and Japanese)
- `#` is a number in figures

Chinese and Japanese patterns are plain runs of signs, since their words have no space between them; `a|b` there is one
of several runs. Patterns are folded like texts (`text.fold`): accents and case in them are for the eye.

`lexicon` and `assertion` each keep a `Matcher`. A trie rather than one regular expression: a search costs what
the text is long, however many patterns there are, and it tells which words of a match were meant and which filled a
gap.
"""

import re
from collections.abc import Callable, Iterable, Sequence, Set
from sys import intern
from typing import NamedTuple

from service_chat.safety.text import Text, cut, fold, is_sign

#: Written without spaces between words.
SPACELESS = frozenset({"zh", "ja"})

_GAP, _GAP_SIGNS = 3, 6
_MOST_VARIANTS = 64
#: Letters of a word that stars are looked for in: a word of a thousand letters has half a million pieces.
_LONGEST = 40
#: A gap, among the words of a pattern; no word of a text looks like it.
_DOTS = ".."


class PatternError(ValueError):
    """A pattern that says nothing or too much. `lexicon` and `assertion` add file and key, and raise `RulesError`."""


class Place(NamedTuple):
    """One word of a pattern: any of these, written with their stars."""

    options: tuple[str, ...]


#: A pattern as it is kept. Each entry is `word`, `word*` and so on, several with `|` between them, or a gap.
Words = tuple[str, ...]
#: Alternatives that are surely a word each: letters only, of alphabets before those that have signs besides letters.
_WORD = r"\*?[^\W\d_\u0900-\U0010ffff]++\*?"
_SIMPLE = re.compile(rf"{_WORD}(?:\|{_WORD})*+")
#: One piece of a pattern: all alternatives that are one word together, and each that is several by itself.
_Ways = tuple[Words, ...]


def parse(pattern: str, language: str) -> list[tuple[Place, ...]]:
    """A pattern in words, gaps left out; several when an alternative has several words itself.

    Raises:
        PatternError: nothing in it, or too many variants.
    """
    variants = _variants(fold(pattern), _Pieces(language in SPACELESS))
    return [tuple(Place(tuple(word.split("|"))) for word in words if word != _DOTS) for words in variants]


class _Pieces(dict[str, _Ways]):
    """What pieces of patterns mean, worked out once each: most of a pattern's are also in another's."""

    def __init__(self, signs: bool, learn: Callable[[str], None] | None = None) -> None:
        """
        Args:
            learn: told of every new word.
        """
        super().__init__()
        self._signs = signs
        self._learn = learn

    def __missing__(self, piece: str) -> _Ways:
        ways = _ways(piece, self._signs)
        if not ways:
            raise PatternError(f"no word in {piece!r}")
        self[piece] = ways
        if self._learn is not None:
            for way in ways:
                for word in way:
                    self._learn(word)
        return ways


def _variants(folded: str, pieces: _Pieces) -> list[Words]:
    variants: list[Words] = [()]
    gap = False
    for piece in (folded.replace(_DOTS, " .. ") if _DOTS in folded else folded).split():
        if piece == _DOTS:
            gap = bool(variants[0])  # at an end it says nothing
            continue
        ways = pieces[piece]
        if gap:
            variants = [(*variant, _DOTS) for variant in variants]
            gap = False
        if len(ways) == 1 and len(variants) == 1:
            variants = [variants[0] + ways[0]]
            continue
        variants = [variant + way for way in ways for variant in variants]
        if len(variants) > _MOST_VARIANTS:
            raise PatternError("too many variants; write several patterns")
    if not variants[0]:
        raise PatternError("nothing to find")
    return variants


def _ways(piece: str, signs: bool) -> _Ways:
    if not signs and _SIMPLE.fullmatch(piece):  # most of them
        return ((intern(piece),),)
    single: list[str] = []
    several: list[Words] = []
    for option in piece.split("|"):
        if option == "#":
            single.append("#")
            continue
        words = cut(option.strip("*"))
        if not words:
            continue
        if not signs:
            if option.startswith("*"):
                words[0] = f"*{words[0]}"
            if option.endswith("*"):
                words[-1] = f"{words[-1]}*"
        if len(words) == 1:
            single.append(words[0])
        else:
            several.append(tuple(map(intern, words)))
    if single:
        several.append((intern("|".join(dict.fromkeys(single))),))
    return tuple(several)


class Match(NamedTuple):
    """A pattern found. Words are counted from 0; `words` are those that the pattern names, without what fills a gap."""

    payload: str
    language: str
    first: int
    last: int
    words: tuple[int, ...]


class _Node:
    """The patterns that begin with the same words, and how they go on.

    Told apart only when a text comes here: of a hundred thousand places most are never reached, and as tables of their
    own they would cost seconds at start and fifty megabytes for good. Two threads may open a node at once; both make
    the same of it.
    """

    __slots__ = ("_depth", "patterns", "steps")

    def __init__(self, patterns: list[Words], depth: int) -> None:
        """
        Args:
            patterns: payload first.
            depth: so much of each is behind us.
        """
        self.patterns = patterns
        self.steps: _Steps | None = None
        self._depth = depth

    def open(self) -> "_Steps":
        """By the next word: whole, starred; behind a gap; and the payloads of patterns that end here."""
        literal: dict[str, list[Words]] = {}
        starred: dict[str, list[Words]] = {}
        gap: list[Words] = []
        payloads: dict[str, None] = {}
        depth = self._depth
        for pattern in self.patterns:
            if depth == len(pattern):
                payloads[pattern[0]] = None
                continue
            place = pattern[depth]
            if place == _DOTS:
                gap.append(pattern)
                continue
            for option in place.split("|") if "|" in place else (place,):
                (starred if "*" in option or option == "#" else literal).setdefault(option, []).append(pattern)
        self.steps = (
            {word: _Node(some, depth + 1) for word, some in literal.items()},
            {star: _Node(some, depth + 1) for star, some in starred.items()},
            _Node(gap, depth + 1) if gap else None,
            tuple(payloads),
        )
        return self.steps


_Steps = tuple[dict[str, _Node], dict[str, _Node], _Node | None, tuple[str, ...]]


class _Tongue:
    """One language's patterns, and the words in them."""

    def __init__(self, signs: bool) -> None:
        self.root = _Node([], 1)
        self.literals: set[str] = set()
        #: Starred words without their stars, to the words as patterns have them.
        self.prefixes: dict[str, str] = {}
        self.suffixes: dict[str, str] = {}
        self.infixes: dict[str, str] = {}
        self.numbers = False
        self._pieces = _Pieces(signs, self._learn)
        #: What words begin, merged; by words of the patterns, so no text adds to it for long.
        self._merged: dict[tuple[Words, Words], _Node | None] = {}

    def add(self, folded: str, payload: str) -> None:
        for words in _variants(folded, self._pieces):
            self.root.patterns.append((payload, *words))

    def seal(self) -> None:
        self._pieces.clear()

    def _learn(self, place: str) -> None:
        if "*" not in place and "#" not in place:
            self.literals.update(place.split("|"))
            return
        for option in place.split("|"):
            if option == "#":
                self.numbers = True
            elif "*" not in option:
                self.literals.add(option)
            elif not option.startswith("*"):
                self.prefixes[option[:-1]] = option
            elif option.endswith("*"):
                self.infixes[option[1:-1]] = option
            else:
                self.suffixes[option[1:]] = option

    def beginnings(self, literals: Words, stars: Words) -> _Node | None:
        """Where patterns go on that begin with a word of these forms.

        A frequent word begins dozens: they are merged into one node, so that the next word is looked up once.
        """
        if (literals, stars) not in self._merged:
            literal, starred, _, _ = self.root.steps or self.root.open()
            nodes = [literal[form] for form in literals if form in literal]
            nodes += [starred[star] for star in stars if star in starred]
            if len(nodes) > 1:
                nodes = [_Node([pattern for node in nodes for pattern in node.patterns], 2)]
            self._merged[literals, stars] = nodes[0] if nodes else None
        return self._merged[literals, stars]

    def stars(self, word: str) -> list[str]:
        """The starred words of patterns that this word fits."""
        found: list[str] = []
        if self.numbers and word.isdigit():
            found.append("#")
        word = word[:_LONGEST]
        prefixes, suffixes = self.prefixes, self.suffixes
        for size in range(1, len(word) + 1):
            if word[:size] in prefixes:
                found.append(prefixes[word[:size]])
        if suffixes:
            for at in range(len(word)):
                if word[at:] in suffixes:
                    found.append(suffixes[word[at:]])
        if self.infixes:
            found.extend(star for piece, star in self.infixes.items() if piece in word)
        return found


#: The spellings under which a word of a text is looked up in a language, itself first.
Forms = Callable[[str, str], Sequence[str]]


class Matcher:
    """Patterns of many languages. Filled once at start, then only read, from any thread."""

    def __init__(self) -> None:
        self._tongues: dict[str, _Tongue] = {}
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
            self._tongues[language] = _Tongue(language in SPACELESS)
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

    def __init__(self, text: Text, language: str, tongue: _Tongue, forms: Forms) -> None:
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
        ahead: list[tuple[_Node, tuple[int, ...]]] = []
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
_Looked = tuple[Words, Words, _Node | None]


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
