"""What came of a run of a schedule, as a line of a table. Made by `schedule`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.orders import Plant
from tests.chaos.plan import Step
from tests.chaos.reconcile import Books

HEAD = """| seed | claims | planted | begins with | accidents | deaths | blamed | twice | most depth | s | outcome |
|---|---|---|---|---|---|---|---|---|---|---|"""


@dataclass(frozen=True, slots=True)
class Run:
    seed: int
    claims: int
    plant: Plant
    assignor: str  #: to begin with
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True)
class Verdict:
    run: Run
    books: Books
    deaths: int
    seconds: float

    @property
    def outcome(self) -> str:
        return "FAILED" if self.books.problems else "passed"

    def __str__(self) -> str:
        run, books = self.run, self.books
        accidents = ", ".join(f"{count} {action}" for action, count in sorted(_counted(run.steps).items()))
        twice = ", ".join(f"{count} {what}" for what, count in sorted(books.duplicates.items())) or "none"
        who = (run.seed, run.claims, run.plant or "none", run.assignor)
        cells = (*who, accidents, self.deaths, books.blamed, twice, books.depth, f"{self.seconds:.0f}", self.outcome)
        return f"| {' | '.join(map(str, cells))} |"


def _counted(steps: Sequence[Step]) -> Counter[str]:
    return Counter(step.action.value for step in steps)
