"""The condition of a rule, as it is written: parsed once at start into the nodes of `proof`.

    when = "chest_site & (pressure_sensation | pain) & age_years >= 40"
    when = "drug:anticoagulant & (head_blow | any:fainting)"

- a concept counts where the text asserts it; `past:`, `family:`, `hypo:`, `negated:` and `any:` before it ask for
  another status (`any:` takes all but idioms)
- a comparison holds when one reading of the text satisfies it; `age_years` and `gestation_weeks` also take the record's
- `drug:`, `condition:`, `allergy:` and `sex:` ask the record, `pregnant` the text or the record, `new_drug` and
  `deceased` the record
- `&` binds closer than `|`; round brackets group

There is no "not". A rule that needed a thing to be absent could be talked out of firing by naming that thing, and the
floor would sink when text is added. Every expression here is monotone: more text or more record never unproves it.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from service_chat.safety.numbers import QUANTITIES
from service_chat.safety.proof import COMPARISONS, All, Any, Compared, Condition, Named, Recorded
from service_chat.safety.values import Assertion

STATUSES: Final[Mapping[str, Assertion | None]] = {
    "past": Assertion.PAST,
    "family": Assertion.FAMILY,
    "hypo": Assertion.HYPOTHETICAL,
    "negated": Assertion.NEGATED,
    "any": None,
}
RECORD_KINDS: Final = frozenset({"drug", "condition", "allergy"})
FACTS: Final = frozenset({"pregnant", "new_drug", "deceased"})
_TOKEN = re.compile(r"\s*(?:([&|()!])|(<=|>=|==|<|>)|([A-Za-z_][A-Za-z0-9_]*(?::[A-Za-z0-9_]+)?)|(\d+(?:\.\d+)?))")


class ExpressionError(ValueError):
    """A condition that can not be read. `rules` adds the file and the rule."""


def parse(source: str, concepts: Iterable[str]) -> Condition:
    """Reads a condition.

    Raises:
        ExpressionError: it can not be read, or names what is not known.
    """
    tokens: list[str] = []
    at = 0
    source = source.strip()
    while at < len(source):
        found = _TOKEN.match(source, at)
        if found is None:
            raise ExpressionError(f"can not read {source[at : at + 20]!r}")
        tokens.append(found.group().strip())
        at = found.end()
    reader = _Reader(tokens, frozenset(concepts))
    condition = reader.any()
    if reader.ahead is not None:
        raise ExpressionError(f"{reader.ahead!r} stands where `&`, `|` or the end belongs")
    return condition


class _Reader:
    def __init__(self, tokens: list[str], concepts: frozenset[str]) -> None:
        self._tokens = tokens
        self._concepts = concepts

    @property
    def ahead(self) -> str | None:
        return self._tokens[0] if self._tokens else None

    def _next(self) -> str:
        if not self._tokens:
            raise ExpressionError("it ends too early")
        return self._tokens.pop(0)

    def any(self) -> Condition:
        parts = [self.all()]
        while self.ahead == "|":
            self._next()
            parts.append(self.all())
        return parts[0] if len(parts) == 1 else Any(tuple(parts))

    def all(self) -> Condition:
        parts = [self.leaf()]
        while self.ahead == "&":
            self._next()
            parts.append(self.leaf())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def leaf(self) -> Condition:
        token = self._next()
        if token == "!":
            raise ExpressionError("there is no `!`: added text could unprove the rule")
        if token == "(":
            inner = self.any()
            if self._next() != ")":
                raise ExpressionError("a bracket is not closed")
            return inner
        if token in QUANTITIES:
            sign, bound = self._next(), self._next()
            if sign not in COMPARISONS or not bound[0].isdigit():
                raise ExpressionError(f"{token} is compared with a number")
            return Compared(token, sign, float(bound))
        kind, colon, name = token.partition(":")
        if not colon:
            if token in FACTS:
                return Recorded(token)
            return Named(self._known(token))
        if kind in STATUSES:
            return Named(self._known(name), STATUSES[kind])
        if kind in RECORD_KINDS or (kind == "sex" and name in {"F", "M"}):
            return Recorded(kind, name)
        raise ExpressionError(
            f"{token!r}: before a colon stands {', '.join(sorted({*STATUSES, *RECORD_KINDS, 'sex'}))}"
        )

    def _known(self, concept: str) -> str:
        if concept not in self._concepts:
            raise ExpressionError(f"{concept!r} is no concept of concepts.toml, and no quantity")
        return concept
