"""Finished offsets and the notes beside them, to the broker: every so often, and before what may kill this process.

Belongs to one life of a consumer (`turns`). What may be committed, `books` knows; here it is sent and counted. A broker
that does not answer, or says that the partitions are another's by now, is asked again later, with longer pauses.
"""

import random
from collections.abc import Mapping

from inference_container.broker.ports import Consumer, Partition
from inference_container.claims.consuming.books import Books
from inference_container.claims.consuming.consumer_statistics import Pulse
from inference_container.claims.retries import RetryPolicy
from inference_container.errors import BrokerUnavailable, CommitRefused, MessageTooLarge
from inference_container.events_claims import commit_offsets_fail, commits_applied
from inference_container.metrics_claims import ClaimMetrics
from serving.clock import Clock
from serving.errors import SluiceError

#: Pauses after a broker that did not answer, shorter than any session.
PAUSES = RetryPolicy(first_s=0.1, longest_s=2.0)


class Commits:
    def __init__(
        self,
        books: Books,
        consumer: Consumer,
        pulse: Pulse,
        metrics: ClaimMetrics,
        clock: Clock,
        every_s: float,
        enough: int,
    ) -> None:
        """
        Args:
            enough: so many have ended: then it is not waited for `every_s`.
        """
        self._books = books
        self._consumer = consumer
        self._pulse = pulse
        self._metrics = metrics
        self._clock = clock
        self._every_s = every_s
        self._enough = enough
        self._ended = 0
        self._failures = 0  #: in a row
        self._at = clock.monotonic()

    def ended(self) -> None:
        """One more that may be part of the next commit."""
        self._ended += 1

    def when_due(self) -> None:
        if self._moment_came() or (self._ended >= self._enough and not self._failures):
            self.commit(self._books.due())

    def note(self) -> bool:
        """Whether the broker knows what has been begun: if this process dies of it, the next one has to."""
        return (not self._failures or self._moment_came()) and self.commit(self._books.positions())

    def commit(self, offsets: Mapping[Partition, int]) -> bool:
        """Whether the broker has taken them.

        Raises:
            DependencyFailed: no other try mends it.
        """
        self._at = self._clock.monotonic() + self._every_s
        self._ended = 0
        if not offsets:
            return True
        try:
            self._send(offsets)
        except (BrokerUnavailable, CommitRefused) as failure:
            self._failed(failure, offsets)
            return False
        self._books.committed(offsets)
        self._failures = 0
        self._pulse.committed = {**self._pulse.committed, **offsets}
        self._pulse.commits += 1
        self._metrics.commits.labels("ok").inc()
        if commits_applied.enabled:
            commits_applied(offsets=_named(offsets))
        return True

    def _send(self, offsets: Mapping[Partition, int]) -> None:
        try:
            self._consumer.commit(offsets, self._books.notes(offsets))
        except MessageTooLarge:
            # A broker that keeps less beside an offset than others do. Counts are lost then, and no claim.
            self._consumer.commit(offsets)

    def _failed(self, failure: SluiceError, offsets: Mapping[Partition, int]) -> None:
        self._failures += 1
        self._at = self._clock.monotonic() + PAUSES.pause_s(self._failures, random.random())
        self._pulse.commit_failures += 1
        self._metrics.commits.labels(failure.code).inc()
        commit_offsets_fail(code=failure.code, offsets=_named(offsets))

    def _moment_came(self) -> bool:
        return self._clock.monotonic() >= self._at


def _named(offsets: Mapping[Partition, int]) -> dict[str, int]:
    return {str(partition): offset for partition, offset in offsets.items()}
