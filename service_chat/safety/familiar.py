"""How much of a sentence one of our languages knows; for sentences that may be in none.

`assess` asks for the sentences in doubt only and hands the shares to `gate`. Small words alone do not tell neighbours
apart: half of a Catalan sentence is Spanish word for word, and of a Basque one no list knows anything. What tells is
that no single language of ours knows most of it. Sentences of ours are known to three quarters, nearly all of them;
of languages that we do not read, to less than half.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from service_chat.safety.language import Languages, Spoken
from service_chat.safety.matcher import Matcher
from service_chat.safety.spelling import Speller
from service_chat.safety.text import Text

#: From this share on a sentence is ours, whatever its small words say.
OURS: Final = 0.75


def familiar(
    text: Text, spoken: Spoken, languages: Languages, matcher: Matcher, speller: Speller
) -> Mapping[int, float]:
    """For each sentence in doubt the share of its words that the language knows which knows most of them; 0 to 1."""
    found: dict[int, float] = {}
    for sentence in spoken.silent | spoken.sparse | spoken.foreign:
        words = [text.words[at] for at in spoken.members[sentence]]
        words = [word for word in words if len(word) > 1 and not word.isdigit()]
        if not words:
            continue
        best = 0.0
        for language in _likely_first(spoken, sentence, languages):
            knows = sum(
                languages.has(word, language)
                or matcher.knows(word, language)
                or (language == "en" and speller.is_common(word))
                for word in words
            )
            best = max(best, knows / len(words))
            if best >= OURS:
                break
        found[sentence] = best
    return found


def _likely_first(spoken: Spoken, sentence: int, languages: Languages) -> Iterable[str]:
    """Most sentences are in the first of them, and the others cost as much again each."""
    return dict.fromkeys((*spoken.voices[sentence], *spoken.tongues[sentence], *languages.latin))
