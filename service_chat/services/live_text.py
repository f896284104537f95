"""A model's words while it writes them: whole sentences of its rationale that may stand. Pure.

Called by the triage use case for each piece of the form that an engine yields. What is shown early can not be taken
back, and how urgent the model will find it is not known before it has written that; so the strictest rules hold here,
and the answer at the end may say more than was streamed. In an emergency nothing is streamed at all.
"""

import json
import re

from service_chat.safety.language import Languages
from service_chat.safety.values import Acuity, Floor
from service_chat.services.answer_form import MOST_CHARACTERS
from service_chat.services.coherence import Coherence
from service_chat.services.fitting import Fitted
from service_chat.services.grounding import Vocabulary
from service_chat.services.sentences import sentence_spans, without_stump
from service_chat.services.spoken import fixed_words_only, sources_of, stands

_BEGIN = re.compile(r'"rationale"\s*:\s*"')
_REST = re.compile(r'(?:[^"\\]|\\u[0-9a-fA-F]{4}|\\[^u])*')


class LiveText:
    """One answer."""

    def __init__(
        self,
        floor: Floor,
        shown: Fitted,
        vocabulary: Vocabulary,
        languages: Languages | None = None,
        longest: int = MOST_CHARACTERS,
    ) -> None:
        """`languages`: see `spoken.speak`; `longest`: characters that the rationale may have."""
        self._longest = longest
        self._coherence = Coherence(shown.query, floor.language, languages)
        self._silent = floor.emergency or fixed_words_only(floor)
        self._language = floor.language
        self._vocabulary = vocabulary
        self._sources = sources_of(shown, vocabulary)
        self._raw = ""
        self._begin: int | None = None
        self._told = 0  #: sentences that were looked at
        self._said = False

    def feed(self, piece: str) -> str:
        """What of the rationale may be shown now, in whole sentences; mostly nothing."""
        if self._silent:
            return ""
        self._raw += piece
        if self._begin is None:
            begun = _BEGIN.search(self._raw)
            if begun is None:
                return ""
            self._begin = begun.end()
        written = _REST.match(self._raw, self._begin)
        assert written is not None  # it matches nothing as well
        closed = self._raw[written.end() : written.end() + 1] == '"'
        text = _text(written[0])
        if closed and len(text) >= self._longest:
            text = without_stump(text)
        new = " ".join(self._sentences(text, closed))
        self._silent = closed
        if not new:
            return ""
        lead = " " if self._said else ""
        self._said = True
        return lead + new

    def _sentences(self, text: str, closed: bool) -> list[str]:
        """Those that are new, whole and may stand. The last is whole when the text is closed."""
        spans = list(sentence_spans(text))
        whole = spans if closed else spans[:-1]
        new = [text[start:end] for start, end in whole[self._told :]]
        self._told = max(self._told, len(whole))
        coherent = [each for each in new if self._coherence.fault(each) is None]
        return [
            each
            for each in coherent
            if stands(each, Acuity.URGENT, self._language, self._vocabulary) and not self._sources.ground(each).cut
        ]


def _text(written: str) -> str:
    """A JSON string's inside, read as far as it goes."""
    try:
        text = json.loads(f'"{written}"', strict=False)
    except ValueError:
        return ""
    return " ".join(str(text).encode(errors="replace").decode().split())
