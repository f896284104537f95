"""A drug in the text against the patient: allergies, other drugs, pregnancy, organs, age. Pure.

`wiring` hands `Tables.check` to `Ruleset.load`, which calls it for every text. The table is short and says so: a drug
that was asked about and found nowhere in it yields the gate code `not_checked`, never the word "safe".

How urgent: a question waits for a clinician within the day (`asked`); what has been taken may not (`taken`); with a
sign of the very harm beside it, it is an emergency (`signs`). A sore knee beside ibuprofen is no sign of bleeding.

Everything here only adds. More drugs, conditions or allergies in the record can only add pairs, so they can only raise
the floor; whether a drug counts as new to the patient is told by the text ("my warfarin"), never by the record.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

from service_chat.safety.assess import Checked
from service_chat.safety.drugs import DrugTable
from service_chat.safety.facts import FactTables
from service_chat.safety.findings import Findings, quotes
from service_chat.safety.gate import NOT_CHECKED
from service_chat.safety.hazards import Hazard, HazardFile, Severity
from service_chat.safety.kinds import Kinds
from service_chat.safety.packaged import Packaged, refuse, table, texts
from service_chat.safety.parties import Party, recorded, spoken
from service_chat.safety.talk import Mode, Talk, TalkTable
from service_chat.safety.values import Acuity, Flag, RecordFacts, RedFlag

#: The class by which `facts` marks an allergy with a grave reaction.
_SEVERE: Final = "severe"


@dataclass(frozen=True, slots=True)
class Tables:
    """All that is checked. Made once at start."""

    drugs: DrugTable
    kinds: Kinds
    talk: TalkTable
    pairs: tuple[Hazard, ...]
    cautions: tuple[Hazard, ...]
    crosses: tuple[Hazard, ...]
    families: frozenset[str]  #: sharing one is an allergy to the same thing
    allergy: Hazard
    grave: Severity
    duplicate: Hazard
    casual: frozenset[str]
    version: str  #: twelve digits that change with any byte of these tables

    @classmethod
    def load(cls) -> "Tables":
        """
        Raises:
            RulesError: A packaged table is wrong; `details["problems"]` names all of it.
        """
        problems: list[str] = []
        tables = cls.read(Packaged(), problems)
        refuse(problems)
        return tables

    @classmethod
    def read(cls, packaged: Packaged, problems: list[str]) -> "Tables":
        """What can be read; what can not goes to `problems`, one sentence each."""
        drugs, kinds = DrugTable.read(packaged, problems), Kinds.read(packaged, problems)
        file = HazardFile(packaged.read("interactions.toml", problems), drugs, kinds, problems)
        allergy = table(file.raw.get("allergy"))
        casual = table(packaged.read("drugs.toml", problems).get("casual"))
        return cls(
            drugs=drugs,
            kinds=kinds,
            talk=TalkTable.read(packaged, problems),
            pairs=tuple(file.hazards("pair", Flag.DRUG_INTERACTION, "a", "b", "interaction")),
            cautions=tuple(file.hazards("caution", Flag.MEDICATION_TOXICITY, "drug", "condition", "caution")),
            crosses=tuple(file.hazards("cross", Flag.ALLERGY_CONFLICT, "drug", "allergy", "allergy_cross")),
            families=frozenset(str(name) for name in texts(allergy.get("families"))),
            allergy=file.hazard(allergy, "allergy.same@1", Flag.ALLERGY_CONFLICT, "", ""),
            grave=file.severity(allergy.get("grave")),
            duplicate=file.hazard(
                table(file.raw.get("duplicates")), "duplicate.substance@1", Flag.MEDICATION_TOXICITY, "substances", ""
            ),
            casual=frozenset(str(name) for name in texts(casual.get("ids"))),
            version=packaged.version,
        )

    @property
    def facts(self) -> FactTables:
        """What `facts_of` needs, from the same files."""
        return FactTables(self.drugs, self.kinds)

    def check(self, findings: Findings, facts: RecordFacts) -> Checked:
        """The red flags of the drugs in a text, and `not_checked` for a question that the tables can not answer."""
        return check(findings, facts, self)

    def may_rise(self, findings: Findings) -> bool:
        """Whether some record could make an emergency of the drugs in a text; none can of those only asked about."""
        drugs = self.talk.drugs_in(findings, self.drugs).drugs
        return bool(drugs) and (
            any(drug.mode is not Mode.ASKED for drug in drugs)
            or any(hazard.severity.asked >= Acuity.EMERGENCY for hazard in (*self.pairs, *self.cautions, *self.crosses))
            or max(self.allergy.severity.asked, self.grave.asked, self.duplicate.severity.asked) >= Acuity.EMERGENCY
        )


def check(findings: Findings, facts: RecordFacts, tables: Tables) -> Checked:
    """See `Tables.check`."""
    talk = tables.talk.drugs_in(findings, tables.drugs)
    if not talk.drugs:
        return Checked(gate=(NOT_CHECKED,) if talk.asks else ())
    case = _Case(findings, facts, talk, tables)
    flags: dict[str, RedFlag] = {}
    for flag in (*case.allergies(), *case.interactions(), *case.cautions(), *case.duplicates()):
        known = flags.get(flag.rule)
        flags[flag.rule] = flag if known is None else _joined(known, flag)
    return Checked(tuple(flags.values()), (NOT_CHECKED,) if talk.asks and not flags else ())


class _Case:
    """One text and one record."""

    def __init__(self, findings: Findings, facts: RecordFacts, talk: Talk, tables: Tables) -> None:
        self._findings = findings
        self._facts = facts
        self._talk = talk
        self._tables = tables
        self._spoken = tuple(spoken(drug) for drug in talk.drugs)
        # A text of nothing but drugs must not cost the square of its length: one drug said alike is one party.
        self._distinct = tuple({(party.id, party.mode, party.own): party for party in reversed(self._spoken)}.values())[
            ::-1
        ]
        self._recorded = tuple(recorded(facts, tables.drugs))

    def interactions(self) -> Iterator[RedFlag]:
        parties = (*self._distinct, *self._recorded)
        here = frozenset().union(*(party.classes for party in parties))
        for pair in self._tables.pairs:
            if pair.one.isdisjoint(here) or pair.other.isdisjoint(here):
                continue
            left = [party for party in parties if party.is_one_of(pair.one)]
            right = [party for party in parties if party.is_one_of(pair.other)]
            for a, b in product(left, right):
                one, other = (b, a) if a.recorded else (a, b)
                if not one.recorded and not one.same_as(other):
                    yield from self._met(pair, one, other)

    def cautions(self) -> Iterator[RedFlag]:
        conditions: list[tuple[str, str]] | None = None
        ages = [*self._findings.values("age_years"), *_known(self._facts.age_years)]
        for one in self._distinct:
            for caution in self._tables.cautions:
                if not one.is_one_of(caution.one) or not one.classes.isdisjoint(caution.spared):
                    continue
                conditions = self._conditions() if conditions is None else conditions
                shown = [display for name, display in conditions if name in caution.other]
                young = caution.under_years is not None and any(age < caution.under_years for age in ages)
                if caution.also:
                    yield from self._three(caution, one)
                elif shown or young:
                    yield from self._alone(caution, one, tuple(display for display in shown if display))

    def allergies(self) -> Iterator[RedFlag]:
        rows = (*self._facts.allergies, *self._talk.allergies)
        grave = {display for name, display in rows if name == _SEVERE}
        by_display: dict[str, set[str]] = defaultdict(set)
        for name, display in rows:
            by_display[display].add(name)
        for one in self._distinct:
            for display, classes in by_display.items():
                shared = classes & one.classes
                if shared & self._tables.families or shared & one.substances:
                    hazard = self._tables.allergy
                    if display in grave:
                        hazard = replace(hazard, severity=self._tables.grave)
                    yield from self._alone(hazard, one, (display,))
                    continue
                for cross in self._tables.crosses:
                    if one.is_one_of(cross.one) and not classes.isdisjoint(cross.other):
                        yield from self._alone(cross, one, (display,))

    def duplicates(self) -> Iterator[RedFlag]:
        """One substance in two products. The same word twice, or a brand for its substance, is one drug."""
        hazard = self._tables.duplicate
        hiding = [party for party in self._spoken if party.substances & hazard.one]
        for at, one in enumerate(hiding):
            for other in (*hiding[at + 1 :], *self._recorded):
                if not one.substances & other.substances & hazard.one:
                    continue
                asked = Mode.ASKED in {one.mode, other.mode} and not other.recorded
                if one.substances != other.substances or (asked and one.shown.casefold() != other.shown.casefold()):
                    yield from self._met(hazard, one, other)

    def _met(self, hazard: Hazard, one: Party, other: Party) -> Iterator[RedFlag]:
        """Two drugs that must not meet, as a flag with the urgency that the text gives it."""
        signs = self._signs(hazard) if Mode.ASKED not in {one.mode, other.mode} else ()
        taken = one.mode is Mode.TAKEN or (other.mode is Mode.TAKEN and not other.recorded)
        if other.recorded and not signs:
            if one.own and not (hazard.severity.dangerous and taken):
                return  # both are the patient's own already; whoever prescribed them knew
            if one.id in self._tables.casual and one.mode is not Mode.ASKED:
                return
        both_in = taken and (hazard.severity.dangerous or Mode.ASKED not in {one.mode, other.mode})
        shown = (other.shown,) if other.recorded else ()
        words = (one.shown,) if other.recorded else (one.shown, other.shown)
        yield self._flag(hazard, _level(hazard.severity, both_in, bool(signs)), words, signs, shown)

    def _alone(self, hazard: Hazard, one: Party, record: tuple[str, ...]) -> Iterator[RedFlag]:
        """A drug that does not suit this patient."""
        signs = self._signs(hazard) if one.mode is not Mode.ASKED else ()
        level = _level(hazard.severity, one.mode is Mode.TAKEN, bool(signs))
        yield self._flag(hazard, level, (one.shown,), signs, record)

    def _three(self, caution: Hazard, one: Party) -> Iterator[RedFlag]:
        others = (*self._recorded, *(party for party in self._spoken if party is not one))
        second = [party for party in others if party.is_one_of(caution.other)]
        third = [party for party in others if party.is_one_of(caution.also)]
        if second and third:
            yield from self._alone(caution, one, tuple(party.shown for party in (*second, *third) if party.recorded))

    def _conditions(self) -> list[tuple[str, str]]:
        """Classes of the record, with displays, and those that the text tells of itself, without."""
        found = list(self._facts.conditions)
        found += [(kind.name, "") for kind in self._tables.kinds.conditions if self._findings.present(*kind.said)]
        if self._facts.pregnant:
            found.append(("pregnancy", ""))
        return found

    def _signs(self, hazard: Hazard) -> tuple[str, ...]:
        return quotes(self._findings, self._findings.present(*hazard.watch))

    def _flag(
        self, hazard: Hazard, acuity: Acuity, words: tuple[str, ...], signs: tuple[str, ...], record: tuple[str, ...]
    ) -> RedFlag:
        return RedFlag(
            flag=hazard.flag,
            acuity=acuity,
            rule=hazard.rule,
            label=hazard.label,
            evidence=tuple(dict.fromkeys((*words, *signs))),
            record=tuple(dict.fromkeys(record)),
            source=hazard.source,
        )


def _level(severity: Severity, taken: bool, signs: bool) -> Acuity:
    return max([severity.asked, *([severity.taken] if taken else []), *([severity.signs] if signs else [])])


def _joined(one: RedFlag, other: RedFlag) -> RedFlag:
    """Two of one rule: the graver urgency, the words of both."""
    return replace(
        one,
        acuity=max(one.acuity, other.acuity),
        evidence=tuple(dict.fromkeys((*one.evidence, *other.evidence))),
        record=tuple(dict.fromkeys((*one.record, *other.record))),
    )


def _known(value: float | None) -> Iterable[float]:
    return () if value is None else (value,)
