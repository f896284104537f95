"""The answer without a model: what the record says, and whom to ask. Pure, fixed wording.

Used when the model is switched off, could not be loaded, or did not finish in time. It judges nothing.
"""

from itertools import groupby

from service_chat.records.ports import PatientRecord
from service_chat.services.context import Context
from service_chat.services.prompts import record_lines
from service_chat.services.record_items import Tier

DISCLAIMER = (
    "Research and demonstration software, not a medical device. In an emergency call your local emergency number."
)


def answer_from_record(record: PatientRecord) -> str:
    facts = "\n".join(f"- {line}" for line in record_lines(record))
    return (
        "No model has looked at your question. This is what your record holds that a clinician would want to know:\n"
        f"{facts}\n"
        "Please contact your care team with your question. If you feel severely unwell, call your local emergency "
        "number now."
    )


#: Of each kind.
_MOST = 8


def facts_of(context: Context) -> str:
    """What the record holds that a clinician would want to know, newest first; nothing that is over."""
    current = (item for item in context.items if item.tier <= Tier.CURRENT)
    lines = list(context.about)
    for kind, items in groupby(current, key=lambda item: item.kind):
        texts = [item.brief for item in items]
        more = f"; and {len(texts) - _MOST} more" if len(texts) > _MOST else ""
        lines.append(f"{kind.capitalize()}: {'; '.join(texts[:_MOST])}{more}")
    return "\n".join(f"- {line}" for line in lines)
