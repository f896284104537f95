"""The door of a chat's lane: who may come in, who hears at once that it could not be answered, and when to come back.

`chat_lane` asks it before each ticket. It looks and counts refusals; what happens behind the door is the lane's.
"""

import math
from typing import Generic, TypeVar

from service_chat.engines.protocol import Completion, Engine, EngineState
from service_chat.services.outlook import Outlook, Place
from service_chat.services.readiness import given_up
from service_chat.services.waiting import Forecast
from serving.admission import BoundedQueue
from serving.deadline import Deadline
from serving.errors import NotReady, QueueFull
from serving.pace import jittered

A = TypeVar("A")


class LaneDoor(Generic[A]):
    def __init__(self, engine: Engine, queue: BoundedQueue[A, Completion], outlook: Outlook, slots: int) -> None:
        self._engine, self._queue, self._outlook, self._slots = engine, queue, outlook, slots

    def look(self, place: Place, deadline: Deadline, expected: int = 0) -> Forecast | None:
        """What is predicted for one who may come in, with so many on their way. Raises what `stream` raises first."""
        future = self._outlook.of_newcomer(place)
        try:
            self._check_room(deadline, expected)
        except QueueFull as full:
            if future is None:
                raise full.with_details(reason="queue_full") from None
            # When all who wait now have begun: a burst must not come back together for the first place that is free.
            raise self._full("queue_full", future.start_s) from None
        self._check_engine()
        # An idle engine refuses nobody: it is measured by its work, and a rate that is wrong is mended only by that.
        if future is not None and not self._outlook.idle and future.first_token_s > deadline.remaining():
            self._queue.refuse()
            raise self._full("too_late", future.first_token_s - deadline.remaining())
        return future

    def _check_room(self, deadline: Deadline, expected: int) -> None:
        """Raises QueueFull and Draining, and counts them. Who is on its way will take a free slot, or wait."""
        self._queue.check_room(0, deadline.remaining())
        if expected and self._outlook.size + expected >= self._queue.capacity + self._slots:
            self._queue.refuse()
            raise QueueFull(retry_after_s=jittered(self._queue.retry_after_s()), qsize=self._queue.depth)

    def _full(self, reason: str, after_s: float) -> QueueFull:
        sentence = None if reason == "queue_full" else "Too many are before it: it could not be answered in time."
        seconds = jittered(max(1, math.ceil(after_s)))
        return QueueFull(sentence, reason=reason, retry_after_s=seconds, qsize=self._queue.depth)

    def _check_engine(self) -> None:
        """Raises NotReady while there is no model, or none to wait for. A restart is waited for."""
        status = self._engine.status()
        if status.state is EngineState.LOADING:
            eta = status.progress.eta_s if status.progress is not None else None
            raise NotReady("The model is still loading.", retry_after_s=max(1, min(60, math.ceil(eta or 5))))
        if given_up(status):
            raise NotReady(retry_after_s=5)  # its reason may hold a path: that is for /ready and the log
