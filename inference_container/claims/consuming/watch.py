"""What the thread that polls tells about itself: the ends of its partitions, and sums of its books for other threads.

Belongs to one life of a consumer (`turns`), which calls it every turn; it sees to it itself that this costs little.
"""

from inference_container.broker.ports import Consumer, Partition
from inference_container.claims.consuming.books import Books
from inference_container.claims.consuming.consumer_statistics import Pulse
from inference_container.claims.consuming.faults import count_fault
from inference_container.metrics_claims import ClaimMetrics
from serving.clock import Clock
from serving.errors import SluiceError

_LAG_EVERY_S = 2.0
_PUBLISH_EVERY_S = 0.05


class Watch:
    def __init__(self, books: Books, consumer: Consumer, pulse: Pulse, metrics: ClaimMetrics, clock: Clock) -> None:
        self._books = books
        self._consumer = consumer
        self._pulse = pulse
        self._metrics = metrics
        self._clock = clock
        self._looked_at: frozenset[Partition] = frozenset()
        self._look_at = self._publish_at = clock.monotonic()

    def look(self) -> None:
        """Asks for the ends every so often, paused or not, and at once when the partitions are others."""
        assigned = self._consumer.assigned
        if self._clock.monotonic() < self._look_at and assigned == self._looked_at:
            return
        self._look_at, self._looked_at = self._clock.monotonic() + _LAG_EVERY_S, assigned
        try:
            self._pulse.ends = self._consumer.end_offsets(assigned)
        except SluiceError as failure:
            # Nothing is worked by them. The old ends stay, and whoever watches sees the fault beside them.
            self._pulse.away = failure.message
            count_fault(self._metrics, failure)
        else:
            self._pulse.away = None

    def publish(self, now: bool = False) -> None:
        """Other threads may not look into the books themselves, which change under their eyes."""
        if not now and self._clock.monotonic() < self._publish_at:
            return
        self._publish_at = self._clock.monotonic() + _PUBLISH_EVERY_S
        self._pulse.book(self._books.statistics())
        self._pulse.depth, self._pulse.most_depth = self._books.depth, self._books.most_depth
        self._pulse.assigned, self._pulse.paused = self._consumer.assigned, self._consumer.paused
