"""Which partitions a member on Kafka has, and which of them may be read just now.

Pure; belongs to the thread that polls. `kafka_consumer` enters here what the group tells it and makes the client obey.
Beside the pauses of whoever reads, two things shut a partition: that nothing is asked for at the moment, and that it
came straight back and the client would go on where it had read to, behind what was taken and not finished.
"""

from collections.abc import Collection

from inference_container.broker.ports import Partition


class Holdings:
    def __init__(self) -> None:
        self._ours: set[Partition] = set()
        self._paused: set[Partition] = set()
        #: Given back, and maybe given again with the client's old position (eager assignors only).
        self._stale: set[Partition] = set()
        self._to_rewind: set[Partition] = set()
        #: Whether nothing at all is to be read.
        self.holding = False

    @property
    def ours(self) -> frozenset[Partition]:
        return frozenset(self._ours)

    @property
    def paused(self) -> frozenset[Partition]:
        return frozenset(self._paused)

    @property
    def to_rewind(self) -> frozenset[Partition]:
        """Ours again, but nothing may be read before the position is put right."""
        return frozenset(self._to_rewind)

    @property
    def shut(self) -> frozenset[Partition]:
        return frozenset(self._ours if self.holding else self._paused | self._to_rewind)

    def trusted(self, partition: Partition) -> bool:
        """Whether what was fetched from it may be handed out. If not, its next reader gets it, be it this member."""
        return partition in self._ours and partition not in self._to_rewind

    def pause(self, partitions: Collection[Partition]) -> None:
        self._paused |= self._ours & set(partitions)

    def resume(self, partitions: Collection[Partition]) -> None:
        self._paused -= set(partitions)

    def took(self, partitions: Collection[Partition]) -> None:
        """They come open, whatever they were before."""
        self._ours |= set(partitions)
        self._paused -= set(partitions)
        self._to_rewind |= self._stale & set(partitions)
        self._stale -= set(partitions)

    def put_right(self, partitions: Collection[Partition]) -> None:
        """The client's positions of these are what they should be."""
        self._to_rewind -= set(partitions)

    def gave_back(self, partitions: Collection[Partition]) -> None:
        self._forget(partitions)
        self._stale |= set(partitions)

    def lost(self, partitions: Collection[Partition]) -> None:
        self._forget(partitions)
        self._stale.clear()  # the client forgets all positions when its membership is gone

    def _forget(self, partitions: Collection[Partition]) -> None:
        self._ours -= set(partitions)
        self._paused -= set(partitions)
        self._to_rewind -= set(partitions)
