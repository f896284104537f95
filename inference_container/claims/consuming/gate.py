"""High and low watermark of the claim lane: when the consumer pauses, and when it goes on.

Pure: told a depth, it answers what turns. The consumer acts on it, logs it, and charts `statistics`. Two thresholds and
not one, so that a depth that hovers at the brim does not flap. The gate is no bound: that nothing is fetched that has
no place is `room`, which the consumer asks before every poll, shut or open.
"""

from dataclasses import dataclass
from enum import Enum

from serving.clock import Clock


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """Thresholds in percent of the bound.

    Raises:
        ValueError: They leave nothing between them, or lie outside 0 to 100.
    """

    pause_pct: int = 80  #: PAUSE_THRESHOLD_PCT: shut at this depth and above
    resume_pct: int = 50  #: RESUME_THRESHOLD_PCT: open at this depth and below

    def __post_init__(self) -> None:
        if not 0 <= self.resume_pct < self.pause_pct <= 100:
            raise ValueError("RESUME_THRESHOLD_PCT must be below PAUSE_THRESHOLD_PCT, both between 0 and 100")


class Turn(Enum):
    """Values are the names of the events."""

    SHUT = "consumer_paused"
    OPENED = "consumer_resumed"


@dataclass(frozen=True, slots=True)
class GateStatistics:
    closed: bool
    flips: int  #: turns in both directions
    paused_s: float  #: in all, the present pause included


class Gate:
    """Belongs to the thread that polls; `statistics` may be read from any."""

    def __init__(self, bound: int, policy: GatePolicy, clock: Clock) -> None:
        if bound < 1:
            raise ValueError("a lane holds at least one claim")
        self.bound = bound
        self._policy = policy
        self._clock = clock
        self._shut_at: float | None = None
        self._flips = 0
        self._paused_s = 0.0

    @property
    def closed(self) -> bool:
        return self._shut_at is not None

    def judge(self, depth: int) -> Turn | None:
        """What turns at this depth (queued and in work); None when all stays as it is."""
        filled = depth * 100
        if self._shut_at is None and filled >= self._policy.pause_pct * self.bound:
            self._shut_at = self._clock.monotonic()
            self._flips += 1
            return Turn.SHUT
        if self._shut_at is not None and filled <= self._policy.resume_pct * self.bound:
            self._paused_s += self._clock.monotonic() - self._shut_at
            self._shut_at = None
            self._flips += 1
            return Turn.OPENED
        return None

    def room(self, depth: int) -> int:
        """How many more may be fetched. Nothing that a poll brings may have to wait outside the lane, or be dropped."""
        return max(0, self.bound - depth)

    def statistics(self) -> GateStatistics:
        shut_at = self._shut_at  # once: another thread may open the gate meanwhile
        since = self._clock.monotonic() - shut_at if shut_at is not None else 0.0
        return GateStatistics(shut_at is not None, self._flips, self._paused_s + since)
