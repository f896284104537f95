"""Refusals for want of room, ready as bytes: under overload most of the work is saying no.

The number in `Retry-After` follows the lane's pace, looked up a few times a second, and differs a little from caller to
caller: a thousand clients told the same second would come back in the same second.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inference_container.services.lanes import ForecastLane
from serving.clock import Clock
from serving.encoding import dumps
from serving.errors import QueueFull
from serving.http.problems import MEDIA_TYPE, problem
from serving.pace import jittered

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
        self._made_at = self._whole_made_at = -_FRESH_S
        self._next: Iterator[Refusal] = iter(())
        self._next_whole: Iterator[bytes] = iter(())

    def next(self) -> Refusal:
        """A refusal to send with headers of one's own beside its own."""
        now = self._clock.monotonic()
        if now - self._made_at >= _FRESH_S:
            self._made_at = now
            self._next = itertools.cycle(self._make())
        return next(self._next)

    def next_whole(self, default_headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """A whole answer; `default_headers` are the server's, and may be as old as the refusal."""
        now = self._clock.monotonic()
        if now - self._whole_made_at >= _FRESH_S:
            self._whole_made_at = now
            self._next_whole = itertools.cycle([_whole(each, default_headers) for each in self._make()])
        return next(self._next_whole)

    def _make(self) -> list[Refusal]:
        base = self._lane.retry_after_s()
        return [_refusal(jittered(base), self._lane.depth) for _ in range(_VARIANTS)]


def _whole(refusal: Refusal, default_headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    lines = (b"%b: %b\r\n" % header for header in (*default_headers, *refusal.headers))
    return b"HTTP/1.1 429 Too Many Requests\r\n%b\r\n%b" % (b"".join(lines), refusal.body)


def _refusal(retry_after_s: int, depth: int) -> Refusal:
    error = QueueFull(retry_after_s=retry_after_s, qsize=depth)
    body = dumps(problem(429, error.code, error.message, error.details))
    headers = (
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(retry_after_s).encode()),
    )
    return Refusal(headers, body)
