"""How urgent it is, of all opinions: a join, so that their order does not matter and none can lower another. Pure.

Called by `composed`. Rules have read the text and the record, the gate says what is not known, and a model may add to
it. What a model says counts upwards only: that it finds a thing mild is needed for home care and is worth nothing
elsewhere. How far up it counts is the deployment's to say: a large model that knows more than the rules should be heard
to the top, and a small one that calls everything an emergency would make every answer worthless.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from service_chat.safety.values import Acuity, Floor

#: Whose opinion it is, where several agree the first: rules on the text, rules on text and record, a model, or what
#: keeps it from being lower.
Source = Literal["rules", "record", "model", "gate"]


@dataclass(frozen=True, slots=True)
class Opinion:
    """How urgent a model finds a question; None: there is no model, or what it wrote is not of the form."""

    acuity: Acuity | None


@dataclass(frozen=True, slots=True)
class Settled:
    acuity: Acuity
    source: Source
    gate: tuple[str, ...]


def settle(floor: Floor, *, record_read: bool, model: Opinion, up_to: Acuity) -> Settled:
    """`up_to`: how far up the model's opinion counts."""
    gate = tuple(dict.fromkeys((*floor.gate, *_ours(floor, record_read, model))))
    held = Acuity.ROUTINE if gate else Acuity.INFORMATIONAL
    raised = min(model.acuity, up_to) if model.acuity is not None else Acuity.INFORMATIONAL
    acuity = max(floor.acuity, held, raised)
    top = [flag for flag in floor.flags if flag.acuity == acuity]
    if top:
        source: Source = "rules" if any(not flag.record for flag in top) else "record"
    elif floor.acuity == acuity:
        source = "gate" if gate else "rules"
    else:
        source = "gate" if held == acuity else "model"
    return Settled(acuity, source, gate)


def _ours(floor: Floor, record_read: bool, model: Opinion) -> Iterator[str]:
    """What the rules can not know: whether there was a record, and what became of the model."""
    if not record_read:
        yield "record_unread"
    if floor.acuity is not Acuity.SELF_CARE:
        return  # a question about the record needs no second opinion, and what is higher stays there without one
    if model.acuity is None:
        yield "model_absent"
    elif model.acuity > Acuity.SELF_CARE:
        yield "model_disagreed"
