"""The pattern language of the lexicon and the cues: a pattern as people write it, and the words that it comes to.

A pattern is written as people write, words with a space between them:

- `word*` begins a word, `*word` ends one, `*word*` stands anywhere in one
- `a|b|c` is one of several words in one place; each of them may have its stars
- `a|b_c|d` has two words in one alternative; with a space it would be read as `a|b` and then `c|d`
- `..` is a gap of at most three words (six signs in Chinese and Japanese)
- `#` is a number in figures

Chinese and Japanese patterns are plain runs of signs, since their words have no space between them; `a|b` there is one
of several runs. Patterns are folded like texts (`folding.fold`): accents and case in them are for the eye.

`pattern_trie` keeps what `variants_of` gives; whoever only wants the words of a pattern asks `parse`.
"""

import re
from collections.abc import Callable, Sequence
from sys import intern
from typing import NamedTuple

from service_chat.safety.folding import fold
from service_chat.safety.text import cut

#: Written without spaces between words.
SPACELESS = frozenset({"zh", "ja"})

_MOST_VARIANTS = 64
#: A gap, among the words of a pattern; no word of a text looks like it.
DOTS = ".."


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
    variants = variants_of(fold(pattern), Pieces(language in SPACELESS))
    return [tuple(Place(tuple(word.split("|"))) for word in words if word != DOTS) for words in variants]


class Pieces(dict[str, _Ways]):
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


def variants_of(folded: str, pieces: Pieces) -> list[Words]:
    """The words of a folded pattern, once for each way it can be meant.

    Raises:
        PatternError: see `parse`.
    """
    spelt = (folded.replace(DOTS, " .. ") if DOTS in folded else folded).split()
    words: list[str] = []
    for piece in spelt:  # most patterns can be meant one way only
        if piece == DOTS:
            if words and words[-1] != DOTS:  # at an end it says nothing
                words.append(DOTS)
            continue
        ways = pieces[piece]
        if len(ways) != 1:
            return _several(spelt, pieces)
        words.extend(ways[0])
    if words and words[-1] == DOTS:
        del words[-1]
    if not words:
        raise PatternError("nothing to find")
    return [tuple(words)]


def _several(spelt: Sequence[str], pieces: Pieces) -> list[Words]:
    variants: list[Words] = [()]
    gap = False
    for piece in spelt:
        if piece == DOTS:
            gap = bool(variants[0])  # at an end it says nothing
            continue
        ways = pieces[piece]
        if gap:
            variants = [(*variant, DOTS) for variant in variants]
            gap = False
        variants = [variant + way for way in ways for variant in variants]
        if len(variants) > _MOST_VARIANTS:
            raise PatternError("too many variants; write several patterns")
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
