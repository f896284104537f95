"""Which offsets are being worked on and which are finished; so, what may be committed and where to begin again.

Belongs to the thread that polls: workers hand their completions over, and that thread enters them here. Pure but for
the clock that dates what is in flight.

Each assignment of a partition is an **epoch** of its own. What was in flight when a partition left us counts for
nothing afterwards: somebody else, or we ourselves in a new epoch, work it again. So what is committed never passes an
offset that is unfinished, and a partition that comes straight back is read again from its lowest unfinished offset; a
client goes on behind what it has handed out last, and what was dropped in between would be lost with no lag to show it.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from inference_container.broker.ports import Partition, Record
from serving.clock import Clock


class Delivery(NamedTuple):
    """A record that is being worked on. Every one is to be told to `finish` once, whatever has become of it."""

    partition: Partition
    offset: int
    epoch: int


class Completion(Enum):
    COUNTED = "counted"
    LATE = "late"  #: of an epoch that is over: dropped
    UNKNOWN = "unknown"  #: never delivered, or finished before: dropped


@dataclass(frozen=True, slots=True)
class Revoked:
    #: To be committed before the partitions go.
    commit: Mapping[Partition, int]
    #: Need not be worked on any more.
    in_flight: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class LedgerStatistics:
    in_flight: int  #: delivered in the present epochs, unfinished
    orphaned: int  #: of epochs that are over, still with a worker
    oldest_s: float  #: since the oldest of `in_flight` was delivered
    finished: int
    late: int  #: completions of old epochs
    unknown: int  #: completions of nothing that was in flight
    repeated: int  #: records at or before one that the same epoch had delivered
    strays: int  #: records of partitions that are not ours
    epochs: int


@dataclass(slots=True)
class _Tracked:
    """One partition during one epoch."""

    epoch: int
    #: The next offset that is expected; None before the first record, when nothing else told it.
    next: int | None = None
    committed: int | None = None
    #: Unfinished offsets, ascending, each with the moment of its delivery.
    open: dict[int, float] = field(default_factory=dict)

    @property
    def position(self) -> int | None:
        """The lowest unfinished offset, which may be committed. Offsets that do not exist do not hold it up."""
        if self.next is None:
            return None
        reached = min(self.next, next(iter(self.open), self.next))
        return reached if self.committed is None else max(reached, self.committed)

    @property
    def due(self) -> int | None:
        """The position, where it is beyond what is committed."""
        position = self.position
        return None if position is None or position == self.committed else position


class Ledger:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._epoch = 0
        self._tracked: dict[Partition, _Tracked] = {}
        self._orphans: dict[tuple[Partition, int], set[int]] = {}
        #: Positions of partitions that have been revoked, until it is known who has them.
        self._left: dict[Partition, int] = {}
        self._finished = self._late = self._unknown = self._repeated = self._strays = 0

    @property
    def depth(self) -> int:
        """All that was delivered and not told to `finish` yet, of epochs that are over too: it still has a place."""
        return sum(len(each.open) for each in self._tracked.values()) + sum(map(len, self._orphans.values()))

    def assigned(
        self, partitions: Collection[Partition], committed: Mapping[Partition, int] | None
    ) -> Mapping[Partition, int]:
        """A new epoch for these. Returns where to begin instead of where the client would, of those that came back.

        Args:
            committed: what the group has committed for them; None if nobody could say, and then reading has to begin
                there, whatever it is. It settles whether somebody else has had a partition meanwhile and got further.
        """
        self._epoch += 1
        for partition in partitions:
            if partition in self._tracked:  # taken and given within one rebalance, with no word of the taking
                self._leave(partition)
        known = committed or {}
        begin: dict[Partition, int] = {}
        for partition in partitions:
            there = known.get(partition)
            tracked = _Tracked(self._epoch, next=there, committed=there)
            if committed is not None and partition in self._left:
                left = self._left[partition]
                begin[partition] = tracked.next = left if there is None else max(left, there)
            self._tracked[partition] = tracked
        self._left.clear()  # the others went elsewhere
        return begin

    def revoked(self, partitions: Collection[Partition]) -> Revoked:
        ours = [partition for partition in partitions if partition in self._tracked]
        due = {partition: self._tracked[partition].due for partition in ours}
        in_flight = tuple(each for partition in ours for each in self._leave(partition))
        return Revoked({partition: offset for partition, offset in due.items() if offset is not None}, in_flight)

    def lost(self, partitions: Collection[Partition]) -> tuple[Delivery, ...]:
        """What was in flight. Nothing may be committed for them, and nothing is remembered: others have got further."""
        in_flight = tuple(each for partition in partitions for each in self._leave(partition))
        self._left.clear()
        return in_flight

    def deliver(self, record: Record) -> Delivery | None:
        """None: not to be worked on. It is in flight already, or its partition is not ours."""
        tracked = self._tracked.get(record.partition)
        if tracked is None:
            self._strays += 1
            return None
        back = tracked.next is not None and record.offset < tracked.next
        # Also when it goes back: what lies between here and there has not been delivered a second time yet.
        tracked.next = record.offset + 1
        if back:
            self._repeated += 1
            if record.offset in tracked.open:
                return None
        tracked.open[record.offset] = self._clock.monotonic()
        if back:
            tracked.open = dict(sorted(tracked.open.items()))
        return Delivery(record.partition, record.offset, tracked.epoch)

    def finish(self, delivery: Delivery) -> Completion:
        """Its result is stored, its dead letter acknowledged, or nobody waits for it any more."""
        tracked = self._tracked.get(delivery.partition)
        if tracked is not None and tracked.epoch == delivery.epoch:
            if tracked.open.pop(delivery.offset, None) is None:
                self._unknown += 1
                return Completion.UNKNOWN
            self._finished += 1
            return Completion.COUNTED
        return self._bury(delivery)

    def current(self, delivery: Delivery) -> bool:
        """Whether it is still ours to work on: for work that has not begun, or is about to be published."""
        tracked = self._tracked.get(delivery.partition)
        return tracked is not None and tracked.epoch == delivery.epoch and delivery.offset in tracked.open

    def committable(self) -> Mapping[Partition, int]:
        """The lowest unfinished offset of each partition where it is beyond what is committed."""
        return {partition: due for partition, each in self._tracked.items() if (due := each.due) is not None}

    def positions(self) -> Mapping[Partition, int]:
        """The lowest unfinished offset of each partition that has one, committed or not."""
        found = ((partition, each.position) for partition, each in self._tracked.items())
        return {partition: position for partition, position in found if position is not None}

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """The broker has taken these."""
        for partition, offset in offsets.items():
            tracked = self._tracked.get(partition)
            if tracked is not None:
                tracked.committed = max(offset, tracked.committed if tracked.committed is not None else offset)

    def statistics(self) -> LedgerStatistics:
        began = [moment for each in self._tracked.values() for moment in each.open.values()]
        return LedgerStatistics(
            in_flight=len(began),
            orphaned=sum(map(len, self._orphans.values())),
            oldest_s=self._clock.monotonic() - min(began) if began else 0.0,
            finished=self._finished,
            late=self._late,
            unknown=self._unknown,
            repeated=self._repeated,
            strays=self._strays,
            epochs=self._epoch,
        )

    def _leave(self, partition: Partition) -> Iterator[Delivery]:
        """Ends the partition's epoch; what it leaves in flight."""
        tracked = self._tracked.pop(partition, None)
        if tracked is None:
            return iter(())
        if tracked.position is not None:
            self._left[partition] = tracked.position
        if tracked.open:
            self._orphans[partition, tracked.epoch] = set(tracked.open)
        return (Delivery(partition, offset, tracked.epoch) for offset in tracked.open)

    def _bury(self, delivery: Delivery) -> Completion:
        left = self._orphans.get((delivery.partition, delivery.epoch), set())
        if delivery.offset not in left:
            self._unknown += 1
            return Completion.UNKNOWN
        left.remove(delivery.offset)
        if not left:
            del self._orphans[delivery.partition, delivery.epoch]
        self._late += 1
        return Completion.LATE
