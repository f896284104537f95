"""The drugs of a case: those that a text speaks of and those of the record, in one form. Pure.

Made by `record_checks`, which lets them meet.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from service_chat.safety.drugs import DrugTable
from service_chat.safety.talk import Drug, Mode
from service_chat.safety.values import RecordFacts


@dataclass(frozen=True, slots=True)
class Party:
    """One of two drugs that meet."""

    classes: frozenset[str]
    substances: frozenset[str]
    id: str
    mode: Mode
    own: bool
    shown: str
    recorded: bool

    def is_one_of(self, families: frozenset[str]) -> bool:
        return not self.classes.isdisjoint(families)

    def same_as(self, other: "Party") -> bool:
        """Whether both may be one thing: a shared substance, or a family and a drug of it."""
        if self.substances and other.substances:
            return not self.substances.isdisjoint(other.substances)
        return self.id in other.classes or other.id in self.classes


def spoken(drug: Drug) -> Party:
    return Party(drug.classes, frozenset(drug.substances), drug.id, drug.mode, drug.own, drug.surface, recorded=False)


def recorded(facts: RecordFacts, drugs: DrugTable) -> Iterator[Party]:
    """The record's drugs, put together again from their classes."""
    by_display: dict[str, set[str]] = defaultdict(set)
    for name, display in facts.drugs:
        by_display[display].add(name)
    for display, classes in by_display.items():
        substances = frozenset(
            name for name in classes if name in drugs.entries and drugs.entries[name].substances == (name,)
        )
        yield Party(frozenset(classes), substances, display, Mode.NAMED, own=True, shown=display, recorded=True)
