"""What was found in a text before any rule looks at it: hits of concepts, readings of numbers.

`assess` makes one `Findings` for a text; `rules`, `gate` and `record_checks` read it. Values only.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from service_chat.safety.text import Text
from service_chat.safety.values import Assertion


@dataclass(frozen=True, slots=True)
class Hit:
    """A concept named in a text. Words are counted as in `Text.words`."""

    concept: str
    language: str  #: whose lexicon named it
    first: int
    last: int
    words: tuple[int, ...]  #: those the pattern names; what fills a gap is not among them
    clause: int  #: as `assertion` cut the text, finer than `Text.clauses`
    block: int
    assertion: Assertion


@dataclass(frozen=True, slots=True)
class Reading:
    """A quantity read from the text, in the unit of its name (`numbers.QUANTITIES`)."""

    quantity: str
    value: float
    start: int  #: in `Text.normal`
    end: int


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that rules may know of a text."""

    text: Text
    language: str  #: of most of it, ISO 639-1, or `und`
    #: For each sentence the languages that were looked in; empty where none of ours is written there.
    tongues: tuple[tuple[str, ...], ...]
    hits: tuple[Hit, ...]
    readings: tuple[Reading, ...]

    def present(self, *concepts: str) -> tuple[Hit, ...]:
        """Hits of these concepts that the text asserts."""
        return tuple(hit for hit in self.hits if hit.concept in concepts and hit.assertion is Assertion.PRESENT)

    def quote(self, hit: Hit) -> str:
        """The caller's own words, as they were written."""
        return self.text.quote_words(hit.first, hit.last)

    def values(self, quantity: str) -> tuple[float, ...]:
        return tuple(reading.value for reading in self.readings if reading.quantity == quantity)


def quotes(findings: Findings, hits: Iterable[Hit]) -> tuple[str, ...]:
    """The words of several hits, in the order of the text, each once."""
    ordered = sorted(hits, key=lambda hit: (hit.first, hit.last))
    return tuple(dict.fromkeys(findings.quote(hit) for hit in ordered))
