"""What must not meet, as `data/interactions.toml` has it: two drugs, a drug and an illness, an age or an allergy. Pure.

`record_checks` reads the file with this once, at start, and holds its lines against a text. What is wrong with the file
is told all at once, one sentence each.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from service_chat.safety.drugs import DrugTable
from service_chat.safety.kinds import Kinds
from service_chat.safety.packaged import Table, table, texts
from service_chat.safety.values import Acuity, Flag

_ACUITIES: Final[Mapping[str, Acuity]] = {acuity.code: acuity for acuity in Acuity}


@dataclass(frozen=True, slots=True)
class Severity:
    asked: Acuity
    taken: Acuity
    signs: Acuity  #: a watched sign stands beside it

    @property
    def dangerous(self) -> bool:
        """Whether having taken it is an emergency before any sign."""
        return self.taken >= Acuity.EMERGENCY


@dataclass(frozen=True, slots=True)
class Hazard:
    """One line of the table."""

    rule: str  #: its id and version
    flag: Flag
    severity: Severity
    watch: tuple[str, ...]  #: concepts that would be the harm itself
    label: str
    source: str
    one: frozenset[str]  #: drugs or families
    other: frozenset[str]  #: drugs or families; conditions for a caution
    spared: frozenset[str] = frozenset()  #: drugs of `one` that it does not mean
    also: frozenset[str] = frozenset()  #: a third family that must be there
    under_years: float | None = None


@dataclass(frozen=True, slots=True)
class HazardFile:
    """interactions.toml, while it is read."""

    raw: Table
    drugs: DrugTable
    kinds: Kinds
    problems: list[str]

    def hazards(self, section: str, flag: Flag, one: str, other: str, prefix: str) -> Iterator[Hazard]:
        seen: set[str] = set()
        for at, entry in enumerate(texts(self.raw.get(section)), start=1):
            fields = table(entry)
            name = str(fields.get("id", at))
            if name in seen:
                self._wrong(section, name, "is there twice")
            seen.add(name)
            yield self.hazard(fields, f"{prefix}.{name}@{fields.get('version', 1)}", flag, one, other)

    def hazard(self, fields: Table, rule: str, flag: Flag, one: str, other: str) -> Hazard:
        known = self.drugs.classes
        others = {
            "condition": frozenset(kind.name for kind in self.kinds.conditions),
            "allergy": known | frozenset(kind.name for kind in self.kinds.allergens),
        }.get(other, known)
        source, label = str(fields.get("source", "")), str(fields.get("label", ""))
        if not source.startswith("https://") or not label:
            self._wrong("", rule, "needs a label and the https address of a public page")
        watch = fields.get("watch")
        if watch is not None and watch not in table(self.raw.get("watch")):
            self._wrong("", rule, f"watches {watch!r}, which is no list of signs")
        under, also = fields.get("under_years"), self._names(fields, "also", rule, known)
        return Hazard(
            rule=rule,
            flag=Flag.DRUG_INTERACTION if also else flag,
            severity=self.severity(fields.get("severity")),
            watch=tuple(str(name) for name in texts(table(self.raw.get("watch")).get(str(watch)))),
            label=label,
            source=source,
            one=self._names(fields, one, rule, known),
            other=self._names(fields, "with", rule, known) or self._names(fields, other, rule, others),
            spared=self._names(fields, "except", rule, known),
            also=also,
            under_years=float(under) if isinstance(under, int | float) else None,
        )

    def severity(self, name: object) -> Severity:
        fields = table(table(self.raw.get("severity")).get(str(name)))
        levels = [_ACUITIES.get(str(fields.get(key))) for key in ("asked", "taken", "signs")]
        asked, taken, signs = (Acuity.URGENT if level is None else level for level in levels)
        if None in levels or not asked <= taken <= signs:
            self.problems.append(
                f"interactions.toml: severity {name!r} needs asked, taken and signs, none below the one before"
            )
        return Severity(asked, taken, signs)

    def _names(self, fields: Table, key: str, rule: str, known: frozenset[str]) -> frozenset[str]:
        names = frozenset(str(name) for name in texts(fields.get(key))) if key else frozenset()
        for name in sorted(names - known):
            self._wrong(key, rule, f"names {name!r}, which is in no table")
        return names

    def _wrong(self, place: str, rule: str, what: str) -> None:
        self.problems.append(f"interactions.toml: {rule} {place} {what}")
