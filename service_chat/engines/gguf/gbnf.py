r"""Reads a grammar in GBNF, llama.cpp's notation, into a flat table that can be walked. Pure.

Called by `forced` and, to tell which grammars may be handed to llama.cpp, by `sampling`. The language is
`name ::= alternate | alternate`, "text", [a-z], [^"\\], `.`, (groups), * + ? {m} {m,} {m,n} and # comments; escapes are
\n \r \t \\ \" \[ \] \- \xHH \uHHHH \UHHHHHHHH. Terminals that name tokens are not read. Whether a grammar is right is
for llama.cpp to say: this accepts a little more. What it does not read is not used at all, because some of that ends
llama.cpp's process or keeps it busy for ever.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias

#: Characters, as ranges of code points, sorted, none over another.
Chars: TypeAlias = tuple[tuple[int, int], ...]
#: What an alternate is made of: characters, a rule by its number, and None at its end.
Item: TypeAlias = Chars | int | None

_LAST = 0x10FFFF
#: llama.cpp's own: more than that is taken for "any number".
_MOST_REPEATS = 2000
#: A small grammar can spell a huge one with {m,n}.
_MOST_ITEMS = 50_000
#: Groups in groups. llama.cpp reads them by recursion, and some thousands end its process.
_MOST_NESTED = 100

_LEXEMES = re.compile(
    r"""\s+ | \#[^\n]*
    | (?P<define>[\w-]+)\s*::= | (?P<name>[\w-]+)
    | "(?P<text>(?:[^"\\]|\\.)*)" | \[(?P<chars>(?:[^\]\\]|\\.)*)\]
    | (?P<times>[*+?]) | \{\s*(?P<least>\d+)\s*(?:(?P<comma>,)\s*(?P<most>\d*)\s*)?\}
    | (?P<mark>[|().])""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_CHARACTER = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([nrt\\\"\[\]-]))|([^\\])", re.DOTALL
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Grammar:
    items: tuple[Item, ...]  #: all alternates, one behind the other, each ended by None
    starts: tuple[tuple[int, ...], ...]  #: for each rule, where its alternates begin; rule 0 is the root


@lru_cache(maxsize=32)
def read(gbnf: str) -> Grammar | None:
    """The grammar, or None where it holds something this room does not know. The last 32 are remembered."""
    try:
        return _Reader().read(gbnf)
    except _Unreadable:
        return None


class _Unreadable(Exception):
    """No grammar, or none of the kind described above."""


class _Reader:
    def __init__(self) -> None:
        self._names = {"root": 0}
        self._rules: list[list[list[Item]]] = [[]]
        self._size = 0
        self._open: list[int] = []  # the rule that is being read and the groups open in it, innermost last
        self._last: int | None = None  # where in the alternate the item begins that a repetition would be of

    def read(self, gbnf: str) -> Grammar:
        at = 0
        while at < len(gbnf):
            lexeme = _LEXEMES.match(gbnf, at)
            if lexeme is None:
                raise _Unreadable
            at = lexeme.end()
            if lexeme["define"] is not None:
                self._define(lexeme["define"])
            elif lexeme.lastgroup is not None:
                self._take(lexeme)
        if len(self._open) != 1 or not all(self._rules):
            raise _Unreadable  # a group is open, or a name has no rule
        return self._flat()

    def _define(self, name: str) -> None:
        number = self._number(name)
        if len(self._open) > 1 or self._rules[number]:
            raise _Unreadable
        self._rules[number].append([])
        self._open, self._last = [number], None

    def _take(self, lexeme: re.Match[str]) -> None:
        if not self._open:
            raise _Unreadable
        alternate = self._rules[self._open[-1]][-1]
        if lexeme["times"] is not None or lexeme["least"] is not None:
            if self._last is None:
                raise _Unreadable
            alternate[self._last :] = self._repeated(alternate[self._last :], *_bounds(lexeme))
        elif lexeme["mark"] == "|":
            self._rules[self._open[-1]].append([])
            self._last = None
        elif lexeme["mark"] == "(":
            if len(self._open) > _MOST_NESTED:
                raise _Unreadable
            self._open.append(self._new([[]]))
            self._last = None
        elif lexeme["mark"] == ")":
            self._close()
        else:
            self._last = len(alternate)
            alternate += self._terminal(lexeme)

    def _close(self) -> None:
        if len(self._open) < 2:
            raise _Unreadable
        group = self._open.pop()
        alternate = self._rules[self._open[-1]][-1]
        self._last = len(alternate)
        alternate.append(group)

    def _terminal(self, lexeme: re.Match[str]) -> list[Item]:
        if lexeme["name"] is not None:
            return [self._number(lexeme["name"])]
        if lexeme["text"] is not None:
            return [((code, code),) for code, _ in _characters(lexeme["text"])]
        return [_class(lexeme["chars"]) if lexeme["chars"] is not None else ((0, _LAST),)]

    def _repeated(self, items: list[Item], least: int, most: int | None) -> list[Item]:
        """x{2,4} is x x (x (x)?)?, and x* is a rule of its own: x and itself again, or nothing."""
        if most is not None and most < least:
            raise _Unreadable
        self._grow(least * len(items))
        tail: list[Item] = []
        if most is None:
            number = self._new([[*items], []])
            self._rules[number][0].append(number)
            tail = [number]
        else:
            for _ in range(most - least):
                tail = [self._new([[*items, *tail], []])]
        return items * least + tail

    def _number(self, name: str) -> int:
        if name not in self._names:
            self._names[name] = self._new([])
        return self._names[name]

    def _new(self, alternates: list[list[Item]]) -> int:
        self._grow(1 + sum(map(len, alternates)))
        self._rules.append(alternates)
        return len(self._rules) - 1

    def _grow(self, items: int) -> None:
        self._size += items
        if self._size > _MOST_ITEMS:
            raise _Unreadable

    def _flat(self) -> Grammar:
        items: list[Item] = []
        starts: list[tuple[int, ...]] = []
        for rule in self._rules:
            begins: list[int] = []
            for alternate in rule:
                begins.append(len(items))
                items += [*alternate, None]
            starts.append(tuple(begins))
        return Grammar(tuple(items), tuple(starts))


def _bounds(lexeme: re.Match[str]) -> tuple[int, int | None]:
    if lexeme["times"] is not None:
        return (1 if lexeme["times"] == "+" else 0), (1 if lexeme["times"] == "?" else None)
    if len(lexeme["least"]) > 9 or len(lexeme["most"] or "") > 9:
        raise _Unreadable
    least = int(lexeme["least"])
    if lexeme["comma"] is None:
        return least, least
    most = int(lexeme["most"]) if lexeme["most"] else None
    return least, most if most is None or most <= _MOST_REPEATS else None


def _characters(text: str) -> list[tuple[int, bool]]:
    """Code points, and whether each was written as an escape."""
    found: list[tuple[int, bool]] = []
    at = 0
    while at < len(text):
        character = _CHARACTER.match(text, at)
        if character is None:
            raise _Unreadable
        at = character.end()
        digits, plain = character[1] or character[2] or character[3], character[5]
        code = int(digits, 16) if digits else ord(plain or _ESCAPES.get(character[4], character[4]))
        if code > _LAST or 0xD800 <= code <= 0xDFFF:  # half a character of UTF-16 is no text
            raise _Unreadable
        found.append((code, plain is None))
    return found


def _class(text: str) -> Chars:
    """The characters between [ and ]."""
    negated = text.startswith("^")
    codes = _characters(text[negated:])
    ranges: list[tuple[int, int]] = []
    at = 0
    while at < len(codes):
        is_range = at + 2 < len(codes) and codes[at + 1] == (ord("-"), False)
        ranges.append((codes[at][0], codes[at + 2 if is_range else at][0]))
        at += 3 if is_range else 1
    joined: list[tuple[int, int]] = []
    for low, high in sorted(pair for pair in ranges if pair[0] <= pair[1]):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    if not negated:
        return tuple(joined)
    gaps = pairwise([(-1, -1), *joined, (_LAST + 1, _LAST + 1)])
    return tuple((before[1] + 1, after[0] - 1) for before, after in gaps if before[1] + 1 < after[0])
