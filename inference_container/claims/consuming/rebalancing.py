"""Partitions come and go: what the consumer's thread does about it, in the middle of a poll.

Called by the broker's consumer only, on the thread that polls. What has to be kept is kept by `books`; here it is told
to the desk, the log and the metrics.
"""

from collections.abc import Callable, Collection, Mapping

from typing_extensions import override

from inference_container.broker.ports import Committed, Consumer, Partition, Rebalance
from inference_container.claims.consuming.books import Books
from inference_container.claims.consuming.consumer_statistics import Pulse
from inference_container.claims.ports import Desk
from inference_container.errors import BrokerUnavailable, CommitRefused
from inference_container.events_claims import partitions_assigned, partitions_lost, partitions_revoked
from inference_container.metrics_claims import ClaimMetrics


class Rebalancing(Rebalance):
    def __init__(
        self,
        books: Books,
        desk: Desk,
        pulse: Pulse,
        metrics: ClaimMetrics,
        enter: Callable[[], None],
        shut: Callable[[], bool],
    ) -> None:
        """
        Args:
            enter: enters what the desk has told so far.
            shut: whether nothing may be fetched now.
        """
        self._books = books
        self._desk = desk
        self._pulse = pulse
        self._metrics = metrics
        self._enter = enter
        self._shut = shut
        self._consumer: Consumer | None = None

    def serve(self, consumer: Consumer) -> None:
        """The consumer that is going to call; before its first poll."""
        self._consumer = consumer

    @override
    def assigned(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        assert self._consumer is not None, "served before its first poll"
        try:
            committed: Mapping[Partition, Committed] | None = self._consumer.committed(partitions)
        except (BrokerUnavailable, CommitRefused):
            committed = None  # asked again, turn by turn; shut until then
        moved = self._books.assigned(partitions, committed)
        self._desk.withdraw(moved.withdraw)
        # They arrive open: with the gate shut, the next look at it would come after a poll full of messages.
        if self._shut():
            self._consumer.pause(partitions)
        else:
            self._consumer.pause(self._books.unsettled)
        self._note_committed(partitions, committed or {})
        self._tell("assigned", partitions)
        where = {place: each.offset for place, each in (committed or {}).items()} | dict(moved.begin)
        partitions_assigned(partitions=_names(partitions), positions={str(place): where[place] for place in where})
        return moved.begin

    @override
    def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, Committed]:
        # First what has ended, so that it need not be worked again elsewhere. And withdrawn only after it is ours no
        # more: the end of a withdrawn claim in an epoch that goes on would be committed, and the claim be lost.
        self._enter()
        moved = self._books.revoked(partitions)
        self._desk.withdraw(moved.withdraw)
        self._tell("revoked", partitions)
        told = {str(place): each.offset for place, each in moved.commit.items()}
        partitions_revoked(partitions=_names(partitions), committed=told, in_flight=len(moved.withdraw))
        return moved.commit

    @override
    def lost(self, partitions: Collection[Partition]) -> None:
        moved = self._books.lost(partitions)
        self._desk.withdraw(moved.withdraw)
        self._tell("lost", partitions)
        partitions_lost(partitions=_names(partitions), in_flight=len(moved.withdraw))

    def _note_committed(self, partitions: Collection[Partition], committed: Mapping[Partition, Committed]) -> None:
        others = {each: offset for each, offset in self._pulse.committed.items() if each not in partitions}
        self._pulse.committed = others | {place: each.offset for place, each in committed.items()}

    def _tell(self, change: str, partitions: Collection[Partition]) -> None:
        self._metrics.rebalances.labels(change).inc(len(partitions))


def _names(partitions: Collection[Partition]) -> list[str]:
    return [str(partition) for partition in sorted(partitions)]
