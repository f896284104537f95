"""A burst of claims, and how long it takes until all are worked. The gate and the user of claims both follow one.

`GET /claims` tells of one replica. Where several share the topic, the first that has nothing left of its own partitions
ends the wait, so the series is a lower bound there.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

_LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Look:
    """One answer of `GET /claims`."""

    state: str
    good: int  #: claims that were forecast since the service started
    bad: int  #: claims that ended in another way: expired, or a dead letter
    lag: int

    @property
    def worked(self) -> int:
        return self.good + self.bad

    @classmethod
    def of(cls, body: bytes) -> "Look":
        """
        Raises:
            ValueError: this is no such answer.
        """
        try:
            told = json.loads(body)
            ends = told["outcomes"]
            lag = sum(each["lag"] for each in told["partitions"])
            return cls(told["state"], ends.get("ok", 0), ends.get("expired", 0) + ends.get("dead_letter", 0), lag)
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"no answer of /claims: {error!r}") from None


def order_of(count: int, ttl_ms: int = 0, prefix: str = "") -> bytes:
    wanted: dict[str, object] = {"count": count, "identifier": "load"}
    if ttl_ms:
        wanted["ttl_ms"] = ttl_ms
    if prefix:
        wanted["key_prefix"] = prefix
    return json.dumps(wanted).encode()


def published_fault(body: bytes, count: int) -> str | None:
    try:
        told = json.loads(body)
        done = told["published"] if isinstance(told, dict) else None
    except (ValueError, LookupError) as error:
        return f"no answer of this service: {error!r}"
    return None if done == count else f"{done} of {count} claims were published"


@dataclass(frozen=True, slots=True)
class Worked:
    seconds: float
    fault: str | None


def follow(
    look: Callable[[], Look],
    before: Look,
    count: int,
    most_s: float,
    rest: Callable[[float], None],
    expiring: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Worked:
    """Until `count` claims more than `before` are worked and nothing is left to commit. `expiring`: they have a time to
    live, so that ending unworked is no fault."""
    begun = clock()
    while True:
        now = look()
        passed = clock() - begun
        if now.worked - before.worked >= count and now.lag == 0:
            bad = now.bad - before.bad
            return Worked(passed, f"{bad} claims expired or became dead letters" if bad and not expiring else None)
        if now.worked < before.worked:
            return Worked(passed, "the service was started anew meanwhile")
        if passed > most_s:
            worked = now.worked - before.worked
            return Worked(passed, f"{worked} of {count} claims worked after {most_s:.0f} s, lag {now.lag}")
        rest(_LOOK_EVERY_S)


def patience_s(count: int) -> float:
    """How long a burst may take before it is given up: a hundred claims a second, and a minute for what was before."""
    return 60 + count / 100
