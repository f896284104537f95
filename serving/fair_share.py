"""Several lanes before the same workers: who is served next when more than one has work.

Start-time fair queueing (Goyal et al., 1996) over counted tickets: each lane's clock advances by what it was given
divided by its weight, and the lane whose clock is behind goes next. A lane with nothing to do saves nothing up, so a
long silence never turns into a claim on everything; a lane with work is always served in its turn.

A turn can not be broken off. Who comes while another lane has the workers waits for the end of its turn, so beside a
lane whose callers wait, the turns of the others can be kept short (`Company`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from serving.admission import BoundedQueue
from serving.clock import Clock
from serving.ticket import Ticket

I = TypeVar("I")  # noqa: E741 - the item of a ticket, as in serving.admission
R = TypeVar("R")


@dataclass(slots=True)
class Share(Generic[I, R]):
    """A lane and its part of the work while others want some too."""

    lane: BoundedQueue[I, R]
    weight: float
    #: How much it has been given, in tickets over weight.
    served: float = 0.0


@dataclass(frozen=True, slots=True)
class Company:
    """While the lane named first has had a turn within `lately_s`, a turn of any other is at most so many tickets."""

    clock: Clock
    at_most: int
    lately_s: float = 0.1


class FairShare(Generic[I, R]):
    def __init__(self, *shares: tuple[BoundedQueue[I, R], float], company: Company | None = None) -> None:
        """Lanes with their weights; of two whose turn it is, the one named first goes."""
        if any(weight <= 0 for _, weight in shares):
            raise ValueError("a weight is above 0: every lane is served in its turn")
        self._shares = [Share(lane, weight) for lane, weight in shares]
        self._now = 0.0
        self._company = company
        self._first_at = -math.inf

    @property
    def lanes(self) -> Sequence[BoundedQueue[I, R]]:
        return [share.lane for share in self._shares]

    @property
    def depth(self) -> int:
        """Tickets waiting in all lanes."""
        return sum(share.lane.depth for share in self._shares)

    @property
    def in_company(self) -> bool:
        """Whether the lane named first has had a turn lately. Without `Company` nobody knows, and it is never so."""
        company = self._company
        return company is not None and company.clock.monotonic() - self._first_at < company.lately_s

    def take_now(self, at_most: int) -> list[Ticket[I, R]]:
        """Tickets of one lane, the one whose turn it is; nothing when none waits anywhere."""
        ready = [share for share in self._shares if share.lane.depth]
        if not ready:
            return []
        for share in ready:
            share.served = max(share.served, self._now)
        chosen = min(ready, key=lambda share: share.served)
        self._now = chosen.served
        taken = chosen.lane.take_now(self._turn(chosen, at_most))
        chosen.served += len(taken) / chosen.weight
        return taken

    def _turn(self, share: Share[I, R], at_most: int) -> int:
        company = self._company
        if company is None:
            return at_most
        if share is self._shares[0]:
            self._first_at = company.clock.monotonic()
            return at_most
        return min(at_most, company.at_most) if self.in_company else at_most
