"""What a grammar forces to come next, so that it can be read like a prompt instead of being drawn. Pure.

Called by `sampling` for answers of a given form: braces, keys and the rest of an enum's word are certain before any
model looks at them. What is allowed is judged by llama.cpp's own grammar and not here. A text that could stand at too
many places of its grammar is lost: llama.cpp would follow all of them, for minutes, while everybody waits.
"""

from contextlib import suppress

from service_chat.engines.gguf.gbnf import Grammar, Item, read

#: Places in the grammar at the same time; an ambiguous one has more and more of them.
_MOST_STACKS = 256
#: The stack with nothing on it: the text may end here.
_END = 0


class _TooWide(Exception):
    """The text could stand at too many places of the grammar."""


class Forced:
    """One answer, followed through its grammar. A grammar is read once however many answers have it."""

    def __init__(self, gbnf: str) -> None:
        self._grammar = read(gbnf) or Grammar(items=(), starts=((),))  # which fits nothing
        #: A stack is a place in the grammar and the stack to go on with behind it; its number stands for it.
        self._stacks: list[tuple[int, int]] = [(-1, -1)]
        self._numbers: dict[tuple[int, int], int] = {}
        self._tops: dict[int, frozenset[int]] = {_END: frozenset({_END})}
        #: All stacks the text so far may have led to; empty once it has given up.
        self._state: frozenset[int] = frozenset()
        with suppress(_TooWide):  # of a left-recursive grammar, which llama.cpp refuses as well
            self._state = self._begin()

    def advance(self, text: str) -> bool:
        """`text`, whole characters, came next. False: it does not fit or can not be followed, now and for good."""
        try:
            for character in text:
                self._state = self._after(self._state, ord(character))
        except _TooWide:
            self._state = frozenset()
        return bool(self._state)

    def next(self, limit: int = 64) -> str:
        """What every continuation begins with, at most `limit` characters; "" where there is a choice."""
        state, text = self._state, ""
        with suppress(_TooWide):
            while len(text) < limit and (code := self._only(state)) is not None:
                text += chr(code)
                state = self._after(state, code)
        return text

    @property
    def complete(self) -> bool:
        """The text is whole and nothing may follow it."""
        return self._state == {_END}

    @property
    def lost(self) -> bool:
        """The text can not be followed: there are too many places where it could stand, or none."""
        return not self._state

    def _begin(self) -> frozenset[int]:
        starts = self._grammar.starts[0]
        return frozenset().union(*(self._open(self._stack(start, _END)) for start in starts))

    def _only(self, state: frozenset[int]) -> int | None:
        """The one character that may come, if there is only one and the text may not end instead."""
        options = {self._item(stack) if stack != _END else None for stack in state}
        if len(options) != 1:
            return None
        (chars,) = options
        if not isinstance(chars, tuple) or len(chars) != 1 or chars[0][0] != chars[0][1]:
            return None
        return chars[0][0]

    def _after(self, state: frozenset[int], code: int) -> frozenset[int]:
        found: set[int] = set()
        for stack in state - {_END}:
            chars = self._item(stack)
            if isinstance(chars, tuple) and any(low <= code <= high for low, high in chars):
                place, behind = self._stacks[stack]
                found |= self._open(self._stack(place + 1, behind))
                if len(found) > _MOST_STACKS:
                    raise _TooWide
        return frozenset(found)

    def _open(self, stack: int) -> frozenset[int]:
        """The stacks with characters on top, or `_END`, that `stack` comes to before the next character."""
        known = self._tops.get(stack)
        if known is not None:
            return known
        todo, seen, tops = [stack], {stack}, set[int]()
        while todo:
            current = todo.pop()
            item = self._item(current) if current != _END else None
            if not isinstance(item, int):
                tops.add(current)
                continue
            place, behind = self._stacks[current]
            rest = self._stack(place + 1, behind)
            new = {self._stack(start, rest) for start in self._grammar.starts[item]} - seen
            seen |= new
            todo += new
            if len(seen) > _MOST_STACKS:
                raise _TooWide
        self._tops[stack] = frozenset(tops)
        return self._tops[stack]

    def _stack(self, place: int, behind: int) -> int:
        """The number of a stack. At the end of an alternate it is the one behind, so that loops do not grow."""
        if self._grammar.items[place] is None:
            return behind
        number = self._numbers.setdefault((place, behind), len(self._stacks))
        if number == len(self._stacks):
            self._stacks.append((place, behind))
        return number

    def _item(self, stack: int) -> Item:
        return self._grammar.items[self._stacks[stack][0]]
