"""How the consumer's thread says how it is: written by that thread alone, read by the probe, the metrics and the page.

Everything here is replaced whole or is a single number, so a reader on another thread needs no lock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from inference_container.broker.ports import Partition
from inference_container.claims.consuming.gate import Gate, GateStatistics
from inference_container.claims.consuming.ledger import LedgerStatistics
from serving.clock import Clock


class State(StrEnum):
    STARTING = "starting"  #: waits for a first model, or for its first poll
    RUNNING = "running"
    BACKING_OFF = "backing_off"  #: after an error; goes on by itself
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ConsumerStatistics:
    state: State
    reason: str | None  #: why it backs off
    gate: GateStatistics
    ledger: LedgerStatistics
    depth: int  #: delivered and not ended, of partitions that have gone too
    most_depth: int  #: highest ever, looked at with every delivery
    held: str | None  #: why the desk can work nothing
    away: str | None  #: why the broker did not answer when it was last asked for the ends
    #: End less committed, of each partition that is ours; all of it where nothing was ever committed.
    lag: Mapping[Partition, int]
    assigned: frozenset[Partition]
    paused: frozenset[Partition]
    poll_stall_s: float  #: since a poll began or ended; 0 before the first, after the last and while it backs off
    commits: int
    commit_failures: int


class Pulse:
    """Belongs to the thread that polls; `statistics` may be asked for by any."""

    def __init__(self, gate: Gate, ledger: LedgerStatistics, clock: Clock) -> None:
        self._gate = gate
        self._clock = clock
        self._beat: float | None = None
        #: Together, so that nobody reads the state of now with the reason of before.
        self._told: tuple[State, str | None] = (State.STARTING, None)
        #: With when it was written down: nobody turns its clock while this thread hangs in a call.
        self._books: tuple[LedgerStatistics, float] = (ledger, clock.monotonic())
        self.depth = 0
        self.most_depth = 0
        self.held: str | None = None
        self.away: str | None = None
        self.assigned: frozenset[Partition] = frozenset()
        self.paused: frozenset[Partition] = frozenset()
        self.ends: Mapping[Partition, int] = {}
        self.committed: Mapping[Partition, int] = {}
        self.commits = 0
        self.commit_failures = 0

    def beat(self) -> None:
        """A poll begins or ends, or something is about to take the place of one."""
        self._beat = self._clock.monotonic()

    def book(self, ledger: LedgerStatistics) -> None:
        """What the books say now."""
        self._books = (ledger, self._clock.monotonic())

    def running(self) -> None:
        self._told = (State.RUNNING, None)

    def backing_off(self, reason: str) -> None:
        self._beat = None  # nobody polls because somebody waits, which no restart would shorten
        self._told = (State.BACKING_OFF, reason)

    def stopped(self) -> None:
        self._beat = None
        self.away = None
        self.assigned = self.paused = frozenset()
        self._told = (State.STOPPED, None)

    def statistics(self) -> ConsumerStatistics:
        beat = self._beat
        state, reason = self._told
        ends, committed, assigned = self.ends, self.committed, self.assigned
        now = self._clock.monotonic()
        ledger, written_at = self._books
        if ledger.oldest_s:
            ledger = replace(ledger, oldest_s=ledger.oldest_s + now - written_at)
        return ConsumerStatistics(
            state=state,
            reason=reason,
            gate=self._gate.statistics(),
            ledger=ledger,
            depth=self.depth,
            most_depth=self.most_depth,
            held=self.held,
            away=self.away,
            lag={each: max(0, end - committed.get(each, 0)) for each, end in ends.items() if each in assigned},
            assigned=assigned,
            paused=self.paused,
            poll_stall_s=now - beat if beat is not None else 0.0,
            commits=self.commits,
            commit_failures=self.commit_failures,
        )
