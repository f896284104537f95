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

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from service_chat.safety.text import Text, cut, fold, is_sign

#: Written without spaces between words.
SPACELESS = frozenset({"zh", "ja"})

_GAP, _GAP_SIGNS = 3, 6
_MOST_VARIANTS = 64
#: Letters of a word that stars are looked for in: a word of a thousand letters has half a million pieces.
_LONGEST = 40
_DRAWER = 3


class PatternError(ValueError):
    """A pattern that says nothing or too much. `lexicon` and `assertion` add file and key, and raise `RulesError`."""


@dataclass(frozen=True, slots=True)
class Place:
    """One word of a pattern: any of these, written with their stars; or a gap before the next."""

    options: tuple[str, ...]
    gap: bool = False  #: a gap stands before it

    @property
    def key(self) -> str:
        return f"{'..' if self.gap else ''}{'|'.join(self.options)}"


def parse(pattern: str, language: str) -> list[tuple[Place, ...]]:
    """A pattern in words; several when an alternative has several words itself.

    Raises:
        PatternError: nothing in it, or too many variants.
    """
    variants: list[list[Place]] = [[]]
    gap = False
    signs = language in SPACELESS
    for piece in fold(pattern).replace("..", " .. ").split():
        if piece == "..":
            gap = bool(variants[0])  # at an end it says nothing
            continue
        grown: list[list[Place]] = []
        for option_words in _options(piece, signs):
            places = [Place(options, gap and n == 0) for n, options in enumerate(option_words)]
            grown.extend([*variant, *places] for variant in variants)
        if not grown:
            raise PatternError(f"no word in {piece!r}")
        if len(grown) > _MOST_VARIANTS:
            raise PatternError("too many variants; write several patterns")
        variants, gap = grown, False
    if not variants[0]:
        raise PatternError("nothing to find")
    return [tuple(variant) for variant in variants]


def _options(piece: str, signs: bool) -> Iterator[list[tuple[str, ...]]]:
    """The alternatives of one piece: all that are one word together, each that is several by itself."""
    single: list[str] = []
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
            yield [(word,) for word in words]
    if single:
        yield [tuple(dict.fromkeys(single))]


class Match(NamedTuple):
    """A pattern found. Words are counted from 0; `words` are those that the pattern names, without what fills a gap."""

    payload: str
    language: str
    first: int
    last: int
    words: tuple[int, ...]


@dataclass(slots=True, eq=False)
class _Node:
    known: dict[str, "_Node"] = field(default_factory=dict)  #: place's key to node; equal places share one
    literal: dict[str, list["_Node"]] = field(default_factory=dict)
    starred: dict[str, list["_Node"]] = field(default_factory=dict)
    gap: "_Node | None" = None
    payloads: list[str] = field(default_factory=list)


def _merge(nodes: Sequence[_Node]) -> _Node:
    """One node that leads wherever one of several does."""
    merged = _Node()
    for node in nodes:
        for word, children in node.literal.items():
            merged.literal.setdefault(word, []).extend(children)
        for star, children in node.starred.items():
            merged.starred.setdefault(star, []).extend(children)
        merged.payloads.extend(payload for payload in node.payloads if payload not in merged.payloads)
    gaps = [node.gap for node in nodes if node.gap is not None]
    merged.gap = _merge(gaps) if len(gaps) > 1 else next(iter(gaps), None)
    return merged


_EMPTY: dict[str, list[_Node]] = {}
_EMPTY_KNOWN: dict[str, _Node] = {}
_NOTHING: list[str] = []


@dataclass(slots=True, eq=False)
class _Tongue:
    """One language's patterns. Starred words lie in drawers by their first or last letters, so few are tried."""

    root: _Node = field(default_factory=_Node)
    literals: set[str] = field(default_factory=set)
    prefixes: dict[str, set[str]] = field(default_factory=dict)
    suffixes: dict[str, set[str]] = field(default_factory=dict)
    infixes: set[str] = field(default_factory=set)
    numbers: bool = False
    #: What words begin, merged; by words of the patterns, so no text adds to it for long.
    merged: dict[tuple[tuple[str, ...], tuple[str, ...]], list[_Node]] = field(default_factory=dict)

    def beginnings(self, literals: tuple[str, ...], stars: tuple[str, ...]) -> list[_Node]:
        """Where patterns go on that begin with a word of these forms.

        A frequent word begins dozens: they are merged into one node, so that the next word is looked up once.
        """
        nodes = self.merged.get((literals, stars))
        if nodes is None:
            nodes = [node for form in literals for node in self.root.literal.get(form, ())]
            nodes += [node for star in stars for node in self.root.starred.get(star, ())]
            if len(nodes) > 2:
                nodes = [_merge(nodes)]
            self.merged[literals, stars] = nodes
        return nodes

    def add_star(self, option: str) -> None:
        bare = option.strip("*")
        if option.startswith("*") and option.endswith("*"):
            self.infixes.add(bare)
        elif option.startswith("*"):
            self.suffixes.setdefault(bare[-_DRAWER:], set()).add(bare)
        else:
            self.prefixes.setdefault(bare[:_DRAWER], set()).add(bare)

    def stars(self, word: str) -> list[str]:
        """The starred words of patterns that this word fits."""
        found: list[str] = []
        if self.numbers and word.isdigit():
            found.append("#")
        word = word[:_LONGEST]
        for size in range(1, _DRAWER + 1):
            stems = self.prefixes.get(word[:size])
            if stems:
                found.extend(f"{stem}*" for stem in stems if len(stem) >= size and word.startswith(stem))
            endings = self.suffixes.get(word[-size:])
            if endings:
                found.extend(f"*{ending}" for ending in endings if word.endswith(ending))
            if size >= len(word):
                break
        found.extend(f"*{piece}*" for piece in self.infixes if piece in word)
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
        variants = parse(pattern, language)
        tongue = self._tongues.setdefault(language, _Tongue())
        for places in variants:
            node = tongue.root
            for place in places:
                node = self._grow(tongue, node, place)
            if payload not in node.payloads:
                node.payloads.append(payload)
        self.patterns += 1

    @staticmethod
    def _grow(tongue: _Tongue, node: _Node, place: Place) -> _Node:
        if place.gap:
            node.gap = node.gap or _Node()
            node = node.gap
        key = "|".join(place.options)
        if key in node.known:
            return node.known[key]
        child = node.known[key] = _Node()
        for option in place.options:
            if option == "#":
                tongue.numbers = True
                node.starred.setdefault("#", []).append(child)
            elif "*" not in option:
                tongue.literals.add(option)
                node.literal.setdefault(option, []).append(child)
            else:
                tongue.add_star(option)
                node.starred.setdefault(option, []).append(child)
        return child

    def seal(self) -> None:
        """Drops what only building needs. Empty tables are shared: the collector walks over every object."""
        ahead = [tongue.root for tongue in self._tongues.values()]
        while ahead:
            node = ahead.pop()
            ahead.extend(node.known.values())
            if node.gap is not None:
                ahead.append(node.gap)
            node.known = _EMPTY_KNOWN
            node.literal = node.literal or _EMPTY
            node.starred = node.starred or _EMPTY
            node.payloads = node.payloads or _NOTHING

    def vocabulary(self, language: str) -> tuple[frozenset[str], frozenset[str]]:
        """Whole words and beginnings of words that a language's patterns know."""
        tongue = self._tongues.get(language, _Tongue())
        return frozenset(tongue.literals), frozenset().union(*tongue.prefixes.values())

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
            for at in places[language]:
                for match in search.from_here(at):
                    found.setdefault((match.payload, match.first, match.last), match)
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

    def from_here(self, at: int) -> list[Match]:
        """Every match that begins at a word."""
        matches: list[Match] = []
        looked, blocks, words = self._looked, self._text.blocks, self._text.words
        _, _, beginnings = looked[at] or self._look(at)
        if not beginnings:
            return matches
        block, count = blocks[at], len(words)
        # A stack and one long body: this loop is where a text spends its time, and a call costs what a step does.
        ahead: list[tuple[_Node, tuple[int, ...]]] = [(node, (at,)) for node in beginnings]
        while ahead:
            node, taken = ahead.pop()
            last = taken[-1]
            for payload in node.payloads:
                matches.append(Match(payload, self._language, at, last, taken))
            place = last + 1
            if place >= count or blocks[place] != block:
                continue
            if node.literal or node.starred:
                literals, stars, _ = looked[place] or self._look(place)
                for form in literals:
                    if form in node.literal:
                        ahead.extend([(child, (*taken, place)) for child in node.literal[form]])
                for star in stars:
                    if star in node.starred:
                        ahead.extend([(child, (*taken, place)) for child in node.starred[star]])
            gap = node.gap
            if gap is None:
                continue
            end = min(place + 1 + (_GAP_SIGNS if is_sign(words[last]) else _GAP), count)
            while place < end and blocks[place] == block:
                literals, stars, _ = looked[place] or self._look(place)
                for form in literals:
                    if form in gap.literal:
                        ahead.extend([(child, (*taken, place)) for child in gap.literal[form]])
                if gap.starred:
                    for star in stars:
                        if star in gap.starred:
                            ahead.extend([(child, (*taken, place)) for child in gap.starred[star]])
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
_Looked = tuple[tuple[str, ...], tuple[str, ...], list[_Node]]


def add_all(
    matcher: Matcher, language: str, patterns: Iterable[object], payload: str, where: str, problems: list[str]
) -> None:
    """Adds a list as it stands in a data file; what is wrong with it goes to `problems`, one sentence each."""
    for pattern in patterns:
        if not isinstance(pattern, str):
            problems.append(f"{where}: {pattern!r} is no text")
            continue
        try:
            matcher.add(language, pattern, payload)
        except PatternError as wrong:
            problems.append(f"{where}: {fold(pattern)!r}: {wrong}")
