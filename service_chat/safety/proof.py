"""What a condition comes to: the nodes of an expression, proven against a text and a record. Pure.

`expressions` builds them from a rule's line, `rules` proves them. Each says what it rests on, so that an answer can
quote it. There is no node for "not", and none may come: see `expressions`.
"""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from typing_extensions import override

from service_chat.safety.findings import Hit, Reading
from service_chat.safety.values import Assertion, RecordFacts

#: The concept by which a text itself says that its writer is pregnant.
PREGNANT: Final = "pregnant_self"

COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}

#: Quantities that a record has as well.
_RECORDED: Final[Mapping[str, Callable[[RecordFacts], float | None]]] = {
    "age_years": lambda facts: facts.age_years,
    "gestation_weeks": lambda facts: facts.gestation_weeks,
}


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
    def possible(self, scene: Scene) -> bool:
        """Whether it would hold with some record."""

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
    def possible(self, scene: Scene) -> bool:
        return self.prove(scene) is not None

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
        holds = COMPARISONS[self.sign]
        fitting = tuple(r for r in scene.readings if r.quantity == self.quantity and holds(r.value, self.bound))
        # The record's value counts beside the text's, never instead: else naming a brother's age would hide one's own.
        known = _RECORDED[self.quantity](scene.facts) if self.quantity in _RECORDED else None
        if fitting or (known is not None and holds(known, self.bound)):
            return Proof(readings=fitting)
        return None

    @override
    def possible(self, scene: Scene) -> bool:
        return self.quantity in _RECORDED or self.prove(scene) is not None

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
    def possible(self, scene: Scene) -> bool:
        return True

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
    def possible(self, scene: Scene) -> bool:
        return all(part.possible(scene) for part in self.parts)

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
    def possible(self, scene: Scene) -> bool:
        return any(part.possible(scene) for part in self.parts)

    @override
    def concepts(self) -> frozenset[str]:
        return frozenset().union(*(part.concepts() for part in self.parts))

    @override
    def wordless(self) -> bool:
        return any(part.wordless() for part in self.parts)
