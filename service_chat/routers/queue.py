"""`GET /queue`: how many are before you, and how long that takes. For people, pages and schedulers that pick a replica.

Nothing is asked of the engine: the numbers are those by which the lane admits and refuses.
"""

from collections.abc import Mapping

from fastapi import APIRouter
from pydantic import BaseModel, Field

from service_chat.services.chat_lane import ChatLane
from service_chat.services.outlook import LaneOutlook


class PredictedWait(BaseModel):
    """Of a chat like those before it, if it came now. Seconds."""

    start_s: float = Field(description="Until it has a slot.")
    first_token_s: float = Field(description="Until its answer begins.")
    end_s: float = Field(description="Until its answer is whole.")


class LaneStatus(BaseModel):
    slots: int = Field(description="Chats that the engine works on at the same time.")
    busy: int
    waiting: int
    capacity: int = Field(description="Chats that may wait; one more gets 429.")
    oldest_wait_s: float
    prefill_rate: float | None = Field(description="Prompt tokens read per second; null until some were.")
    decode_rate: float | None = Field(description="Tokens written per second by all slots; null until some were.")
    predicted: PredictedWait | None = Field(description="Null while the rates are unknown.")


class QueueStatus(BaseModel):
    default_llm_mode: str
    modes: dict[str, LaneStatus] = Field(description="A lane for each engine; empty when the model is switched off.")


def queue_router(lanes: Mapping[str, ChatLane], default_mode: str, max_tokens: int) -> APIRouter:
    """`max_tokens`: what an answer may have at most, for as long as none has shown how long they are."""
    router = APIRouter(tags=["operations"])

    @router.get("/queue", summary="Who waits for which engine, and how long a newcomer would")
    async def queue() -> QueueStatus:
        modes = {mode: _status(lane.outlook(max_tokens)) for mode, lane in lanes.items()}
        return QueueStatus(default_llm_mode=default_mode, modes=modes)

    return router


def _status(lane: LaneOutlook) -> LaneStatus:
    known = lane.next_one
    return LaneStatus(
        slots=lane.slots,
        busy=lane.busy,
        waiting=lane.waiting,
        capacity=lane.capacity,
        oldest_wait_s=round(lane.oldest_wait_s, 3),
        prefill_rate=round(lane.prefill_rate, 1) if lane.prefill_rate is not None else None,
        decode_rate=round(lane.decode_rate, 1) if lane.decode_rate is not None else None,
        predicted=PredictedWait(
            start_s=round(known.start_s, 1), first_token_s=round(known.first_token_s, 1), end_s=round(known.end_s, 1)
        )
        if known is not None
        else None,
    )
