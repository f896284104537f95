"""The first opinion on each question, so that whoever asks again sees the same level. Pure but for its memory.

Called by `consulting` when a model has written all it will. A model's words may differ from one time to the next: the
sums behind them depend on who else is in the batch, and a near tie between two levels falls either way. A patient who
reloads the page must not read another level for the same words, so the first opinion holds for as long as the process
lives; who is first to finish decides. This makes answers steady, not a model: how steady that is by itself can not be
told from them.

Kept are a digest under a key that no other process has and a level: no text and no number. Another record, floor, model
or rule makes another question.
"""

import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from service_chat.engines.protocol import SamplingParams
from service_chat.safety.values import Floor
from service_chat.services.fitting import Fitted
from service_chat.services.prompts import PROMPT_VERSION
from service_chat.services.settled import Opinion

#: About 2 MB.
MOST_OPINIONS = 10_000


@dataclass(frozen=True, slots=True)
class Consultation:
    """All that an opinion depends on, and whose record it is about: patients share none, however alike they are."""

    scope: str
    query: str  #: whole, whatever of it fitted
    floor: Floor
    shown: Fitted
    rules: str  #: see `Guard.version`
    mode: str
    model: str | None
    model_sha256: str | None
    params: SamplingParams
    prompt: str = PROMPT_VERSION


class Opinions:
    def __init__(self, most: int = MOST_OPINIONS) -> None:
        self._most, self._key = most, secrets.token_bytes(32)
        self._first: OrderedDict[bytes, Opinion] = OrderedDict()  #: the one that was asked for longest ago leads

    def __len__(self) -> int:
        return len(self._first)

    def first(self, consultation: Consultation, opinion: Opinion) -> Opinion:
        """The one that counts: what was said of this before, else `opinion`, which is remembered."""
        # Every part of a repr is quoted, so no two consultations have the same.
        digest = hmac.digest(self._key, repr(consultation).encode(), "sha256")
        counts = self._first.setdefault(digest, opinion)
        self._first.move_to_end(digest)
        if len(self._first) > self._most:
            self._first.popitem(last=False)
        return counts
