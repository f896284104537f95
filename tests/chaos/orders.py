"""What a running service is to suffer: written by a test into a file, read by `tests.chaos.service` as it goes.

The file is the whole channel. A test replaces it; the service looks at it whenever it passes a named point, so an order
holds from then on, in this process and in the next one that is started with the same file.
"""

import json
import os
import signal
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

from inference_container.errors import StoreUnavailable

#: The environment variable that names the file.
VARIABLE = "SLUICE_CHAOS"
#: How long an order may go unnoticed.
_LOOK_EVERY_S = 0.01

Plant = Literal["", "commit-polled", "no-rewind", "drop-on-full"]


class Point(StrEnum):
    """Where a process may be killed."""

    POLLED = "polled"  #: records were handed out and nobody has them yet
    FETCHING = "fetching"  #: a claim's object is about to be read
    STORED = "stored"  #: a part of the log was put; its messages are not sent
    ACKNOWLEDGED = "acknowledged"  #: the broker has a message; nobody was told
    COMMITTING = "committing"  #: finished offsets are about to be committed
    COMMITTED = "committed"  #: they were; nobody was told


@dataclass(frozen=True, slots=True)
class Orders:
    kill_at: str = ""  #: a `Point`; empty for none
    kill_after: int = 1  #: at so manieth passing of it, counted from when the order was seen
    store_down_until: float = 0.0  #: moments are of `time.time`
    store_slow_until: float = 0.0
    store_slow_s: float = 0.0
    commit_error: int = 0  #: Kafka's number of an error that commits are answered with; 0 for none
    commit_errors: int = 0  #: how many of them
    plant: Plant = ""

    def give(self, path: Path) -> None:
        """Replaces what the file said, in one step."""
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(self)))
        part.replace(path)


NOTHING = Orders()


class Steering:
    """Belongs to one process; any thread may ask."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._next_look = 0.0
        self._seen = b""
        self._orders = Orders()
        self._passed: Counter[str] = Counter()

    @property
    def orders(self) -> Orders:
        now = time.monotonic()
        if now >= self._next_look:
            with self._lock:
                self._next_look = now + _LOOK_EVERY_S
                self._look()
        return self._orders

    def reach(self, point: Point) -> None:
        """Does not return where this is the point to be killed at."""
        orders = self.orders
        if orders.kill_at == point:
            with self._lock:
                self._passed[point] += 1
                passed = self._passed[point]
            if passed >= orders.kill_after:
                os.kill(os.getpid(), signal.SIGKILL)

    def weather(self) -> None:
        """Ahead of every call of the store.

        Raises:
            StoreUnavailable: it is down.
        """
        orders, now = self.orders, time.time()
        if now < orders.store_slow_until:
            time.sleep(min(orders.store_slow_s, orders.store_slow_until - now))
        if now < orders.store_down_until:
            raise StoreUnavailable

    def spoils_commit(self) -> int:
        """The error that this commit is answered with; 0 for none."""
        orders = self.orders
        with self._lock:
            if not orders.commit_error or self._passed["spoiled"] >= orders.commit_errors:
                return 0
            self._passed["spoiled"] += 1
            return orders.commit_error

    @property
    def spoiled(self) -> int:
        return self._passed["spoiled"]

    def _look(self) -> None:
        found = self._path.read_bytes() if self._path.exists() else b""
        if found != self._seen:
            self._seen = found
            self._orders = Orders(**json.loads(found)) if found else Orders()
            self._passed.clear()
