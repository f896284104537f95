"""Where sentences begin and end in text as people type it, in any language. Pure.

Used by the rooms that shorten or cut text by whole sentences: `fitting`, `redaction`, `grounding`. The safety rules
have a reader of their own, which works on normalised text.
"""

import re
from collections.abc import Iterator

#: An end mark counts with a blank or the end behind it, so that 98.6 and e.g. "b.i.d." are not torn apart; the marks of
#: scripts that write no blanks always count.
_END = re.compile(r"[.!?…]+[\"')\]»”]*(?=\s|$)|[\u3002\uff01\uff1f\u0964\u0965\u061f]+[\"')」』]*|\n+")
_BLANK = re.compile(r"\s")


def sentence_spans(text: str, longest: int | None = None) -> Iterator[tuple[int, int]]:
    """Start and end of each, blanks around it left out, none empty, in order.

    With `longest`, one that has more characters is cut into pieces of at most so many, at a blank where there is one.
    """
    start = 0
    for match in _END.finditer(text):
        yield from _pieces(text, start, match.end(), longest)
        start = match.end()
    yield from _pieces(text, start, len(text), longest)


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


def without_stump(text: str) -> str:
    """A text that was cut off somewhere, up to its last whole sentence; up to its last word where there is none."""
    spans = list(sentence_spans(text))
    if not spans or any(match.end() == spans[-1][1] for match in _END.finditer(text)):
        return text
    if len(spans) > 1:
        return text[: spans[-2][1]]
    words = text.rsplit(maxsplit=1)
    return f"{words[0] if len(words) > 1 else text} …"


def _pieces(text: str, start: int, end: int, longest: int | None) -> Iterator[tuple[int, int]]:
    while start < end:
        while start < end and text[start].isspace():
            start += 1
        stop = end if longest is None or end - start <= longest else _cut(text, start, start + longest)
        last = stop
        while last > start and text[last - 1].isspace():
            last -= 1
        if last > start:
            yield start, last
        start = stop


def _cut(text: str, start: int, stop: int) -> int:
    """`stop`, or the last blank in the second half before it."""
    for at in range(stop, (start + stop) // 2, -1):
        if _BLANK.match(text, at):
            return at
    return stop
