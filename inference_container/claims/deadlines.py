"""The moment after which nobody wants a claim's result: read from its header, judged against the clock.

The consumer asks twice: when it takes a claim out of its lane, and again before it publishes. The header is a date, so
that it means the same to producer and consumer, and it is the wall clock that judges; a consumer whose clock is wrong
by a minute is wrong by a minute here too. What runs inside the service gets a monotonic `Deadline` from `promise`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from inference_container.claims.refusals import Reason, Refusal
from serving.clock import Clock
from serving.deadline import Deadline

HEADER = "deadline_ms"
#: The last millisecond of the year 9999. Whoever writes microseconds by mistake gets a refusal and no endless claim.
LATEST_MS = 253_402_300_799_999

#: What clients make of headers: names as text or bytes, values as bytes, and numbers where a broker keeps them so.
AnyHeaders: TypeAlias = Iterable[tuple[str | bytes, bytes | str | int | None]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MALFORMED = Refusal(Reason.BAD_DEADLINE, f"{HEADER} is not a moment in decimal milliseconds since 1970.")
_CONFLICTING = Refusal(Reason.BAD_DEADLINE, f"{HEADER} stands there twice and says two moments.")


@dataclass(frozen=True, slots=True)
class ClaimDeadline:
    at_ms: int  #: since the epoch

    def expired(self, clock: Clock) -> bool:
        return milliseconds(clock) >= self.at_ms

    def remaining_s(self, clock: Clock) -> float:
        """Seconds left, never negative."""
        return max(0, self.at_ms - milliseconds(clock)) / 1000

    def promise(self, clock: Clock, at_most_s: float) -> Deadline:
        """For the work itself: what is left, and no more than the service gives anything."""
        return Deadline.after(min(self.remaining_s(clock), at_most_s), clock)


@dataclass(frozen=True, slots=True)
class TtlPolicy:
    enabled: bool  #: ENABLE_TTL; off, nobody looks at the header, not even whether it can be read

    def read(self, headers: AnyHeaders) -> ClaimDeadline | Refusal | None:
        """None: the claim may wait for ever. The same moment twice is one; two moments, or no moment, are refused."""
        if not self.enabled:
            return None
        moments = {_moment(value) for name, value in headers if name in (HEADER, HEADER.encode())}
        if None in moments:
            return _MALFORMED
        if len(moments) > 1:
            return _CONFLICTING
        return next((ClaimDeadline(moment) for moment in moments if moment is not None), None)


def deadline_header(at_ms: int) -> tuple[str, bytes]:
    """For publishers: the header that says this moment."""
    return HEADER, b"%d" % at_ms


def milliseconds(clock: Clock) -> int:
    """The wall clock's time since the epoch, whole milliseconds."""
    return (clock.now() - _EPOCH) // timedelta(milliseconds=1)


def _moment(value: bytes | str | int | None) -> int | None:
    """None for what says none."""
    if isinstance(value, int):
        return value if not isinstance(value, bool) and 0 <= value <= LATEST_MS else None
    if value is None:
        return None
    try:
        text = value.decode("ascii") if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return None
    # `int` would also take " 5", "+5", "1_0" and the digits of every script.
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(LATEST_MS))):
        return None
    return _moment(int(text))
