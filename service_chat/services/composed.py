"""The answer put together: what the rules hold, what the record says, and what of the model's words may stand. Pure.

Called by the triage use case when all of these are known, and for an emergency before any model was asked. The order is
the point: the acuity is settled first, by a join that no opinion can lower; fixed words follow from it; a model's words
come last, below them, and only those that are left when everything strange and everything soothing is taken out.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from service_chat.safety.gate import NOT_CHECKED
from service_chat.safety.language import Languages
from service_chat.safety.templates import PhoneNumber
from service_chat.safety.values import Acuity, Flag, Floor, Notice, RedFlag
from service_chat.services.answer_form import MOST_ENTRIES, ModelAnswer
from service_chat.services.coherence import Fault
from service_chat.services.context import Context
from service_chat.services.fitting import Fitted
from service_chat.services.grounding import Vocabulary
from service_chat.services.record_answer import facts_of
from service_chat.services.settled import Opinion, Source, settle
from service_chat.services.spoken import ModelText, fixed_words_only, speak

#: The notice that stands under every answer.
DISCLAIMER: Final = "disclaimer"
#: An emergency's text must be read in one look.
_MOST_REASONS = 3


class Words(Protocol):
    """Fixed words in a language, as said in a region. `safety.templates.Templates` is one."""

    def acuity(self, acuity: Acuity, language: str, region: str, /) -> str: ...

    def crisis(self, code: str, language: str, region: str, /) -> str: ...

    def notice(self, code: str, language: str, region: str, /) -> str: ...

    def question(self, code: str, language: str, /) -> str: ...

    def emergency_number(self, region: str, /) -> PhoneNumber: ...

    def numbers(self, text: str, region: str, /) -> Sequence[PhoneNumber]: ...


@dataclass(frozen=True, slots=True)
class Citation:
    """An item of the record that the answer rests on, as the record has it."""

    id: str
    kind: str
    text: str
    date: date | None
    source: str


@dataclass(frozen=True, slots=True)
class Composed:
    """All that a caller gets of an answer, but for what the doors add: numbers, times, versions."""

    acuity: Acuity
    acuity_source: Source
    gate: tuple[str, ...]  #: what kept it from being `self_care`
    red_flags: tuple[RedFlag, ...]
    notices: tuple[Notice, ...]
    emergency_notice: str | None  #: fixed words, where a rule fired that is urgent or worse, or it is an emergency
    next_steps: tuple[str, ...]  #: fixed words first
    questions: tuple[str, ...]  #: what rules would like to know first
    citations: tuple[Citation, ...]
    ungrounded_terms: tuple[str, ...]  #: what the model wrote that neither record nor question names; it was cut
    disclaimer: str
    response: str  #: the text to show
    model_text: ModelText
    language: str
    faults: tuple[Fault, ...] = ()  #: of the model's sentences that nobody can have meant; they were cut


@dataclass(frozen=True, slots=True)
class House:
    """What is the same for every answer of one deployment."""

    words: Words
    vocabulary: Vocabulary
    region: str
    #: The highest that a model's word alone can raise an answer to. See `settled`.
    model_up_to: Acuity = Acuity.EMERGENCY_NOW
    #: By which it is told that a model writes another language than it was asked to; None: any will do.
    languages: Languages | None = None


def compose(
    floor: Floor,
    *,
    context: Context | None,
    house: House,
    shown: Fitted | None = None,
    model: ModelAnswer | None = None,
    opinion: Opinion | None = None,
) -> Composed:
    """`context`: None where the record could not be read; `shown`: what the model was told of record and question.

    `model`: None where none was asked, or what it wrote is not of the form. Without `shown` it has nothing to stand on.
    `opinion`: what the model is held to, whose words these are; None: to the level among them. See `opinions`.
    """
    counts = opinion or Opinion(model.acuity if model is not None else None)
    settled = settle(floor, record_read=context is not None, model=counts, up_to=house.model_up_to)
    spoken = speak(floor, settled.acuity, shown, model, house.vocabulary, house.languages)
    language, region, words = floor.language, house.region, house.words
    disposition = words.acuity(settled.acuity, language, region)
    notice = emergency_notice(floor, words, region, settled.acuity)
    asked = [words.question(code, language) for code in floor.questions]
    questions = tuple(_few([*asked, *spoken.questions]))
    codes = [notice.value for notice in floor.notices] + [NOT_CHECKED] * (NOT_CHECKED in settled.gate)
    told = [words.notice(code, language, region) for code in codes]
    by_software = words.notice("ai", language, region)
    # Where no model explains, the record at least says what it says.
    shows_facts = not spoken.rationale and settled.acuity < Acuity.EMERGENCY and not fixed_words_only(floor)
    return Composed(
        acuity=settled.acuity,
        acuity_source=settled.source,
        gate=settled.gate,
        red_flags=floor.flags,
        notices=floor.notices,
        emergency_notice=notice,
        next_steps=(disposition, *spoken.next_steps),
        questions=questions,
        citations=_citations(shown, model) if spoken.became in ("whole", "cut") else (),
        ungrounded_terms=spoken.ungrounded,
        disclaimer=f"{by_software} {words.notice(DISCLAIMER, language, region)}",
        response=_paragraphs(
            notice or disposition,
            "" if fixed_words_only(floor) else _listed(_reasons(floor)),
            spoken.rationale,
            _listed(spoken.next_steps),
            _listed(questions),
            facts_of(context) if context is not None and shows_facts else "",
            *told,
            by_software,
        ),
        model_text=spoken.became,
        language=language,
        faults=spoken.faults,
    )


def emergency_notice(floor: Floor, words: Words, region: str, acuity: Acuity | None = None) -> str | None:
    """What must be said at once, in fixed words: with an answer, or with the error that there is instead of one.

    None where no rule fired that is urgent or worse, and `acuity`, where it is known by now, is no emergency.
    """
    settled = max(floor.acuity, acuity or floor.acuity)
    flags = {flag.flag for flag in floor.flags}
    if settled < Acuity.EMERGENCY and not (flags and floor.acuity >= Acuity.URGENT):
        return None
    language = floor.language
    said = [words.crisis(code, language, region) for code in _crisis_codes(floor, flags)]
    # Whether it is safe to read on comes before what there is to read.
    first = [words.crisis("violence", language, region)] if Flag.VIOLENCE_ABUSE in flags else []
    return " ".join(part for part in (*first, words.acuity(settled, language, region), *said) if part)


def _crisis_codes(floor: Floor, flags: set[Flag]) -> Iterator[str]:
    if Flag.SELF_HARM in flags:
        if floor.emergency:
            yield "self_harm_now"
        yield "self_harm"
        if Flag.POISONING_OVERDOSE in flags or any(
            "method" in flag.rule or "dose" in flag.rule for flag in floor.flags
        ):
            yield "no_doses"
    elif Flag.MENTAL_HEALTH_CRISIS in flags:
        yield "self_harm"


def _citations(shown: Fitted | None, model: ModelAnswer | None) -> tuple[Citation, ...]:
    if shown is None or model is None:
        return ()
    items = {item.id: item for item in shown.kept}
    cited = (items[ref] for ref in dict.fromkeys(model.record_refs) if ref in items)
    return tuple(Citation(item.id, item.kind.value, item.text, item.date, item.source) for item in cited)


def _reasons(floor: Floor) -> Iterator[str]:
    """Why, of the gravest: what a rule is about, the caller's words for it, what of the record it rests on."""
    said: set[str] = set()
    for flag in floor.flags:
        words = ", ".join(dict.fromkeys(f"“{words}”" for words in flag.evidence))
        reason = ": ".join(part for part in (flag.label, words) if part)
        record = ", ".join(dict.fromkeys(flag.record))
        if flag.label not in said and len(said) < _MOST_REASONS:
            said.add(flag.label)
            yield f"{reason} (your record: {record})" if record else reason


# --- the text to show ---------------------------------------------------------------------------------------------


def _few(texts: Iterable[str]) -> list[str]:
    return list({text.casefold(): text for text in texts if text}.values())[:MOST_ENTRIES]


def _listed(texts: Iterable[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)


def _paragraphs(*texts: str) -> str:
    return "\n\n".join(text for text in texts if text)
