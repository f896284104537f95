"""The way in: a text and a record's facts go in, the least acuity that they call for comes out. Pure, and fast.

`services.triage` calls `Ruleset.assess` before anything else happens to a question, on the whole text, whatever state
the model is in. The rooms are entered once each, in this order:

    text      words, clauses, sentences, with their way back to the original
    language  which sentence is in which language
    lexicon   what is named (with `spelling`)
    assertion what is said of it
    numbers   what is measured
    second_reader  what the whole reads like
    rules     what that means (with `expressions`), and the checks of the record
    gate      what keeps a harmless answer from being given

The floor is the join of all of it. No step takes away what another found, so neither order nor added text lowers it,
but for a denial in the same clause. What the text asks of the software has no way in here: injected instructions only
raise a notice.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from service_chat.safety import gate
from service_chat.safety.assertion import SELF_HARM, VIOLENCE, judge
from service_chat.safety.cues import Cues, read_cues
from service_chat.safety.familiar import familiar
from service_chat.safety.findings import Findings
from service_chat.safety.language import Languages, Spoken, read_languages
from service_chat.safety.lexicon import Lexicon, read_concepts, read_lexicon
from service_chat.safety.matcher import Match
from service_chat.safety.numbers import Numbers, read_numbers
from service_chat.safety.orders import Orders, read_orders
from service_chat.safety.packaged import Packaged, all_of_it_stays, refuse
from service_chat.safety.questions import asked
from service_chat.safety.rules import Fired, Rule, Rules, read_rules
from service_chat.safety.second_reader import RULE as READER_RULE
from service_chat.safety.second_reader import Impression, SecondReader, Suspicion
from service_chat.safety.spelling import Speller, Spelling, read_speller
from service_chat.safety.templates import ENGLISH, Templates
from service_chat.safety.text import Text, read
from service_chat.safety.values import Acuity, Flag, Floor, Notice, RecordFacts, RedFlag

#: What another room adds to the rules: red flags from findings and record, and codes for the gate.
Check = Callable[[Findings, RecordFacts], "Checked"]

_MOST_QUESTIONS: Final = 4
_OVER_COMMAS: Final = SELF_HARM | VIOLENCE | {"forced_harm", "poisoned", "poison_substance", "eye_chemical"}
_INJECTION: Final = "injection_phrase"
#: An address, a card, a telephone or an insurance number: longer than any dose, date or blood pressure.
_PRIVATE = re.compile(r"\b[\w.+-]+@[\w-]+\.\w{2,}|(?<![\d/.])\d{3}-\d{2}-\d{4}\b|(?:\+?\d[ \-]?){9,}(?!\d)")


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found."""

    flags: tuple[RedFlag, ...] = ()
    gate: tuple[str, ...] = ()  #: codes of `gate`


@dataclass(frozen=True, slots=True)
class Heard:
    """What a text says, before anything is made of it."""

    findings: Findings
    spoken: Spoken
    bearing: gate.Bearing
    impression: Impression  #: what it reads like, whatever rules say


@dataclass(frozen=True, slots=True)
class Explained:
    """A floor with everything that led to it; for `check` and for tests."""

    floor: Floor
    findings: Findings
    fired: tuple[Fired, ...]
    nearly: tuple[Rule, ...]
    spoken: Spoken
    impression: Impression


@dataclass(frozen=True, slots=True)
class Ruleset:
    """All that safety knows. Loaded once at start, then shared by every request; nothing in it changes."""

    version: str  #: twelve digits that change with any byte of the data
    languages: Languages
    lexicon: Lexicon
    cues: Cues
    speller: Speller
    numbers: Numbers
    rules: Rules
    orders: Orders
    reader: SecondReader
    checks: tuple[Check, ...] = ()
    #: What flags are called, by language; rules say it in English more closely.
    flag_names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def load(cls, checks: Sequence[Check] = (), data: Packaged | None = None) -> "Ruleset":
        """Reads and checks the data, the packaged one if no other is given.

        Raises:
            RulesError: something in it is wrong; `details["problems"]` names all of it.
        """
        problems: list[str] = []
        with all_of_it_stays():
            ruleset = cls.read(problems, checks, data)
        refuse(problems)
        return ruleset

    @classmethod
    def read(cls, problems: list[str], checks: Sequence[Check] = (), data: Packaged | None = None) -> "Ruleset":
        """What can be read; what can not goes to `problems`, one sentence each."""
        data = data or Packaged()
        concepts = read_concepts(data, problems)
        lexicon = read_lexicon(data, concepts, problems)
        cues = read_cues(data, problems)
        languages = read_languages(data, lexicon.languages, problems)
        speller = read_speller(data, lexicon.matcher, cues.negators, languages, problems)
        numbers = read_numbers(data, problems)
        words = Templates.read(data, [])
        rules = read_rules(data, concepts, words.questions, problems)
        orders = read_orders(data, problems)
        reader = SecondReader.read(data, problems)
        parts = (languages, lexicon, cues, speller, numbers, rules, orders, reader, tuple(checks), words.flags)
        return cls(data.version, *parts)

    def assess(self, text: str, facts: RecordFacts | None = None) -> Floor:
        """The floor of a text. Never raises, whatever the text; a few milliseconds for 8,000 characters."""
        return self.explain(text, facts).floor

    def explain(self, text: str, facts: RecordFacts | None = None, language: str | None = None) -> Explained:
        """`assess`, with the way to its result.

        Args:
            language: look the text up in this language only, whatever it is written in.
        """
        return self.judge(self.hear(text, language), facts)

    def hear(self, text: str, language: str | None = None) -> Heard:
        """What a text says, by itself: most of the work, and the same whatever the record will be."""
        words = read(text)
        spoken = self.languages.tell(words, language)
        findings = self._find(words, spoken)
        known = familiar(words, spoken, self.languages, self.lexicon.matcher, self.speller)
        bearing = gate.bearing(findings, spoken, known, self.lexicon.concepts, self.speller.is_meant)
        return Heard(findings, spoken, bearing, self.reader.look(findings))

    def may_rise(self, heard: Heard) -> bool:
        """Whether some record could make an emergency of it, by a rule; `checks` are not asked."""
        return self.rules.possible(heard.findings, Acuity.EMERGENCY)

    def judge(self, heard: Heard, facts: RecordFacts | None = None) -> Explained:
        """What that comes to, with what is known of the patient by now."""
        known = facts or RecordFacts()
        findings, bearing = heard.findings, heard.bearing
        fired, nearly = self.rules.fired(findings, known)
        suspicion = heard.impression.suspicion
        checked = [check(findings, known) for check in self.checks]
        found = gate.codes(findings, bearing, self.lexicon.concepts, known, ruled=bool(fired))
        codes = tuple(dict.fromkeys((*found, *(code for check in checked for code in check.gate))))
        flags = [flag for each in fired if (flag := each.red_flag(findings)) is not None]
        flags += [flag for check in checked for flag in check.flags]
        if (names := self.flag_names.get(heard.spoken.language)) and heard.spoken.language != ENGLISH:
            flags = [replace(flag, label=names.get(flag.flag, flag.label)) for flag in flags]
        if suspicion is not None:
            flags.append(self._suspected(heard, suspicion, [flag.flag for flag in flags]))
        acuity = max(
            [gate.least(codes, bearing)] + [each.rule.acuity for each in fired] + [flag.acuity for flag in flags]
        )
        floor = Floor(
            acuity=acuity,
            flags=tuple(sorted(flags, key=lambda flag: (-flag.acuity, flag.rule))),
            notices=tuple(self._notices(findings, bearing.foreign)),
            language=heard.spoken.language,
            gate=codes,
            questions=tuple(asked(findings, known, fired, nearly, codes, acuity))[:_MOST_QUESTIONS],
        )
        return Explained(floor, findings, tuple(fired), tuple(nearly), heard.spoken, heard.impression)

    def _find(self, text: Text, spoken: Spoken) -> Findings:
        spelling = Spelling(self.speller, frozenset().union(*spoken.voices))
        matches = [match for match in self.lexicon.find(text, spoken, spelling.forms) if not _parted(text, match)]
        hits = judge(text, matches, self.cues, spoken.voices)
        return Findings(text, spoken.language, spoken.tongues, hits, self.numbers.find(text))

    def _suspected(self, heard: Heard, suspicion: Suspicion, named: Sequence[Flag]) -> RedFlag:
        danger = suspicion.danger(named)
        names = self.flag_names.get(heard.spoken.language) or self.flag_names.get(ENGLISH, {})
        return RedFlag(
            flag=danger,
            acuity=suspicion.acuity,
            rule=READER_RULE,
            label=names.get(danger, danger.value),
            evidence=(heard.findings.text.quote_words(suspicion.first, suspicion.last),),
            source=self.rules.source_of(danger),
        )

    def _notices(self, findings: Findings, foreign: bool) -> Iterable[Notice]:
        named = {hit.concept for hit in findings.hits}
        if findings.text.control_tokens or _INJECTION in named or self.orders.given(findings.text):
            yield Notice.PROMPT_INJECTION
        if _PRIVATE.search(findings.text.normal):
            yield Notice.PRIVACY
        if gate.OUT_OF_SCOPE in named and not any(self.lexicon.concepts[concept].symptom for concept in named):
            yield Notice.OUT_OF_SCOPE
        if foreign:
            yield Notice.LANGUAGE_UNSUPPORTED


def _parted(text: Text, match: Match) -> bool:
    """Whether a comma stands inside a match: "makes my eyes bleed, dark mode please" is no darkness before the eyes.

    Despair, violence and poisons are told over commas ("to get married, I'm 16"); another line may only be wrapped.
    """
    first, last = text.clauses[match.first], text.clauses[match.last]
    if first == last or match.payload in _OVER_COMMAS:
        return False
    return any(text.opened_by.get(clause) == "," for clause in range(first + 1, last + 1))
