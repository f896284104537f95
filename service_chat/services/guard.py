"""The rules, the fixed words and the tables behind them, as the triage use case asks for them. Pure; loaded once.

What is decided here is decided before any model is asked and whatever becomes of it: `safety` finds the floor,
`composed` puts the answer together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from service_chat.records.ports import PatientRecord
from service_chat.safety.assess import Heard, Ruleset
from service_chat.safety.facts import facts_of
from service_chat.safety.record_checks import Tables
from service_chat.safety.templates import PhoneNumber, Templates
from service_chat.safety.values import Acuity, Floor
from service_chat.services.answer_form import ModelAnswer
from service_chat.services.composed import Composed, House, compose, emergency_notice
from service_chat.services.condition_names import condition_names
from service_chat.services.context import Context
from service_chat.services.fitting import Fitted
from service_chat.services.grounding import Vocabulary
from service_chat.services.settled import Opinion
from service_chat.services.spoken import fixed_words_only

#: Words of many beginnings.
_FIRST = "Since yesterday I have had a fever, my head hurts and I am sick; can I take my tablets?"


class Guard:
    def __init__(self, rules: Ruleset, tables: Tables, house: House) -> None:
        self.house = house
        self._rules, self._tables = rules, tables

    @classmethod
    def load(cls, region: str, model_up_to: Acuity) -> "Guard":
        """
        Raises:
            RulesError: The packaged rules contradict themselves; all that is wrong is named.
        """
        tables = Tables.load()
        vocabulary = Vocabulary(tables.drugs, condition_names())
        rules = Ruleset.load((tables.check,))
        guard = cls(rules, tables, House(Templates.load(), vocabulary, region, model_up_to, rules.languages))
        # What a first question pays for, twenty milliseconds, is paid before there is one: it may be an emergency.
        guard.of_text(guard.hear(_FIRST))
        return guard

    @property
    def version(self) -> str:
        """Of the rules: changes with every rule, word and table."""
        return f"{self._rules.version}-{self._tables.version}"

    def hear(self, query: str) -> Heard:
        """What a question says: read once, and judged with and without the record."""
        return self._rules.hear(query)

    def of_text(self, heard: Heard) -> Floor:
        """What the question calls for by itself."""
        return self._rules.judge(heard).floor

    def of_record(self, heard: Heard, record: PatientRecord) -> Floor:
        """What question and record call for together; never less than the question by itself."""
        return self._rules.judge(heard, facts_of(record, self._tables.facts)).floor

    def record_matters(self, heard: Heard) -> bool:
        """Whether some record could make an emergency of the question; none can of most."""
        return self._rules.may_rise(heard) or self._tables.may_rise(heard.findings)

    def answer(
        self,
        floor: Floor,
        context: Context | None = None,
        shown: Fitted | None = None,
        model: ModelAnswer | None = None,
        opinion: Opinion | None = None,
    ) -> Composed:
        """See `compose`."""
        return compose(floor, context=context, house=self.house, shown=shown, model=model, opinion=opinion)

    def notice(self, floor: Floor) -> str | None:
        """What must be said at once, in fixed words; None where no rule fired that is urgent or worse."""
        return emergency_notice(floor, self.house.words, self.house.region)

    @property
    def emergency_number(self) -> PhoneNumber:
        """The region's."""
        return self.house.words.emergency_number(self.house.region)

    def numbers(self, notice: str | None) -> Sequence[PhoneNumber]:
        """Whom a notice says to call."""
        return self.house.words.numbers(notice, self.house.region) if notice is not None else ()

    def told(self, floor: Floor) -> Mapping[str, object]:
        """Members of a problem that is told instead of an answer. Empty where no rule fired."""
        if not floor.flags:
            return {}
        notice = self.notice(floor)
        return {
            "acuity_floor": floor.acuity.code,
            "red_flags": list(dict.fromkeys(flag.flag.value for flag in floor.flags)),
            "emergency_notice": notice,
            "emergency_numbers": [asdict(number) for number in self.numbers(notice)],
        }


def needs_no_model(floor: Floor) -> bool:
    """Whether fixed words are all that may be said, so that they can be said at once."""
    return floor.emergency or fixed_words_only(floor)
