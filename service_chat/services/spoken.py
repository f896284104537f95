"""What of a model's words may stand below the rules' own. Pure.

Called by `composed` for a whole answer and by `live_text` while it is being written. In a crisis nothing of them may;
in an emergency all or nothing, because half of a soothing answer still soothes; elsewhere sentence by sentence, each
coherent and grounded, and none that makes light of things or meddles with a medicine. A model that can not say why in
one coherent sentence has nothing else to say either.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from service_chat.safety.language import Languages
from service_chat.safety.values import Acuity, Flag, Floor
from service_chat.services.answer_form import ModelAnswer
from service_chat.services.coherence import Coherence, Fault
from service_chat.services.fitting import Fitted
from service_chat.services.grounding import Sources, Vocabulary
from service_chat.services.prescribing import changes_medicine
from service_chat.services.reassurance import LANGUAGES, makes_light, sends_elsewhere
from service_chat.services.sentences import sentences

#: Where words have to be exactly right, a model has none.
_FIXED_WORDS_ONLY = frozenset({Flag.SELF_HARM, Flag.MENTAL_HEALTH_CRISIS, Flag.VIOLENCE_ABUSE})

#: What became of the model's words: shown whole, shown in part, left out, or never there.
ModelText = Literal["whole", "cut", "dropped", "absent"]


@dataclass(frozen=True, slots=True)
class Spoken:
    """A model's words that may stand."""

    rationale: str = ""
    next_steps: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    ungrounded: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()  #: of sentences that were cut because nobody can have meant them, each once
    became: ModelText = "absent"


def speak(
    floor: Floor,
    acuity: Acuity,
    shown: Fitted | None,
    model: ModelAnswer | None,
    vocabulary: Vocabulary,
    languages: Languages | None = None,
) -> Spoken:
    """`languages`: by which one that was not asked for is told; None: any will do."""
    if model is None:
        return Spoken()
    texts = (model.rationale, *model.next_steps, *model.questions)
    if not _may_speak(floor, acuity, model, texts, vocabulary):
        return Spoken(became="dropped")
    coherence = Coherence(shown.query if shown is not None else "", floor.language, languages)
    coherent, faults = _coherent(texts, coherence)
    if faults and not coherent[0]:
        return Spoken(faults=faults, became="dropped")
    sources = sources_of(shown, vocabulary)
    cut: list[str] = []
    left: list[str] = []
    for text in coherent:
        grounded = sources.ground(text)
        cut += grounded.cut
        said = sentences(grounded.text)
        left.append(" ".join(each for each in said if stands(each, acuity, floor.language, vocabulary)))
    steps = len(model.next_steps)
    return Spoken(
        rationale=left[0],
        next_steps=tuple(text for text in left[1 : 1 + steps] if text),
        questions=tuple(text for text in left[1 + steps :] if text),
        ungrounded=tuple(dict.fromkeys(cut)),
        faults=faults,
        became="whole" if left == [" ".join(text.split()) for text in texts] else "cut" if any(left) else "dropped",
    )


def _coherent(texts: Iterable[str], coherence: Coherence) -> tuple[list[str], tuple[Fault, ...]]:
    """What of each may have been meant, and what was wrong with the rest."""
    left: list[str] = []
    faults: list[Fault] = []
    for text in texts:
        told = [(sentence, coherence.fault(sentence)) for sentence in sentences(text)]
        faults += [fault for _, fault in told if fault is not None]
        left.append(" ".join(sentence for sentence, fault in told if fault is None))
    return left, tuple(dict.fromkeys(faults))


def sources_of(shown: Fitted | None, vocabulary: Vocabulary) -> Sources:
    """What the model was told; without it there is nothing that it may name."""
    return Sources((shown.query, shown.record) if shown is not None else (), vocabulary)


def fixed_words_only(floor: Floor) -> bool:
    """Whether a rule fired whose answer no model may add to."""
    return any(flag.flag in _FIXED_WORDS_ONLY for flag in floor.flags)


def stands(sentence: str, acuity: Acuity, language: str, vocabulary: Vocabulary) -> bool:
    """Whether an answer of this acuity may say so."""
    if changes_medicine(sentence, language, vocabulary):
        return False
    if acuity >= Acuity.ROUTINE and makes_light(sentence, language):
        return False
    return acuity < Acuity.URGENT or not sends_elsewhere(sentence, language)


def _may_speak(floor: Floor, acuity: Acuity, model: ModelAnswer, texts: Iterable[str], vocabulary: Vocabulary) -> bool:
    """Below an emergency's fixed words stands nothing that could talk somebody out of it."""
    if fixed_words_only(floor):
        return False
    if acuity < Acuity.EMERGENCY:
        return True
    language = floor.language
    if model.acuity < acuity or language not in LANGUAGES:
        return False
    return not any(
        makes_light(text, language) or sends_elsewhere(text, language) or changes_medicine(text, language, vocabulary)
        for text in texts
    )
