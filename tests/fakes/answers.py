"""What a triage is answered with: the real rules, a model's words in their form, and answers that were put together."""

import json
from functools import cache

from service_chat.safety.values import Acuity, Floor
from service_chat.services.composed import Composed
from service_chat.services.guard import Guard
from service_chat.services.steps import Answer, Fallback

#: A floor of a text that no rule has anything to say to.
QUIET = Floor(Acuity.SELF_CARE, (), (), "en")


@cache
def guard() -> Guard:
    """The rules as they ship; read once for all tests of a process."""
    return Guard.load("US", Acuity.ROUTINE)


def form(rationale: str = "Rest well.", acuity: str = "routine", refs: tuple[str, ...] = ()) -> tuple[str, ...]:
    """A model's answer, in the pieces in which it is written."""
    told = {
        "record_refs": list(refs),
        "rationale": rationale,
        "acuity": acuity,
        "next_steps": ["Come back if it gets worse."],
        "questions": [],
    }
    text = json.dumps(told)
    return tuple(text[at : at + 12] for at in range(0, len(text), 12))


def composed(response: str) -> Composed:
    return Composed(
        acuity=Acuity.ROUTINE,
        acuity_source="gate",
        gate=("model_absent",),
        red_flags=(),
        notices=(),
        emergency_notice=None,
        next_steps=(),
        questions=(),
        citations=(),
        ungrounded_terms=(),
        disclaimer="",
        response=response,
        model_text="absent",
        language="en",
    )


def answer(response: str, mode: str = "gguf", model: str | None = None) -> Answer:
    return Answer(composed(response), mode, model, None, 1.0)


def fallback(response: str, mode: str = "gguf") -> Fallback:
    return Fallback(composed(response), mode)
