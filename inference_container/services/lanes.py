"""The two lanes before the workers: callers who wait for an answer, and claims that can come again.

Each has its own bound, so a burst of claims never costs a caller a place; `fair_share` decides whose batch is next.
"""

from dataclasses import dataclass
from typing import TypeAlias

from inference_container.forecasting.messages import ForecastQuery, HeadedReply
from serving.admission import BoundedQueue
from serving.clock import Clock
from serving.fair_share import Company, FairShare
from serving.pace import Shedding

ForecastAnswer: TypeAlias = bytes | HeadedReply
ForecastLane: TypeAlias = BoundedQueue[ForecastQuery, ForecastAnswer]

#: Of the forecasts made while both lanes wait, callers get this many for each one of the claims'.
INTERACTIVE_WEIGHT = 4.0
#: Claims of one batch while there are callers: a series in Parquet takes a worker as long as several in JSON, and a
#: caller who comes meanwhile waits for all of the batch.
CLAIMS_BESIDE_CALLERS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Lanes:
    interactive: ForecastLane
    claims: ForecastLane
    share: FairShare[ForecastQuery, ForecastAnswer]


def make_lanes(capacity: int, max_bytes: int, clock: Clock) -> Lanes:
    """Both lanes hold `capacity` waiting tickets and `max_bytes` of bodies.

    Only the callers' lane sheds: a claim waits in its topic, for as long as its own deadline lets it.
    """
    interactive = ForecastLane(capacity, clock, max_bytes=max_bytes, shedding=Shedding(clock), until_done=True)
    claims = ForecastLane(capacity, clock, max_bytes=max_bytes)
    company = Company(clock, CLAIMS_BESIDE_CALLERS)
    return Lanes(interactive, claims, FairShare((interactive, INTERACTIVE_WEIGHT), (claims, 1.0), company=company))
