"""Refusals for want of room, ready as bytes: under overload most of the work is saying no.

The number in `Retry-After` follows the lane's pace, looked up a few times a second, and differs a little from caller to
caller: a thousand clients told the same second would come back in the same second.
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

from inference_container.services.lanes import ForecastLane
from serving.clock import Clock
from serving.encoding import dumps
from serving.errors import QueueFull
from serving.http.problems import MEDIA_TYPE, problem

#: How long a set of refusals is used, seconds.
_FRESH_S = 0.1
_VARIANTS = 16


@dataclass(frozen=True, slots=True)
class Refusal:
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Refusals:
    def __init__(self, lane: ForecastLane, clock: Clock) -> None:
        self._lane, self._clock = lane, clock
        self._made_at = -_FRESH_S
        self._next: Iterator[Refusal] = iter(())

    def next(self) -> Refusal:
        now = self._clock.monotonic()
        if now - self._made_at >= _FRESH_S:
            self._made_at = now
            base = self._lane.retry_after_s()
            spread = max(2, base // 2)
            made = [_refusal(base + random.randint(0, spread), self._lane.depth) for _ in range(_VARIANTS)]
            self._next = itertools.cycle(made)
        return next(self._next)


def _refusal(retry_after_s: int, depth: int) -> Refusal:
    error = QueueFull(retry_after_s=retry_after_s, qsize=depth)
    body = dumps(problem(429, error.code, error.message, error.details))
    headers = (
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(retry_after_s).encode()),
    )
    return Refusal(headers, body)
