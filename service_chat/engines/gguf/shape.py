"""How an engine is cut: its slots, its cells, and how much of a prompt is read in a step.

Made by `opening` from the settings and what the file allows; `engine` and the rooms of its step keep to it.
"""

from dataclasses import dataclass
from typing import ClassVar

#: Tokens of a guess at most.
LONGEST_DRAFT = 6


@dataclass(frozen=True, slots=True)
class Shape:
    slots: int
    n_ctx: int  #: tokens of one request, prompt and answer
    cells: int  #: tokens of all together, what is kept included
    prefixes: int = 4  #: what was read for a scope, kept
    chunk: int = 64  #: prompt tokens in a step while somebody's answer is being written
    chunk_quiet: int = 256  #: … and while nobody's is

    #: Sequences for the pinned system part and for another one that a caller brings.
    SHARED: ClassVar[int] = 2
    #: Cells beyond prompt and answer that a request may need for guesses.
    SPARE: ClassVar[int] = LONGEST_DRAFT

    @property
    def sequences(self) -> int:
        return self.slots + self.SHARED + self.prefixes

    @property
    def rows(self) -> int:
        return max(self.chunk, self.chunk_quiet) + self.slots * (1 + LONGEST_DRAFT)
