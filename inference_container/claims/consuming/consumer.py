"""The thread that owns the broker's consumer: what it does in its whole life, and how others speak with it.

Made and started by `wiring`. It waits for a first model, joins the group, takes turn after turn (`turns`), and when one
breaks, gives that consumer up and begins with another: it never ends by itself. Asked to stop it fetches nothing more,
goes on polling while what is in work ends, commits, and leaves.
"""

import random
import threading
from collections.abc import Callable
from queue import SimpleQueue

from inference_container.broker.ports import Broker
from inference_container.claims.consuming.books import Books
from inference_container.claims.consuming.consumer_statistics import ConsumerStatistics, Pulse
from inference_container.claims.consuming.faults import count_fault, prepare
from inference_container.claims.consuming.gate import Gate
from inference_container.claims.consuming.reading import Reading
from inference_container.claims.consuming.turns import ConsumerPolicy, Turns
from inference_container.claims.ports import Desk, Told
from inference_container.claims.retries import RetryPolicy, code_of
from inference_container.errors import BrokerUnavailable
from inference_container.events_claims import consumer_loop_end, consumer_loop_error, consumer_loop_start
from inference_container.metrics_claims import ClaimMetrics
from inference_container.stores.places import Places
from serving.clock import Clock
from serving.errors import DependencyFailed, SluiceError

__all__ = ["ClaimConsumer", "ConsumerPolicy"]

_LOOK_S = 0.05
#: Beyond the grace, for withdrawing, the last commit and the good-bye; enough for a broker that does not answer once.
_LEAVE_S = 6.0
#: How long a life has to last for the next failure to count as a first one.
_HEALTHY_S = 60.0
_NO_ANSWER = RetryPolicy(first_s=0.2, longest_s=5.0)
_BROKEN = RetryPolicy(first_s=0.5, longest_s=30.0)
#: Somebody has to mend something: a password, a right, a name that two share.
_HOPELESS = RetryPolicy(first_s=2.0, longest_s=60.0)


class ClaimConsumer:
    def __init__(
        self,
        broker: Broker,
        policy: ConsumerPolicy,
        places: Places,
        metrics: ClaimMetrics,
        clock: Clock,
        may_run: Callable[[], bool],
    ) -> None:
        """
        Args:
            may_run: whether a first model is ready: before, the group is not joined. Asked from the thread.
        """
        self._broker = broker
        self._policy = policy
        self._metrics = metrics
        self._clock = clock
        self._may_run = may_run
        reading = Reading(places, policy.ttl, policy.max_message_bytes, policy.training_topic)
        self._books = Books(reading, policy.most_attempts, clock)
        self._gate = Gate(policy.bound, policy.gate, clock)
        self._pulse = Pulse(self._gate, self._books.statistics(), clock)
        self._inbox: SimpleQueue[Told] = SimpleQueue()
        self._stop = threading.Event()
        self._cut = threading.Event()
        self._thread: threading.Thread | None = None
        prepare(metrics)

    def tell(self, told: Told) -> None:
        """For the desk; from any thread, returns at once."""
        self._inbox.put(told)

    def start(self, desk: Desk) -> None:
        """Once."""
        assert self._thread is None, "started once"
        # A daemon: a broker that keeps the thread in a call for ever must not keep the process.
        self._thread = threading.Thread(target=self._run, args=(desk,), name="claims", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Nothing more is fetched; what is in work ends. From any thread, returns at once."""
        self._stop.set()

    def join(self, left_s: Callable[[], float]) -> bool:
        """Waits until it has left the group. Once no seconds are left what is still in work is withdrawn: it is not
        committed and others work it again. Whether the thread has ended; a broker that hangs may keep it. Blocks.

        `left_s` is asked again and again: somebody may lose patience meanwhile."""
        self._stop.set()
        thread = self._thread
        if thread is None:
            return True
        while thread.is_alive() and (left := left_s()) > 0:
            thread.join(min(left, _LOOK_S))
        self._cut.set()
        thread.join(_LEAVE_S)
        return not thread.is_alive()

    def statistics(self) -> ConsumerStatistics:
        """From any thread."""
        return self._pulse.statistics()

    def _run(self, desk: Desk) -> None:
        try:
            while not self._ready():
                if self._stop.wait(_LOOK_S):
                    return
            self._live(desk)
        finally:
            self._pulse.stopped()

    def _ready(self) -> bool:
        try:
            return self._may_run()
        except Exception as fault:
            self._broke(fault, _LOOK_S)
            return False

    def _live(self, desk: Desk) -> None:
        membership = self._policy.membership
        consumer_loop_start(topics=list(membership.topics), group=membership.group, bound=self._policy.bound)
        failures = 0
        while not self._stop.is_set() or not failures:
            began = self._clock.monotonic()
            self._pulse.beat()
            try:
                self._one_life(desk)
                break
            except Exception as fault:
                failures = failures + 1 if self._clock.monotonic() - began < _HEALTHY_S else 1
                pause_s = _pauses(fault).pause_s(failures, random.random())
                self._broke(fault, pause_s)
                self._stop.wait(pause_s)
        committed = {str(partition): offset for partition, offset in self._pulse.committed.items()}
        consumer_loop_end(committed=committed, unfinished=self._books.out)

    def _one_life(self, desk: Desk) -> None:
        turns = Turns(
            *(self._broker, self._policy, self._books, self._gate, desk),
            *(self._inbox, self._pulse, self._metrics, self._clock, self._cut.wait),
        )
        try:
            while not (self._cut.is_set() or (self._stop.is_set() and turns.idle)):
                turns.turn(self._stop.is_set())
            turns.leave()
        except BaseException:  # whatever broke it: the next life may not find its partitions held by this one
            turns.abandon()
            raise

    def _broke(self, fault: Exception, pause_s: float) -> None:
        # Of an error that is none of ours nothing but its class is told: nobody knows what its text repeats.
        reason = fault.message if isinstance(fault, SluiceError) else type(fault).__name__
        self._pulse.backing_off(reason)
        count_fault(self._metrics, fault)
        consumer_loop_error(code=code_of(fault), reason=reason, after_s=round(pause_s, 3))


def _pauses(fault: Exception) -> RetryPolicy:
    if isinstance(fault, BrokerUnavailable):
        return _NO_ANSWER
    return _HOPELESS if isinstance(fault, DependencyFailed) else _BROKEN
