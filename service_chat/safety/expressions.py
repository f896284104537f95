"""The condition of a rule: parsed once at start, proven against a text and a record.

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

import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from typing_extensions import override

from service_chat.safety.findings import Hit, Reading
from service_chat.safety.numbers import QUANTITIES
from service_chat.safety.values import Assertion, RecordFacts

STATUSES: Final[Mapping[str, Assertion | None]] = {
    "past": Assertion.PAST,
    "family": Assertion.FAMILY,
    "hypo": Assertion.HYPOTHETICAL,
    "negated": Assertion.NEGATED,
    "any": None,
}
RECORD_KINDS: Final = frozenset({"drug", "condition", "allergy"})
FACTS: Final = frozenset({"pregnant", "new_drug", "deceased"})
#: The concept by which a text itself says that its writer is pregnant.
PREGNANT: Final = "pregnant_self"

_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}
_TOKEN = re.compile(r"\s*(?:([&|()!])|(<=|>=|==|<|>)|([A-Za-z_][A-Za-z0-9_]*(?::[A-Za-z0-9_]+)?)|(\d+(?:\.\d+)?))")


class ExpressionError(ValueError):
    """A condition that can not be read. `rules` adds the file and the rule."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a condition rests on."""

    hits: tuple[Hit, ...] = ()
    readings: tuple[Reading, ...] = ()
    record: tuple[str, ...] = ()


def _joined(proofs: Sequence[Proof]) -> Proof:
    if len(proofs) == 1:
        return proofs[0]
    return Proof(
        tuple([hit for proof in proofs for hit in proof.hits]),
        tuple([reading for proof in proofs for reading in proof.readings]),
        tuple([display for proof in proofs for display in proof.record]),
    )


@dataclass(frozen=True, slots=True)
class Scene:
    """What a condition is proven against: the hits of one neighbourhood, the readings of the text, the record."""

    hits: Mapping[str, Sequence[Hit]]  #: by concept, idioms left out
    readings: Sequence[Reading]
    facts: RecordFacts = field(default_factory=RecordFacts)
    pregnant: tuple[Hit, ...] = ()  #: where in the whole text its writer says so
    #: What single concepts came to: a hundred rules ask for the same few.
    proven: dict[str, Proof | None] = field(default_factory=dict)


class Condition(ABC):
    """A node of an expression."""

    @abstractmethod
    def prove(self, scene: Scene) -> Proof | None:
        """What it rests on; None when it does not hold."""

    @abstractmethod
    def concepts(self) -> frozenset[str]:
        """The concepts it names, whatever status it asks for."""

    @abstractmethod
    def wordless(self) -> bool:
        """Whether it may hold for a text that names none of its concepts."""


@dataclass(frozen=True, slots=True)
class Named(Condition):
    """A concept with a status; None stands for any."""

    concept: str
    status: Assertion | None = Assertion.PRESENT

    @override
    def prove(self, scene: Scene) -> Proof | None:
        hits = scene.hits.get(self.concept)
        if hits is None:
            return None
        status = self.status
        asked_for = self.concept if status is Assertion.PRESENT else f"{status}:{self.concept}"
        if asked_for not in scene.proven:
            fitting = tuple([hit for hit in hits if status is None or hit.assertion is status])
            scene.proven[asked_for] = Proof(hits=fitting) if fitting else None
        return scene.proven[asked_for]

    @override
    def concepts(self) -> frozenset[str]:
        return frozenset({self.concept})

    @override
    def wordless(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Compared(Condition):
    """A quantity against a bound."""

    quantity: str
    sign: str
    bound: float

    @override
    def prove(self, scene: Scene) -> Proof | None:
        holds = _COMPARE[self.sign]
        fitting = tuple(r for r in scene.readings if r.quantity == self.quantity and holds(r.value, self.bound))
        # The record's value counts beside the text's, never instead: else naming a brother's age would hide one's own.
        known = {"age_years": scene.facts.age_years, "gestation_weeks": scene.facts.gestation_weeks}.get(self.quantity)
        if fitting or (known is not None and holds(known, self.bound)):
            return Proof(readings=fitting)
        return None

    @override
    def concepts(self) -> frozenset[str]:
        return frozenset()

    @override
    def wordless(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Recorded(Condition):
    """Something that the record says."""

    kind: str
    name: str = ""

    @override
    def prove(self, scene: Scene) -> Proof | None:
        facts = scene.facts
        match self.kind:
            case "drug" | "condition" | "allergy":
                lists = {"drug": facts.drugs, "condition": facts.conditions, "allergy": facts.allergies}
                shown = tuple(display for name, display in lists[self.kind] if name == self.name)
                return Proof(record=shown) if shown else None
            case "sex":
                return Proof() if facts.sex == self.name else None
            case "new_drug":
                return Proof(record=facts.new_drugs) if facts.new_drugs else None
            case "deceased":
                return Proof() if facts.deceased else None
            case _:  # pregnant
                return Proof(hits=scene.pregnant) if scene.pregnant or facts.pregnant else None

    @override
    def concepts(self) -> frozenset[str]:
        return frozenset({PREGNANT}) if self.kind == "pregnant" else frozenset()

    @override
    def wordless(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class All(Condition):
    parts: tuple[Condition, ...]

    @override
    def prove(self, scene: Scene) -> Proof | None:
        proofs: list[Proof] = []
        for part in self.parts:
            proof = part.prove(scene)
            if proof is None:
                return None
            proofs.append(proof)
        return _joined(proofs)

    @override
    def concepts(self) -> frozenset[str]:
        return frozenset().union(*(part.concepts() for part in self.parts))

    @override
    def wordless(self) -> bool:
        return all(part.wordless() for part in self.parts)


@dataclass(frozen=True, slots=True)
class Any(Condition):
    parts: tuple[Condition, ...]

    @override
    def prove(self, scene: Scene) -> Proof | None:
        proofs = [proof for part in self.parts if (proof := part.prove(scene)) is not None]
        return _joined(proofs) if proofs else None

    @override
    def concepts(self) -> frozenset[str]:
        return frozenset().union(*(part.concepts() for part in self.parts))

    @override
    def wordless(self) -> bool:
        return any(part.wordless() for part in self.parts)


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
            if sign not in _COMPARE or not bound[0].isdigit():
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
