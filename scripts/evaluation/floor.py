"""Answers by the rules alone, in this process: what the service says with its model switched off.

The first of the two answerers; `service` is the other. Called by `__main__`.
"""

from datetime import date
from typing import Self

from typing_extensions import override

from scripts.evaluation.outcomes import Answerer, Outcome
from scripts.evaluation.vignettes import Vignette
from service_chat.safety.assess import Ruleset
from service_chat.safety.facts import FactTables, facts_of
from service_chat.safety.record_checks import Tables


class FloorAnswers(Answerer):
    def __init__(self, ruleset: Ruleset, tables: FactTables, today: date) -> None:
        self._ruleset, self._tables, self._today = ruleset, tables, today

    @classmethod
    def load(cls, today: date) -> Self:
        """The packaged rules with the checks of the record.

        Raises:
            RulesError: They contradict themselves.
        """
        tables = Tables.load()
        return cls(Ruleset.load([tables.check]), tables.facts, today)

    @override
    def answer(self, vignette: Vignette) -> Outcome:
        facts = None if vignette.patient is None else facts_of(vignette.record(self._today), self._tables)
        floor = self._ruleset.assess(vignette.text, facts)
        return Outcome(floor.acuity, frozenset(flag.flag for flag in floor.flags), frozenset(floor.notices))
