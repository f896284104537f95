"""The values of a triage: what is asked, and what happens until the answer. Pure.

`triage` makes them, `jobs` keeps them in order, the routers render them.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from service_chat.engines.protocol import Completion
from service_chat.safety.values import Floor
from service_chat.services.caller import ANONYMOUS, Caller
from service_chat.services.composed import Composed

Stage = Literal["queued", "prefill", "generating"]


@dataclass(frozen=True, slots=True)
class Question:
    patient_mrn: str
    query: str
    llm_mode: str | None = None
    caller: Caller = ANONYMOUS
    #: Where it came from. The same question from elsewhere is the same question.
    address: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Assessed:
    """What the rules hold: of the question at first, and again when the record has raised it."""

    floor: Floor
    notice: str | None  #: fixed words that must be shown at once; see `composed.emergency_notice`


@dataclass(frozen=True, slots=True)
class Shown:
    """What of the record stood in the prompt, or would have."""

    items: int = 0
    truncated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fallback:
    """What can be said without the model, known as soon as the record is: for who can not wait for more."""

    composed: Composed
    llm_mode: str
    shown: Shown = Shown()


@dataclass(frozen=True, slots=True)
class Status:
    """Where the question is: waiting for a slot, its prompt being read, or its answer being written."""

    state: Stage
    position: int | None = None  #: others before it, while queued
    eta_s: float | None = None  #: seconds until its turn, while queued and where it can be predicted
    done: int | None = None  #: tokens of the prompt that are read, `cached` included
    total: int | None = None  #: tokens of the prompt
    cached: int | None = None  #: of them, read for somebody before
    tokens: int = 0  #: of the answer, written so far


@dataclass(frozen=True, slots=True)
class Text:
    """More of the answer. `tokens` counts all of its tokens so far."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of every triage that is not an error."""

    composed: Composed
    llm_mode: str
    model: str | None
    model_sha256: str | None
    inference_time_ms: float  #: the wait for the engine included
    degraded: tuple[str, ...] = ()
    completion: Completion | None = None
    shown: Shown = Shown()
    conversation_id: str | None = None  #: under which it is kept; None: it is not, or was not in time

    @property
    def text(self) -> str:
        """To be shown."""
        return self.composed.response


#: What happens to a question, in order: Assessed (before all else, and again if it is raised), a Fallback unless the
#: rules answer at once, any number of Status and Text, then an Answer, which is the last.
Step: TypeAlias = Assessed | Fallback | Status | Text | Answer
