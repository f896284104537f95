"""The parts of `bench.triage`: each measures one thing, can be run alone, and says which promises it speaks to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.verdict import Line


@dataclass(frozen=True, slots=True)
class Part:
    """What one part found."""

    paragraphs: Sequence[str]  #: Markdown
    lines: Sequence[Line]
    figures: Mapping[str, object]  #: for the JSON report


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of everything a run measures."""

    rounds: int
    chats: int = 8
    max_tokens: int = 64
