"""How often somebody may ask: a token bucket for each caller and one for each address. Pure but for the clock.

Called by the triage use case, after the rules have spoken (an emergency is never counted), and by the OpenAI door.
Buckets are bounded: where there are too many callers the one that was quiet for longest is forgotten, which only ever
lets somebody ask sooner.
"""

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass

from typing_extensions import override

from service_chat.errors import RateLimited
from service_chat.services.caller import ANONYMOUS, Caller
from service_chat.services.limits import Limits
from serving.clock import Clock

#: Buckets of one kind. A bucket is about 200 bytes.
MOST_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    per_minute: float  #: RATE_LIMIT_PER_MINUTE
    burst: int  #: RATE_LIMIT_BURST: how many may come at once after a quiet time


class RateLimits(Limits):
    """Lives on the event loop."""

    def __init__(self, policy: LimitPolicy, clock: Clock, most: int = MOST_BUCKETS) -> None:
        self._callers = _Buckets(policy, most)
        self._addresses = _Buckets(policy, most)
        self._clock = clock

    @override
    def take(self, caller: Caller, address: str | None) -> None:
        now = self._clock.monotonic()
        named = caller.principal if caller.principal != ANONYMOUS.principal else None
        place = network_of(address) if address is not None else None
        # Both are asked before either is charged: a refusal costs nothing.
        wait_s = max(self._callers.wait_s(named, now), self._addresses.wait_s(place, now))
        if wait_s > 0:
            raise RateLimited(retry_after_s=max(1, math.ceil(wait_s)))
        self._callers.charge(named, now)
        self._addresses.charge(place, now)

    def statistics(self) -> tuple[int, int]:
        """Buckets of callers, of addresses."""
        return len(self._callers), len(self._addresses)


class _Buckets:
    """One of each name: how full it was, and when that was. None is nobody, and has no bound."""

    def __init__(self, policy: LimitPolicy, most: int) -> None:
        self._per_s, self._burst, self._most = policy.per_minute / 60, float(policy.burst), most
        self._full: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full)

    def wait_s(self, name: str | None, now: float) -> float:
        """Seconds until one more may come; 0 when it may come now."""
        return max(0.0, (1.0 - self._level(name, now)) / self._per_s)

    def charge(self, name: str | None, now: float) -> None:
        if name is None:
            return
        self._full[name] = (self._level(name, now) - 1.0, now)
        self._full.move_to_end(name)
        if len(self._full) > self._most:
            self._full.popitem(last=False)

    def _level(self, name: str | None, now: float) -> float:
        known = self._full.get(name) if name is not None else None
        if known is None:
            return self._burst
        level, at = known
        return min(self._burst, level + (now - at) * self._per_s)


def network_of(address: str) -> str:
    """The address; of IPv6 its /64, because whoever has one address of that has them all."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.split("%", 1)[0])
    except ValueError:
        return address
    return str(found.ipv4_mapped or ipaddress.IPv6Network((found, 64), strict=False))
