"""What an answer said of a vignette, and the port behind which answers are made.

`floor` answers with the rules alone, `service` asks a running service; `figures` judges both the same way, and `words`
what the second one said in words.
"""

from dataclasses import dataclass, field
from typing import Protocol

from scripts.evaluation.vignettes import Vignette
from service_chat.safety.values import Acuity, Flag, Notice


class NoAnswer(Exception):
    """A vignette was not answered; the message says why. It ends the run: a hole is no result."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a service said in words, and of the model that it may have asked."""

    response: str
    asked: bool  #: a model wrote something
    degraded: tuple[str, ...] = ()
    ungrounded: tuple[str, ...] = ()  #: what was cut from its words


@dataclass(frozen=True, slots=True)
class Outcome:
    """Two are the same when they decide the same: words may differ."""

    acuity: Acuity
    flags: frozenset[Flag]
    notices: frozenset[Notice] = frozenset()
    told: Told | None = field(default=None, compare=False)


class Answerer(Protocol):
    def answer(self, vignette: Vignette) -> Outcome:
        """Called from several threads at once.

        Raises:
            NoAnswer: There is none.
        """
        ...
