"""Makes a record and a question fit into a prompt, and says what it left out. Pure.

Called by the triage use case, after `context`. Shares are fixed, so that what is shown of a record depends on the
record alone: two questions about one patient then begin with the same tokens, and the second need not read them again.
The question may have what the record leaves.
What leaves first: documents, visits, old laboratory values, resolved conditions, what is no disease, then the least
recent of the rest. Allergies, active drugs and pregnancy never leave; they only lose their details. If these alone are
too much, the prompt is too long, the engine says so, and the rules answer without a model.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from service_chat.safety.values import Floor
from service_chat.services.context import Context
from service_chat.services.record_items import Item, Kind, Tier
from service_chat.services.sentences import sentence_spans
from service_chat.services.token_estimate import estimate_tokens

#: Tokens of the context that the shares are meant for, and the shares.
_USUAL = 4096
_SYSTEM, _RECORD, _QUERY, _ANSWER = 600, 1500, 800, 512
#: Tokens that record and question must have together, or a prompt would ask about nothing.
_LEAST = 200
#: A text in, its tokens out.
Count = Callable[[str], int]
#: Between parts of a question that were not next to each other.
GAP = "[…]"
#: Characters of a question that are kept or left as one, at most.
_PIECE = 200
_HEADINGS = {
    Kind.ALLERGY: "Allergies",
    Kind.MEDICATION: "Medicines, active",
    Kind.CONDITION: "Conditions",
    Kind.VITAL: "Vital signs",
    Kind.LAB: "Laboratory",
    Kind.ENCOUNTER: "Visits",
    Kind.DOCUMENT: "Documents",
}
_LEFT_OUT = {
    Tier.DOCUMENT: "documents",
    Tier.ENCOUNTER: "encounters",
    Tier.OLD_LAB: "old_labs",
    Tier.RESOLVED: "resolved_conditions",
    Tier.SOCIAL: "social_findings",
    Tier.CURRENT: "current_findings",
    Tier.ALWAYS: "details",
}


@dataclass(frozen=True, slots=True)
class Budget:
    """Tokens for each part of a prompt. What the context holds beyond the four is margin."""

    system: int = _SYSTEM
    record: int = _RECORD
    query: int = _QUERY
    answer: int = _ANSWER

    @classmethod
    def of(cls, n_ctx: int, answer: int = _ANSWER) -> "Budget":
        """Shares of a context of another size, as of one with 4,096; the instructions are as long as they are."""
        left, usual = max(0, n_ctx - _SYSTEM - answer), _USUAL - _SYSTEM - _ANSWER
        return cls(_SYSTEM, left * _RECORD // usual, left * _QUERY // usual, answer)

    def shrunk(self, tokens: int, room: int) -> "Budget":
        """For a second attempt: the first made a prompt of `tokens` where there is room for `room`."""
        part = 0.95 * max(0, room - self.system) / max(1, tokens - self.system)
        return Budget(self.system, int(self.record * min(1, part)), int(self.query * min(1, part)), self.answer)


def least_context(answer: int) -> int:
    """The smallest context, in tokens, in which a model can be asked for an answer of so many."""
    return _SYSTEM + _LEAST + answer


@dataclass(frozen=True, slots=True)
class Fitted:
    record: str  #: lines; each item with its id in brackets before it
    query: str
    kept: tuple[Item, ...]  #: what the record's lines show, and so what an answer may cite
    #: What was left out: documents, encounters, old_labs, resolved_conditions, social_findings, current_findings,
    #: details (of drugs and allergies) and query.
    truncated: tuple[str, ...]


def fit(
    context: Context,
    query: str,
    budget: Budget | None = None,
    count: Count = estimate_tokens,
    hits: Sequence[tuple[int, int]] = (),
) -> Fitted:
    """`hits`: where in `query` somebody found what matters, as start and end. `count` is asked line by line."""
    share = budget or Budget()
    kept, shown, left_out = _fit_items(context, share.record, count)
    record = "\n".join(_lines(context.about, kept, shown))
    left = max(0, share.record - count(record))
    words, cut = fit_query(query, share.query + left, count, hits)
    return Fitted(
        record=record,
        query=words,
        kept=kept,
        truncated=(*left_out, *(("query",) if cut else ())),
    )


def whole(context: Context) -> str:
    """The record's lines with nothing left out."""
    return "\n".join(_lines(context.about, context.items, {item.id: item.text for item in context.items}))


def spans_of(query: str, floor: Floor) -> tuple[tuple[int, int], ...]:
    """Where the words stand that rules have fired on."""
    found = set()
    for evidence in {words for flag in floor.flags for words in flag.evidence if words}:
        at = query.find(evidence)
        if at >= 0:
            found.add((at, at + len(evidence)))
    return tuple(sorted(found))


# --- the record ---------------------------------------------------------------------------------------------------


def _fit_items(context: Context, tokens: int, count: Count) -> tuple[tuple[Item, ...], dict[str, str], tuple[str, ...]]:
    """Items that stay, the text each is shown with, and what was left out."""
    room = tokens - sum(count(line) + 1 for line in context.about)
    room -= sum(count(heading) + 2 for heading in _HEADINGS.values())
    always = [item for item in context.items if item.tier is Tier.ALWAYS]
    shown = {item.id: item.text for item in always}
    left_out: set[Tier] = set()
    room -= sum(_cost(item, item.text, count) for item in always)
    for item in reversed(always):  # the last that came in loses its details first
        if room >= 0:
            break
        if item.brief != item.text:
            shown[item.id] = item.brief
            room += _cost(item, item.text, count) - _cost(item, item.brief, count)
            left_out.add(Tier.ALWAYS)
    for tier in sorted(set(Tier) - {Tier.ALWAYS}):
        for item in context.items:
            if item.tier is not tier:
                continue
            cost = _cost(item, item.text, count)
            # Once one is left out, so is all that is less dear: what is shown can be told in a sentence.
            if cost > room or left_out - {Tier.ALWAYS}:
                left_out.add(tier)
                continue
            shown[item.id] = item.text
            room -= cost
    kept = tuple(item for item in context.items if item.id in shown)
    names = tuple(_LEFT_OUT[tier] for tier in sorted(left_out, reverse=True))
    return kept, shown, names


def _cost(item: Item, text: str, count: Count) -> int:
    return count(_line(item, text)) + 1


def _lines(about: Iterable[str], items: Iterable[Item], shown: dict[str, str]) -> Iterator[str]:
    yield from about
    kind: Kind | None = None
    for item in items:
        if item.kind is not kind:
            kind = item.kind
            yield f"{_HEADINGS[kind]}:"
        yield _line(item, shown[item.id])


def _line(item: Item, text: str) -> str:
    """Of what began long ago the month is enough: in most vocabularies each digit is a token."""
    if item.date is None:
        return f"[{item.id}] {text}"
    day = f"{item.date:%Y-%m}" if item.kind in (Kind.CONDITION, Kind.MEDICATION) else item.date.isoformat()
    return f"[{item.id}] {text} ({day})"


# --- the question -------------------------------------------------------------------------------------------------


def fit_query(
    query: str, tokens: int, count: Count = estimate_tokens, hits: Sequence[tuple[int, int]] = ()
) -> tuple[str, bool]:
    """The question, and whether something of it was left out: then its beginning, its end and the sentences of `hits`
    stand, in their order, as many as there is room for; then what follows the beginning."""
    size = count(query)
    if size <= tokens:
        return query, False
    # Pieces of an eighth of the room at most: one that is longer could be neither kept nor left.
    longest = max(20, min(_PIECE, tokens * len(query) // (8 * size)))
    pieces = list(sentence_spans(query, longest))
    costs = [count(query[start:end]) + count(GAP) + 1 for start, end in pieces]
    kept: set[int] = set()
    room = tokens

    def take(indices: Iterable[int], share: int, leap: bool = False) -> None:
        nonlocal room
        share = min(share, room)
        for index in indices:
            if index not in kept and costs[index] <= share:
                kept.add(index)
                share, room = share - costs[index], room - costs[index]
            elif index not in kept and not leap:
                return

    take(range(len(pieces)), tokens // 4)
    take(reversed(range(len(pieces))), tokens // 4)
    take((i for i, (start, end) in enumerate(pieces) if any(start < e and s < end for s, e in hits)), tokens, leap=True)
    take(range(len(pieces)), tokens)
    return " ".join(_joined(query, pieces, kept)), True


def _joined(query: str, pieces: Sequence[tuple[int, int]], kept: set[int]) -> Iterator[str]:
    gap = False
    for index, (start, end) in enumerate(pieces):
        if index in kept:
            yield query[start:end]
            gap = False
        elif not gap:
            yield GAP
            gap = True
