"""One language's patterns as a trie, told apart only as far as a text walks into it.

Filled and read by `matcher`. A trie rather than one regular expression: a search costs what the text is long, however
many patterns there are, and it tells which words of a match were meant and which filled a gap.
"""

from service_chat.safety.patterns import DOTS, Pieces, Words, variants_of

#: Letters of a word that stars are looked for in: a word of a thousand letters has half a million pieces.
_LONGEST = 40


class Node:
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
            if place == DOTS:
                gap.append(pattern)
                continue
            for option in place.split("|") if "|" in place else (place,):
                (starred if "*" in option or option == "#" else literal).setdefault(option, []).append(pattern)
        self.steps = (
            {word: Node(some, depth + 1) for word, some in literal.items()},
            {star: Node(some, depth + 1) for star, some in starred.items()},
            Node(gap, depth + 1) if gap else None,
            tuple(payloads),
        )
        return self.steps


_Steps = tuple[dict[str, Node], dict[str, Node], Node | None, tuple[str, ...]]


class Tongue:
    """One language's patterns, and the words in them."""

    def __init__(self, signs: bool) -> None:
        self.root = Node([], 1)
        self.literals: set[str] = set()
        #: Starred words without their stars, to the words as patterns have them.
        self.prefixes: dict[str, str] = {}
        self.suffixes: dict[str, str] = {}
        self.infixes: dict[str, str] = {}
        self.numbers = False
        self._pieces = Pieces(signs, self._learn)
        #: What words begin, merged; by words of the patterns, so no text adds to it for long.
        self._merged: dict[tuple[Words, Words], Node | None] = {}

    def add(self, folded: str, payload: str) -> None:
        for words in variants_of(folded, self._pieces):
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

    def beginnings(self, literals: Words, stars: Words) -> Node | None:
        """Where patterns go on that begin with a word of these forms.

        A frequent word begins dozens: they are merged into one node, so that the next word is looked up once.
        """
        if (literals, stars) not in self._merged:
            literal, starred, _, _ = self.root.steps or self.root.open()
            nodes = [literal[form] for form in literals if form in literal]
            nodes += [starred[star] for star in stars if star in starred]
            if len(nodes) > 1:
                nodes = [Node([pattern for node in nodes for pattern in node.patterns], 2)]
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
