"""What the stages of a run say: the best rate, where it is reached, and at which numbers an autoscaler should act.

Pure: `stages` measures, `report` tells, and a unit test can do both by hand.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

#: A load generator that is busier than this may be what was measured.
BUSY = 0.85
#: How late a claim may be before there should be more replicas; `lagThreshold` is a rate times this.
TOLERATED_DELAY_S = 10
#: Replicas are added while there is still room to wait for them in.
_HEADROOM = 0.7
#: The knee is where nearly all of the best rate is reached: more callers only wait longer.
_NEARLY = 0.9


@dataclass(frozen=True, slots=True)
class StageResult:
    users: int
    rate: float  #: answers a second that were worked for
    offered: float  #: requests a second, whatever became of them
    wished: float  #: requests a second that the stage meant to make; 0: as many as were answered
    p50_ms: float
    p95_ms: float
    failures: int
    generator: float | None  #: part of a core that the load generator itself took; None: not known

    @property
    def client_bound(self) -> bool:
        return self.generator is not None and self.generator > BUSY


@dataclass(frozen=True, slots=True)
class Scaling:
    rate: float  #: requests a second of one replica
    in_flight: int  #: requests in flight of one replica, at which another should come
    lag: int | None  #: messages of one replica, the same
    at_least: bool  #: the load generator was at its limit: the service can do more


def best_of(stages: Sequence[StageResult]) -> StageResult | None:
    """The stage with the best rate of those in which nothing failed; None where something always did."""
    return max((stage for stage in stages if not stage.failures), key=lambda stage: stage.rate, default=None)


def knee_of(stages: Sequence[StageResult]) -> StageResult | None:
    """The first stage that nearly reaches the best rate."""
    best = best_of(stages)
    if best is None:
        return None
    return next(stage for stage in stages if not stage.failures and stage.rate >= _NEARLY * best.rate)


def scaling(stages: Sequence[StageResult], replicas: int, claims_rate: float | None) -> Scaling | None:
    """`claims_rate`: claims a second that this many replicas worked. None where no stage was without failures."""
    best, knee = best_of(stages), knee_of(stages)
    if best is None or knee is None:
        return None
    # Users that never rest have one request in flight each.
    in_flight = max(1, int(_HEADROOM * knee.users / replicas))
    lag = None if claims_rate is None else max(1, int(claims_rate / replicas * TOLERATED_DELAY_S))
    return Scaling(best.rate / replicas, in_flight, lag, best.client_bound)


def overload_faults(stages: Sequence[StageResult], doubled: Collection[int]) -> list[str]:
    """A stage that meant to offer more than it could was no overload, and its figures prove nothing.

    `doubled`: the stages, by number, that were to offer twice what one before them reached.
    """
    unknown = any(number in doubled and not stage.wished for number, stage in enumerate(stages))
    return ["no stage was answered without a failure, so nobody knows what twice its rate is"] * unknown + [
        f"{stage.offered:.0f} requests/s were offered, {stage.wished:.0f} were meant: the load generator is too slow "
        "for an overload (LOCUST_PROCESSES=2, or a larger machine)"
        for stage in stages
        if stage.wished and stage.offered < 0.75 * stage.wished
    ]
