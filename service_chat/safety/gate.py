"""What keeps an answer from `self_care` or `informational`: reasons to let a person look, though no rule fired.

`assess` asks last. A model may find a complaint harmless; with one of these codes nobody tells a patient so on its
word.

- `age_unknown`: the record has no birth date
- `age_out_of_range`: under 2 or over 75, by the record or by the text
- `high_risk_record`: a pregnancy, a weak immunity, a drug or a disease that makes small things large
- `language_unsupported`: part of the text is in a language without rules
- `vague`: "something is wrong" and the like
- `symptom_unrecognised`: no rule knows what a sentence speaks of
- `symptom_unruled`: a symptom is there, no rule fired, and it is none of the few that are harmless by themselves
- `not_checked`: a medicine was asked about that the tables of `record_checks` do not hold

Each code stays when text is added, but for `symptom_unruled`, which gives way to a rule that asks for as much. So the
age comes from the record alone, and every sentence has to be recognised by itself: were one known complaint enough, a
mild cold behind an unknown danger would make it harmless. Only a sentence of common words alone ("can you help me
please") says nothing, and gives way to one that says something.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from service_chat.safety.familiar import OURS
from service_chat.safety.findings import Findings, Hit
from service_chat.safety.language import Spoken
from service_chat.safety.lexicon import Concept
from service_chat.safety.values import Acuity, Assertion, RecordFacts

AGE_UNKNOWN: Final = "age_unknown"
AGE_OUT_OF_RANGE: Final = "age_out_of_range"
HIGH_RISK_RECORD: Final = "high_risk_record"
LANGUAGE_UNSUPPORTED: Final = "language_unsupported"
VAGUE: Final = "vague"
SYMPTOM_UNRECOGNISED: Final = "symptom_unrecognised"
SYMPTOM_UNRULED: Final = "symptom_unruled"
NOT_CHECKED: Final = "not_checked"
CODES: Final = (
    AGE_UNKNOWN, AGE_OUT_OF_RANGE, HIGH_RISK_RECORD, LANGUAGE_UNSUPPORTED, VAGUE, SYMPTOM_UNRECOGNISED, SYMPTOM_UNRULED,
    NOT_CHECKED,
)  # fmt: skip

YOUNGEST, OLDEST = 2, 75
#: Classes of drugs and conditions with which a small complaint may be none.
RISKY_DRUGS: Final = frozenset(
    {
        "anticoagulant", "insulin", "steroid", "immunosuppressant", "chemotherapy", "biologic", "lithium", "digoxin",
        "methotrexate", "clozapine", "opioid", "sulfonylurea",
    }
)  # fmt: skip
RISKY_CONDITIONS: Final = frozenset(
    {
        "immunodeficiency", "neutropenia", "transplant", "asplenia", "cancer_treatment", "type1_diabetes",
        "adrenal_insufficiency", "heart_failure", "coronary_disease", "copd", "kidney_failure", "liver_failure",
        "pregnancy", "sickle_cell", "stroke_history", "clot_history", "haemophilia", "prosthetic_valve",
    }
)  # fmt: skip
#: What may be looked after at home when it is all that is there. A symptom that is missing here and in every rule
#: goes to a person: that nobody wrote a rule for it does not make it small.
EVERYDAY: Final = frozenset(
    {
        "cold_symptoms", "cough", "sore_throat", "hay_fever", "heartburn", "haemorrhoids", "hangover", "insect_bite",
        "minor_wound", "skin_minor", "sunburn", "teething",
    }
)  # fmt: skip
#: The concept for "I do not feel right".
UNWELL: Final = "unwell_vague"
#: Requests that are not about health at all; `assess` gives a notice for them.
OUT_OF_SCOPE: Final = "out_of_scope_request"

#: Whether a word is so common that a sentence of nothing else says nothing of a body: "Hello, can you help me please".
Plain = Callable[[str], bool]
#: So many words that nothing of ours knows, in a sentence that no small word tells, are no typing error any more.
_STRANGE = 4
_SPEAKS = 2
_HALF = 0.5
_FEW, _MANY = 3, 6


@dataclass(frozen=True, slots=True)
class Bearing:
    """What kind of text it is, whoever wrote it."""

    foreign: bool  #: some sentence is in no language of ours
    at_desk: bool  #: it is about papers and appointments only
    unrecognised: bool  #: some sentence says something that nothing of ours knows


def bearing(
    findings: Findings, spoken: Spoken, known: Mapping[int, float], concepts: Mapping[str, Concept], plain: Plain
) -> Bearing:
    """
    Args:
        known: what `familiar` found of the sentences in doubt.
    """
    unrecognised = _unrecognised(findings, spoken, plain)
    return Bearing(_foreign(findings, spoken, known), not unrecognised and _desk(findings, concepts), unrecognised)


def _foreign(findings: Findings, spoken: Spoken, known: Mapping[int, float]) -> bool:
    """Whether some sentence of more than a word is in no language of ours."""
    named = {findings.text.sentences[at] for hit in findings.hits for at in hit.words}
    for sentence, members in enumerate(spoken.members):
        words = [word for word in (findings.text.words[at] for at in members) if not word.isdigit()]
        whole = sum(len(word) > 1 for word in words)
        share = known.get(sentence, 0.0)
        if sentence in spoken.foreign and share < (OURS if whole > _FEW else _HALF):
            if whole >= _SPEAKS:
                return True
            if any(len(word) >= 2 * _STRANGE for word in words):
                return True  # scripts without spaces: one long run is a sentence
        if sentence in spoken.silent and len(words) >= _STRANGE and not share and sentence not in named:
            return True
        if sentence in spoken.sparse and whole >= _MANY and share < _HALF:
            return True
    return False


def _desk(findings: Findings, concepts: Mapping[str, Concept]) -> bool:
    """Whether a text names papers or appointments, and no symptom."""
    meant = [hit for hit in findings.hits if hit.assertion is not Assertion.IDIOM]
    papers = any(concepts[hit.concept].admin or hit.concept == OUT_OF_SCOPE for hit in meant)
    bodily = any(concepts[hit.concept].symptom for hit in meant)
    return papers and not bodily


def codes(
    findings: Findings, bearing: Bearing, concepts: Mapping[str, Concept], facts: RecordFacts, *, ruled: bool
) -> tuple[str, ...]:
    """The reasons that hold, in the order of `CODES`; questions to the desk have few.

    Args:
        ruled: a rule fired, so the floor is above what this code would make it.
    """
    found: set[str] = set()
    if bearing.foreign:
        found.add(LANGUAGE_UNSUPPORTED)
    if not bearing.at_desk:
        if facts.age_years is None:
            found.add(AGE_UNKNOWN)
        ages = [*findings.values("age_years"), *([] if facts.age_years is None else [facts.age_years])]
        if any(not YOUNGEST <= age <= OLDEST for age in ages):
            found.add(AGE_OUT_OF_RANGE)
        if _risky(facts):
            found.add(HIGH_RISK_RECORD)
        if any(hit.concept == UNWELL for hit in findings.hits):
            found.add(VAGUE)
        if bearing.unrecognised or not any(concepts[hit.concept].symptom for hit in findings.hits):
            found.add(SYMPTOM_UNRECOGNISED)
        if not ruled and _unruled(findings, concepts):
            found.add(SYMPTOM_UNRULED)
    return tuple(code for code in CODES if code in found)


def least(gate: tuple[str, ...], bearing: Bearing) -> Acuity:
    """The floor when no rule fired."""
    if bearing.foreign:
        return Acuity.URGENT  # nobody here can tell what it says
    if gate:
        return Acuity.ROUTINE
    return Acuity.INFORMATIONAL if bearing.at_desk else Acuity.SELF_CARE


def _risky(facts: RecordFacts) -> bool:
    return bool(
        facts.pregnant
        or RISKY_DRUGS & {name for name, _ in facts.drugs}
        or RISKY_CONDITIONS & {name for name, _ in facts.conditions}
    )


def _unruled(findings: Findings, concepts: Mapping[str, Concept]) -> bool:
    """Whether a symptom is there that is more than an everyday one. "Sore" is part of a sore throat, not one more."""
    everyday = [frozenset(hit.words) for hit in findings.hits if hit.concept in EVERYDAY]
    return any(
        hit.assertion is Assertion.PRESENT
        and concepts[hit.concept].symptom
        and hit.concept not in EVERYDAY
        and not any(words.issuperset(hit.words) for words in everyday)
        for hit in findings.hits
    )


def _unrecognised(findings: Findings, spoken: Spoken, plain: Plain) -> bool:
    """Whether some sentence says something and no hit stands in it."""
    recognised = {sentence for hit in findings.hits for sentence in _sentences(findings, hit)}
    words = findings.text.words
    return any(
        not (words[at].isdigit() or plain(words[at]))
        for sentence, members in enumerate(spoken.members)
        if sentence not in recognised
        for at in members
    )


def _sentences(findings: Findings, hit: Hit) -> set[int]:
    return {findings.text.sentences[at] for at in (hit.first, hit.last)}
