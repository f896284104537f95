"""Several mistakes in one run of a module's tests, for each is told of by an assertion of its own.

A run takes seconds to start its providers and to plan; fifty of them would be a quarter of an hour. What is planted
together must have different words said of it, or one mistake would answer for another. A refusal that does not come
ends a run, so only one of those is looked for at a time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.terraform.planting import Mistake, Tree


@dataclass(frozen=True, slots=True)
class Planted:
    place: str  #: folder below infra/terraform whose tests are run
    only: str  #: the file of its tests
    mistake: Mistake
    said: str  #: a word of the assertion that fails, or the name of the run that expects a refusal

    @property
    def refusal(self) -> bool:
        return "_" in self.said


@dataclass(slots=True)
class Batch:
    names: list[str] = field(default_factory=list)
    planted: list[Planted] = field(default_factory=list)
    told: str = ""  #: what Terraform wrote, once it was run

    def takes(self, one: Planted) -> bool:
        return all(
            other.place == one.place and other.only == one.only and not one.refusal
            and other.said not in one.said and one.said not in other.said
            and (other.mistake.file != one.mistake.file or _apart(other.mistake, one.mistake))
            for other in self.planted
        )  # fmt: skip

    def run(self, tree: Tree) -> str:
        if not self.told:
            first = self.planted[0]
            tested = tree.tested(first.place, *(each.mistake for each in self.planted), only=first.only)
            assert not tested.passed, tested.said
            self.told = " ".join(tested.said.split())
        return self.told


def batches(planted: Mapping[str, Planted]) -> dict[str, Batch]:
    """The batch that each mistake is in, by the mistake's name."""
    found: list[Batch] = []
    for name, one in planted.items():
        batch = next((each for each in found if each.takes(one)), None)
        if batch is None:
            found.append(batch := Batch())
        batch.names.append(name)
        batch.planted.append(one)
    return dict(_by_name(found))


def _by_name(found: list[Batch]) -> Iterator[tuple[str, Batch]]:
    for batch in found:
        for name in batch.names:
            yield name, batch


def _apart(one: Mistake, other: Mistake) -> bool:
    """Whether neither text holds the other: then each is still there when the other was planted."""
    return one.right not in other.right and other.right not in one.right
