"""What a lane says of itself. Filled by `admission`; metrics, logs and the doors' pages read it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LaneStatistics:
    """How full a lane is, and what became of its tickets since the start."""

    capacity: int
    depth: int  #: tickets waiting
    running: int
    held_bytes: int  #: of all tickets that are not settled, and of bodies being read
    admitted: int
    rejected: int
    completed: int
    invalid: int  #: the caller's mistake
    failed: int  #: ours
    expired: int
    abandoned: int  #: the caller hung up
    oldest_wait_s: float
    last_wait_s: float
    total_wait_s: float
    max_wait_s: float
