"""The desk: where claims are worked, a task for each, on the event loop.

The consumer's thread hands messages over and takes them back; `way` is what becomes of each. This room keeps who is at
work, and sees to it that whoever was taken is told about once, whichever way it ended.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from typing_extensions import override

from inference_container.claims.consuming.ledger import Delivery
from inference_container.claims.desk.walker import Walker
from inference_container.claims.desk.way import ClaimWay, DeskPolicy
from inference_container.claims.ports import Desk, Ended, Forecaster, Item, Recorder, Tell
from inference_container.claims.results import RowStatus
from inference_container.claims.traces import in_its_trace
from inference_container.metrics_claims import ClaimMetrics
from inference_container.stores.ports import ObjectStore
from serving import events
from serving.clock import Clock
from serving.crew import Crew

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DeskStatistics:
    """Messages at the desk, by where they are. Those that wait before a door or for another try count as well."""

    in_work: int
    reading: int  #: of those that are fetching, with a thread
    fetching: int
    forecasting: int
    recording: int
    held: str | None


class ClaimDesk(Desk):
    """Open it as a context. Leaving it withdraws what is left."""

    def __init__(
        self,
        store: ObjectStore,
        forecaster: Forecaster,
        recorder: Recorder,
        policy: DeskPolicy,
        metrics: ClaimMetrics,
        clock: Clock,
        tell: Tell,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`chance`: 0 to 1, evenly; spreads further tries."""
        # One more than may be busy: after an outage threads may still hang in what they began before it.
        self._threads = Crew(policy.fetchers + 1, "claim-fetch")
        self._way = ClaimWay(store, self._threads, forecaster, recorder, policy, metrics, clock, chance)
        self._metrics, self._clock, self._tell = metrics, clock, tell
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open = False
        self._at_work: dict[Delivery, tuple[Walker, asyncio.Task[RowStatus]]] = {}

    async def __aenter__(self) -> "ClaimDesk":
        self._loop, self._open = asyncio.get_running_loop(), True
        return self

    async def __aexit__(self, *_: object) -> None:
        self._open = False
        await asyncio.sleep(0)  # what was handed over before comes now
        tasks = [task for _, task in self._at_work.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for door in self._way.doors:
            door.close()
        # Not waited for: a store that hangs would hold the process. What a thread still reads, nobody looks at.
        self._threads.shutdown(wait=False, cancel_futures=True)

    @override
    def take(self, items: Sequence[Item]) -> None:
        if not self._post(self._begin, items):
            self._refuse(items)

    @override
    def withdraw(self, deliveries: Collection[Delivery]) -> None:
        self._post(self._drop, deliveries)

    @property
    @override
    def held(self) -> str | None:
        return next((door.why for door in self._way.doors if door.why is not None), None)

    @property
    def coming(self) -> int:
        """Messages at work that have not come to the recorder yet."""
        recording = self._way.recording
        return len(self._at_work) - recording.inside - recording.waiting

    def statistics(self) -> DeskStatistics:
        fetching, forecasting, recording = (door.inside + door.waiting for door in self._way.doors)
        reading = self._way.fetching.inside
        return DeskStatistics(len(self._at_work), reading, fetching, forecasting, recording, self.held)

    def _post(self, call: Callable[[T], None], what: T) -> bool:
        """To the loop's thread, in the order of the calls; false when there is no loop any more."""
        if self._loop is None:
            raise RuntimeError("the desk was not opened")
        try:
            self._loop.call_soon_threadsafe(call, what)
        except RuntimeError:
            return False
        return True

    def _begin(self, items: Sequence[Item]) -> None:
        if not self._open or self._loop is None:
            self._refuse(items)
            return
        now = self._clock.monotonic()
        for item in items:
            walker = Walker(item, self._tell, now)
            task = self._loop.create_task(in_its_trace(item.record, self._way.walk, walker), name="claim")
            self._at_work[item.delivery] = walker, task
            # The one place where an end is told: a task ends once, and in no other way than before its callbacks.
            task.add_done_callback(partial(self._ended, walker))

    def _drop(self, deliveries: Collection[Delivery]) -> None:
        for delivery in deliveries:
            if delivery in self._at_work:
                self._at_work[delivery][1].cancel()

    def _ended(self, walker: Walker, task: "asyncio.Task[RowStatus]") -> None:
        delivery = walker.item.delivery
        del self._at_work[delivery]
        recorded = not task.cancelled() and task.exception() is None
        if not task.cancelled() and (error := task.exception()) is not None:
            events.unexpected_error(error_type=type(error).__name__, at="claims.desk")
        self._metrics.outcomes.labels(task.result() if recorded else "withdrawn").inc()
        if recorded:
            self._metrics.seconds.observe(self._clock.monotonic() - walker.begun_at)
        self._tell(Ended(delivery, recorded))

    def _refuse(self, items: Sequence[Item]) -> None:
        for item in items:
            self._tell(Ended(item.delivery, recorded=False))
