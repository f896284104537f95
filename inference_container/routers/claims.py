"""`GET /claims`: how the Kafka door is doing, for the page and for people. What charts need is in the metrics.

Asks nobody: it tells what the consumer's thread last wrote down, so it answers while broker and store are gone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from inference_container.claims.consuming.consumer_statistics import ConsumerStatistics
from inference_container.claims.recording.recent import Recent
from serving.lane_statistics import LaneStatistics


@dataclass(frozen=True, slots=True)
class ClaimsView:
    """What the route looks at; `claim_house` makes it."""

    statistics: ConsumerStatistics
    lane: LaneStatistics
    bound: int
    #: What became of claims so far, and dead letters by reason.
    outcomes: Mapping[str, int]
    dead_letters: Mapping[str, int]
    latest: Sequence[Recent]


class Lane(BaseModel):
    depth: int = Field(description="Claims in hand: waiting and in work.")
    bound: int
    most_depth: int = Field(description="The highest it ever was.")
    waiting: int = Field(description="Series that wait for a worker.")


class Gate(BaseModel):
    closed: bool = Field(description="Fetching is paused until the lane is emptier.")
    flips: int
    paused_s: float = Field(description="Seconds in all.")


class PartitionState(BaseModel):
    topic: str
    partition: int
    lag: int = Field(description="Its end less what is committed.")
    paused: bool


class RecentResult(BaseModel):
    source: str = Field(description="topic-partition-offset")
    status: str
    claim_id: str | None
    object_key: str | None
    reason: str | None
    model_id: str | None
    rows: int
    timestamp: str


class ClaimsState(BaseModel):
    state: Literal["off", "starting", "running", "backing_off", "stopped"] = Field(
        description="`off`: there is no broker, or claims were not wanted."
    )
    reason: str | None = Field(None, description="Why it backs off or is held.")
    held: bool = Field(False, description="No claim can be worked: the store, the broker or the model is away.")
    lane: Lane | None = None
    gate: Gate | None = None
    partitions: list[PartitionState] = []
    oldest_s: float = Field(0.0, description="Since the oldest claim in hand was taken.")
    outcomes: dict[str, int] = {}
    dead_letters: dict[str, int] = Field({}, description="By reason, since the start.")
    latest: list[RecentResult] = Field([], description="Newest first.")


def claims_router(look: Callable[[], ClaimsView | None]) -> APIRouter:
    router = APIRouter(tags=["claims"])

    @router.get("/claims", summary="The Kafka door: lane, gate, lag, dead letters, last results")
    async def claims() -> ClaimsState:
        view = look()
        return ClaimsState(state="off") if view is None else _state(view)

    return router


def _state(view: ClaimsView) -> ClaimsState:
    now = view.statistics
    return ClaimsState(
        state=now.state.value,
        reason=now.reason or now.held,
        held=now.held is not None,
        lane=Lane(depth=now.depth, bound=view.bound, most_depth=now.most_depth, waiting=view.lane.depth),
        gate=Gate(closed=now.gate.closed, flips=now.gate.flips, paused_s=round(now.gate.paused_s, 3)),
        partitions=[
            PartitionState(topic=each.topic, partition=each.number, lag=lag, paused=each in now.paused)
            for each, lag in sorted(now.lag.items())
        ],
        oldest_s=round(now.ledger.oldest_s, 3),
        outcomes=dict(view.outcomes),
        dead_letters=dict(view.dead_letters),
        latest=[
            RecentResult(
                source=each.source,
                status=each.status,
                claim_id=each.claim_id,
                object_key=each.object_key,
                reason=each.reason,
                model_id=each.model_id,
                rows=each.rows,
                timestamp=each.timestamp,
            )
            for each in view.latest
        ],
    )
