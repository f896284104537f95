"""Looks at the memory of the services while a run goes on: what grows under a constant load is a leak.

Reads `/metrics` every few seconds, from the process that judges. No request of it is counted.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import gevent
from requests import RequestException, Session

EVERY_S = 10.0
#: Caches fill and pools open in the first minute: that is no growth.
_SETTLED_S = 60.0
_NAMES = ("process_resident_memory_bytes", "child_resident_memory_bytes")


def memory_of(exposition: str) -> float | None:
    """Bytes of the process and its children; None where the exposition does not tell."""
    found = [
        float(line.rsplit(" ", 1)[1])
        for line in exposition.splitlines()
        if line.partition("{")[0].partition(" ")[0] in _NAMES
    ]
    return sum(found) if found else None


@dataclass(slots=True)
class Memory:
    """Sizes of one service, as they were seen."""

    seen: list[tuple[float, float]] = field(default_factory=list)  #: seconds since the start, bytes

    def growth(self) -> float | None:
        """Since a minute after the start, as a part; None where nobody looked twice after that."""
        settled = [size for passed, size in self.seen if passed >= _SETTLED_S]
        return settled[-1] / settled[0] - 1 if len(settled) > 1 and settled[0] else None


class Watch:
    def __init__(self, services: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        """`services`: name → URL."""
        self._services, self._clock = services, clock
        self.memory = {name: Memory() for name in services}

    def run(self) -> None:
        """Until the greenlet is killed."""
        begun, session = self._clock(), Session()
        session.trust_env = False
        while True:
            for name, url in self._services.items():
                try:
                    size = memory_of(session.get(f"{url}/metrics", timeout=5).text)
                except RequestException:
                    size = None  # under overload it may not get through: the next look will
                if size is not None:
                    self.memory[name].seen.append((self._clock() - begun, size))
            gevent.sleep(EVERY_S)

    def growth(self) -> dict[str, float]:
        grown = {name: memory.growth() for name, memory in self.memory.items()}
        return {name: part for name, part in grown.items() if part is not None}
