"""Tells whether a model's sentence is one that somebody could have meant. Pure.

Small models fall into loops, hand the question back, read their instructions aloud, take themselves for a doctor, or
leave the language they were asked in. None of that is an explanation, and some of it looks like one. Called by `spoken`
for a whole answer and by `live_text` while it is written, sentence by sentence in the order of writing, since a
sentence that was said before is a loop as well. What is true is for others to say: here only what is no answer at all
is found.
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Literal

from service_chat.safety.language import UNKNOWN, Languages
from service_chat.safety.text import read, split_words
from service_chat.services.prompts import INSTRUCTIONS

#: What is wrong with a sentence: it goes round in circles, is the question, is what the model was told to do, is said
#: as by a person, is in another language, or says nothing.
Fault = Literal["loop", "echo", "recited", "persona", "language", "empty"]

#: So often the same words one after the other. A single word is said three times by people as well.
_ROUNDS, _ROUNDS_OF_A_WORD = 3, 4
_LONGEST_ROUND = 16
#: From so many words on, so many of its threes of words must be different ones.
_LONG, _DIFFERENT = 12, 0.7
#: From so many words on, so many of its threes of words may have been said before.
_SAID, _SAID_BEFORE = 6, 0.7
#: So much of a sentence, in one piece, makes it an echo of the question.
_ECHO = 0.75
#: So many words in one piece can not be a model's own.
_RECITED = 6
#: Names of fields and levels: they are for the form.
_OF_THE_FORM = re.compile(r"(?i)\b(?:record_refs|next_steps|self_care|emergency_now)\b|\bacuity:")
#: What it is not. That it is none of these may be said.
_PERSONA = re.compile(
    r"(?i)\b(?:i am|i'm) (?:a |an |the |your )(?:\w+ )?(?:doctor|nurse|physician|clinician|patient|human|therapist)\b"
    r"|\bas (?:a|your) (?:doctor|nurse|physician|clinician)\b"
    r"|\bsoy (?:una? |su )?(?:m[eé]dic|doctor|enfermer|paciente)"
    r"|\bje suis (?:une? |votre )?(?:médecin|docteur|infirmi|patient)"
    r"|\bich bin (?:eine? |ihre? )?(?:arzt|ärzt|doktor|patient)"
    r"|\bsou (?:uma? |o seu |a sua )?(?:médic|enfermeir|paciente)"
    r"|\bsono (?:una? |il suo )?(?:medico|dottor|infermier|paziente)"
    r"|\bjestem (?:lekarz|pacjent|pielęgniar)|(?:^|\W)я (?:ваш )?(?:врач|доктор|пациент|медсестра)"
    r"|我是(?:一[名个個位])?(?:医生|醫生|护士|護士|病人|患者)|私は(?:医師|医者|看護師|患者)"
    r"|أنا (?:طبيب|مريض|ممرض)|मैं (?:एक |आपका )?(?:डॉक्टर|चिकित्सक|मरीज|नर्स)"
)
#: Sentences of these alone say nothing: a bare yes or no, and what can be said of any question and any record.
_NOTHING = frozenset(
    split_words(
        "no yes none null nil n a na unknown ok okay sí si não nao sim oui non ja nein nie tak да нет 无 無 是 否 はい "
        "いいえ نعم لا हाँ नहीं "
        "i you it this that these what which the an is are was am be do does can could will would have has had not "
        "to of in on for about and or but so as if with without by from at me my your its there here please sorry "
        "only just question questions record records recorded recorder answer answers answered information data item "
        "items form field itself able sure know try tell ask explain determine determined possible impossible provide "
        "based need needed understand clear unclear enough allowed patient patients help how"
    )
)


class Coherence:
    """Of one answer; remembers what was said."""

    def __init__(self, query: str, language: str, languages: Languages | None = None) -> None:
        """
        Args:
            query: the question as the model saw it.
            language: in which it was asked to answer; one without a lexicon is not looked for.
            languages: None: any language will do.
        """
        self._query = _line(split_words(query))
        self._language = language
        self._languages = languages if languages is not None and language in languages.supported else None
        self._said: set[str] = set()
        self._threes: set[tuple[str, str, str]] = set()

    def fault(self, sentence: str) -> Fault | None:
        """What is wrong with the next sentence, the gravest first; None for one that may have been meant."""
        words = split_words(sentence)
        if not words or all(word in _NOTHING or word.isdigit() for word in words):
            return "empty"
        again = self._again(words)
        if again or _circles(words):
            return "loop"
        if _holds(self._query, words, math.ceil(_ECHO * len(words))):
            return "echo"
        if _OF_THE_FORM.search(sentence) or (len(words) >= _RECITED and _holds(_TOLD, words, _RECITED)):
            return "recited"
        if _PERSONA.search(sentence.replace("\u2019", "'")):
            return "persona"
        return "language" if self._strange(sentence) else None

    def _again(self, words: Sequence[str]) -> bool:
        """Whether it was said before, word for word or nearly; it has been from now on."""
        line, threes = _line(words), _threes(words)
        known = len(words) >= _SAID and sum(each in self._threes for each in threes) > _SAID_BEFORE * len(threes)
        again = known or line in self._said
        self._said.add(line)
        self._threes.update(threes)
        return again

    def _strange(self, sentence: str) -> bool:
        if self._languages is None:
            return False
        spoken = self._languages.tell(read(sentence))
        told = spoken.language != UNKNOWN and bool(spoken.voices)
        return told and not any(self._language in voices for voices in spoken.voices)


def _circles(words: Sequence[str]) -> bool:
    """Whether some of it is said again and again, at once or with little between."""
    for size in range(1, min(_LONGEST_ROUND, len(words) // 2) + 1):
        run, wanted = 0, _ROUNDS_OF_A_WORD if size == 1 else _ROUNDS
        for at in range(size, len(words)):
            run = run + 1 if words[at] == words[at - size] else 0
            if 1 + run // size >= wanted:
                return True
    threes = _threes(words)
    return len(words) >= _LONG and len(set(threes)) < _DIFFERENT * len(threes)


def _threes(words: Sequence[str]) -> list[tuple[str, str, str]]:
    return list(zip(words, words[1:], words[2:], strict=False))


def _holds(line: str, words: Sequence[str], size: int) -> bool:
    """Whether `size` of the words stand in `line` in one piece."""
    return any(_line(words[at : at + size]) in line for at in range(len(words) - size + 1))


def _line(words: Iterable[str]) -> str:
    """Words to look for in others: with a blank around each."""
    return f" {' '.join(words)} "


_TOLD = _line(split_words(INSTRUCTIONS))
