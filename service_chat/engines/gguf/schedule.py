"""Which part of which prompt is read in the next step. Pure.

Called by the engine's step loop before each step; the rows that write come first and are not its business. A prompt is
read in chunks, because a step lasts as long as all of its rows: what somebody reads, the others wait for before their
next token. So the chunk is large while nobody writes, and small once someone does.

The shortest prompt goes first, which gives most callers their first token early. So that the longest comes too, each
second of waiting counts as if some tokens had been read already.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """A request whose prompt is not read to its end."""

    request_id: int
    left: int  #: tokens of its prompt still to be read
    since: float  #: when it came, in seconds of the clock that `now` is from
    #: The request that reads the part they share right now. This one waits and takes a copy of it.
    leader: int | None = None


def plan_step(
    reading: Sequence[Reading],
    decoding_rows: int,
    chunk_busy: int,
    chunk_quiet: int,
    now: float,
    ageing_per_s: float,
    batch: int,
) -> list[tuple[int, int]]:
    """(request_id, tokens of its prompt to read now), the most urgent first and none of them 0.

    Together they are at most `chunk_quiet` tokens, or `chunk_busy` where `decoding_rows` rows write, and no more than
    these leave of the `batch` rows of a step. `ageing_per_s` is what a second of waiting is worth in tokens: who came
    `left / ageing_per_s` seconds before another always goes before it. A batch that is larger than the rows that may
    write, and an ageing above 0, are what nobody starves by.
    """
    room = min(chunk_busy if decoding_rows else chunk_quiet, batch - decoding_rows)
    came = {request.request_id: (request.since, request.request_id) for request in reading}
    plan: list[tuple[int, int]] = []
    for request in sorted(reading, key=lambda request: _urgency(request, now, ageing_per_s)):
        if room <= 0:
            break
        if request.left <= 0 or _follows(request, came):
            continue
        tokens = min(room, request.left)
        plan.append((request.request_id, tokens))
        room -= tokens
    return plan


def _urgency(request: Reading, now: float, ageing_per_s: float) -> tuple[float, float, int]:
    """Less is sooner."""
    return request.left - ageing_per_s * (now - request.since), request.since, request.request_id


def _follows(request: Reading, came: dict[int, tuple[float, int]]) -> bool:
    """Whether its leader is at work. Only who came before can lead, so that no two ever wait for each other."""
    leader = came.get(request.leader) if request.leader is not None else None
    return leader is not None and leader < came[request.request_id]
