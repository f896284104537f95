"""What of the record is shown where no model has explained it. Pure, fixed wording.

Called by `composed`. It judges nothing.
"""

from itertools import groupby

from service_chat.services.context import Context
from service_chat.services.record_items import Item, Kind, Tier

#: Of each kind.
_MOST = 8


def facts_of(context: Context) -> str:
    """What the record holds that a clinician would want to know, newest first; nothing that is over."""
    current = (item for item in context.items if item.tier <= Tier.CURRENT)
    lines = list(context.about)
    for kind, items in groupby(current, key=lambda item: item.kind):
        texts = [_short(item) for item in items]
        more = f"; and {len(texts) - _MOST} more" if len(texts) > _MOST else ""
        lines.append(f"{kind.capitalize()}: {'; '.join(texts[:_MOST])}{more}")
    return "\n".join(f"- {line}" for line in lines)


def _short(item: Item) -> str:
    """Without details, but a value with its day: the newest there is can be years old."""
    dated = item.kind in (Kind.VITAL, Kind.LAB) and item.date is not None
    return f"{item.brief} ({item.date})" if dated else item.brief
