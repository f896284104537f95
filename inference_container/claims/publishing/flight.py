"""Messages on their way to the broker, so many at a time and no more: what a burst waits at, and what it counts.

Answers come on threads of the producer; one thread sends and waits. The first failure ends it: what was sent before
is still waited for a little, so that the number of the certain is as large as it can be.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future

from inference_container.broker.ports import Sent
from inference_container.errors import BrokerUnavailable
from serving.errors import Draining, SluiceError

#: Seconds that those on their way are given once no more are sent.
_FAREWELL_S = 2.0
#: Between two looks at whether it has to end.
_LOOK_S = 0.1


class Flight:
    """What was sent and not yet answered. Its methods belong to the thread that sends."""

    def __init__(self, closing: Callable[[], bool], patience_s: float) -> None:
        """`closing`: whether to end now. `patience_s`: how long without any answer."""
        self._closing, self._patience_s = closing, patience_s
        self._changed = threading.Condition()
        self._sent = self._answered = self._acknowledged = 0
        self._failure: BaseException | None = None

    def begin(self, future: "Future[Sent]") -> None:
        self._sent += 1
        future.add_done_callback(self._landed)

    def room(self, most: int) -> bool:
        """Waits until fewer than `most` are on their way; false when nothing more may be sent."""
        with self._changed:
            if not self._over():
                self._wait(most - 1, self._patience_s, self._over)
            return not self._over()

    def ended(self, count: int) -> int:
        """Waits for what is on its way, and says what became of all.

        Raises:
            SluiceError: Not all `count` were acknowledged.
        """
        with self._changed:
            self._wait(0, self._patience_s, self._over)
            self._changed.wait_for(lambda: self._sent == self._answered, _FAREWELL_S)
            if self._acknowledged == count:
                return count
            cut_off = Draining("It was ended before all was sent.", retry_after_s=1)
            failure = self._failure if self._failure is not None else cut_off
            told = {"published": self._acknowledged, "uncertain": self._sent - self._answered}
        known = failure if isinstance(failure, SluiceError) else BrokerUnavailable()
        raise known.with_details(**told) from failure

    def _over(self) -> bool:
        return self._failure is not None or self._closing()

    def _wait(self, at_most: int, patience_s: float, until: Callable[[], bool]) -> None:
        """Until no more than `at_most` are on their way. Under the lock; gives it up while it waits."""
        heard, waited_s = self._answered, 0.0
        while self._sent - self._answered > at_most and not until():
            if waited_s >= patience_s:
                self._failure = self._failure or BrokerUnavailable("The broker acknowledges nothing any more.")
                return
            self._changed.wait(_LOOK_S)
            waited_s = waited_s + _LOOK_S if heard == self._answered else 0.0
            heard = self._answered

    def _landed(self, future: "Future[Sent]") -> None:
        failure = future.exception()
        with self._changed:
            self._answered += 1
            if failure is None:
                self._acknowledged += 1
            elif self._failure is None:
                self._failure = failure
            self._changed.notify_all()
