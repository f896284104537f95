"""What an answer said of a vignette, and the port behind which answers are made.

`floor` answers with the rules alone, `service` asks a running service; `figures` judges both the same way.
"""

from dataclasses import dataclass
from typing import Protocol

from scripts.evaluation.vignettes import Vignette
from service_chat.safety.values import Acuity, Flag, Notice


class NoAnswer(Exception):
    """A vignette was not answered; the message says why. It ends the run: a hole is no result."""


@dataclass(frozen=True, slots=True)
class Outcome:
    acuity: Acuity
    flags: frozenset[Flag]
    notices: frozenset[Notice] = frozenset()


class Answerer(Protocol):
    def answer(self, vignette: Vignette) -> Outcome:
        """Called from several threads at once.

        Raises:
            NoAnswer: There is none.
        """
        ...
