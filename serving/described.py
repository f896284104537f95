"""What a metric says of itself: for docs/metrics.md, for HELP lines, and for the test that no label grows without end.

`metrics` keeps one `Described` for each metric it makes. A label names all the values that it can have, or says in
words what bounds them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]

#: Name endings and what they count; Prometheus keeps to base units.
_UNITS = {"_seconds": "seconds", "_bytes": "bytes", "_info": "-", "_timestamp": "seconds since 1970"}


@dataclass(frozen=True, slots=True)
class Label:
    name: str
    values: tuple[str, ...] = ()  #: all that there can be; empty where they can not be listed
    of: str = ""  #: what the values are, where they are not listed
    early: tuple[str, ...] = ()  #: some of those, which are there before the first of their events


@dataclass(frozen=True, slots=True)
class Described:
    name: str  #: as it is exported, a counter with `_total`
    kind: Kind
    sentence: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()  #: upper bounds, of a histogram
    unit: str = ""

    @property
    def told_unit(self) -> str:
        """The unit, taken from the name where none was given."""
        name = self.name.removesuffix("_total")
        return self.unit or next((unit for end, unit in _UNITS.items() if name.endswith(end)), "number")


def labels_of(given: Sequence[Label | str]) -> tuple[Label, ...]:
    return tuple(Label(label) if isinstance(label, str) else label for label in given)
