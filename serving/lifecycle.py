"""The life of a process: starting → loading → warming → ready → draining → stopped, or failed on the way.

Readiness asks this; liveness never does. A process that was ready once stays ready while its engine restarts: it is
degraded, because the rest of it still works. It turns `failed` when restarts keep failing, and may recover from there.
"""

import asyncio
from dataclasses import dataclass
from enum import StrEnum

from serving import events


class State(StrEnum):
    STARTING = "starting"
    LOADING = "loading"
    WARMING = "warming"
    READY = "ready"
    FAILED = "failed"
    DRAINING = "draining"
    STOPPED = "stopped"


_NEXT: dict[State, frozenset[State]] = {
    State.STARTING: frozenset({State.LOADING, State.WARMING, State.READY, State.FAILED, State.DRAINING}),
    State.LOADING: frozenset({State.WARMING, State.READY, State.FAILED, State.DRAINING}),
    State.WARMING: frozenset({State.LOADING, State.READY, State.FAILED, State.DRAINING}),
    State.READY: frozenset({State.FAILED, State.DRAINING}),
    State.FAILED: frozenset({State.LOADING, State.WARMING, State.READY, State.DRAINING}),
    State.DRAINING: frozenset({State.STOPPED}),
    State.STOPPED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a load has come."""

    phase: str
    percent: float | None = None  #: 0 to 100; None where the end is not known
    eta_s: float | None = None


class IllegalTransition(RuntimeError):
    """A programming error: the states have one order."""


class Lifecycle:
    """Lives on the event loop. `degraded` holds reasons why a ready process does less than it could."""

    def __init__(self) -> None:
        self.state = State.STARTING
        self.progress: Progress | None = None
        self.reason: str | None = None
        self.degraded: frozenset[str] = frozenset()
        self._changed = asyncio.Event()

    def to(self, state: State, reason: str | None = None) -> None:
        """Moves on. Going to the present state only replaces the reason.

        Raises:
            IllegalTransition: The states have no such step.
        """
        if state is not self.state and state not in _NEXT[self.state]:
            raise IllegalTransition(f"{self.state.value} -> {state.value}")
        before, self.state, self.reason = self.state, state, reason
        if state in (State.READY, State.FAILED, State.DRAINING, State.STOPPED):
            self.progress = None
        if before is not state:
            events.lifecycle_changed(before=before.value, after=state.value, reason=reason)
            self._changed.set()
            self._changed = asyncio.Event()

    def report(self, progress: Progress) -> None:
        """Notes how far the load is. Late reports, from a child that is going down with us, change nothing."""
        if self.state in (State.STARTING, State.FAILED):
            self.to(State.LOADING)
        if self.state in (State.LOADING, State.WARMING):
            self.to(State.WARMING if progress.phase == "warming" else State.LOADING)
            self.progress = progress

    def degrade(self, reason: str) -> None:
        self.degraded |= {reason}

    def restore(self, reason: str) -> None:
        self.degraded -= {reason}

    @property
    def ready(self) -> bool:
        return self.state is State.READY

    @property
    def closing(self) -> bool:
        return self.state in (State.DRAINING, State.STOPPED)

    async def until(self, *states: State) -> State:
        """Waits until one of `states` is reached."""
        while self.state not in states:
            await self._changed.wait()
        return self.state
