"""All that the polling thread keeps of its messages: delivered, waiting, out with the desk, begun how often.

Pure but for the clock: ledger, attempts and the line of what waits, put together so that no caller can enter the one
and forget the other. `turns` and `rebalancing` act on it; only the thread that polls may touch it.

A suspect (see `attempts`) is worked alone: while one is out nothing else is handed over, and it is not handed over
before all else has ended. What waits for that waits here, in its order, and has its place in the depth all the while.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from inference_container.broker.ports import Committed, Partition, Record
from inference_container.claims.consuming.attempts import Attempts
from inference_container.claims.consuming.ledger import Completion, Delivery, Ledger, LedgerStatistics
from inference_container.claims.consuming.reading import Reading, Skipped, Unworkable, Workable
from inference_container.claims.consuming.standing import Moved, Waiting
from inference_container.claims.dead_letters import Kind, Why, why
from inference_container.claims.ports import Ended, Held, Item, Refused, Work
from inference_container.claims.refusals import Reason, Refusal
from inference_container.claims.retries import UNEXPECTED
from serving.clock import Clock

_KILLER = Refusal(
    Reason.WORKER_KILLER, "It was begun again and again, at last alone, and no process lived to finish it."
)
_BROKEN = Why(UNEXPECTED, "The work on it broke off unexpectedly, again and again.")


@dataclass(slots=True)
class _Out:
    item: Waiting
    counts: bool  #: whether its try counts in `attempts` now


class Books:
    def __init__(self, reading: Reading, most_attempts: int, clock: Clock) -> None:
        self._reading = reading
        self._most = most_attempts
        self._ledger = Ledger(clock)
        self._attempts = Attempts()
        self._waiting: deque[Waiting] = deque()
        #: With the desk, of epochs that are over too.
        self._out: dict[Delivery, _Out] = {}
        self._held: set[Delivery] = set()
        self._alone: Delivery | None = None
        self._ours: set[Partition] = set()
        #: Assigned while nobody could say what is committed for them; nothing of them may be read before `settle`.
        self.unsettled: frozenset[Partition] = frozenset()
        #: The broker's notes count tries that have been taken back, or do not count one that was begun.
        self._stale = False
        self.most_depth = 0

    @property
    def depth(self) -> int:
        """All that has a place: waiting, out, and what is out although its partition has gone."""
        return self._ledger.depth

    @property
    def out(self) -> int:
        return len(self._out)

    @property
    def ours(self) -> frozenset[Partition]:
        return frozenset(self._ours)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def statistics(self) -> LedgerStatistics:
        return self._ledger.statistics()

    def accept(self, record: Record) -> Skipped | None:
        """Enters a record. A skipped one is finished already and only told."""
        delivery = self._ledger.deliver(record)
        if delivery is None:
            return None
        self.most_depth = max(self.most_depth, self._ledger.depth)
        read = self._reading.read(record)
        if isinstance(read, Skipped):
            self._finish(delivery)
            return read
        place, doubt = (delivery.partition, delivery.offset), None
        if isinstance(read, Workable) and self._attempts.exhausted(*place, self._most):
            doubt = why(_KILLER)
            if self._attempts.hopeless(*place, self._most):
                read = Unworkable(Kind.CLAIM, read.claim, doubt, self._attempts.of(*place))
        self._waiting.append(Waiting(delivery, record, read, doubt=doubt))
        return None

    def batch(self) -> Sequence[Waiting]:
        """What may be handed over now, in its order."""
        if self._alone is not None or not self._waiting:
            return ()
        if self._suspect(self._waiting[0]):
            return () if self._out else (self._waiting[0],)
        return tuple(takewhile(lambda each: not self._suspect(each), self._waiting))

    def begin(self, batch: Sequence[Waiting]) -> bool:
        """Counts a try of each. Whether `notes` have to be committed before they may be handed over."""
        return self._attempts.begin(_workable(batch))

    def not_begun(self, batch: Sequence[Waiting]) -> None:
        """They were not handed over after all, and wait on."""
        self._attempts.not_begun(_workable(batch))

    def items(self, batch: Sequence[Waiting]) -> Sequence[Item]:
        return [self._item(each) for each in batch]

    def handed(self, batch: Sequence[Waiting]) -> None:
        """The desk has them: the first of the line, as `batch` gave them."""
        for each in batch:
            assert self._waiting.popleft() is each, "handed over as the line stood"
            self._out[each.delivery] = _Out(each, isinstance(each.read, Workable))
            if self._suspect(each):
                self._alone = each.delivery

    def enter(self, told: Ended | Held) -> bool:
        """What the desk tells. Of what it does not have nothing is believed. False: one came back unrecorded."""
        out = self._out.get(told.delivery)
        if out is None:
            return True
        if isinstance(told, Held):
            if out.counts:
                self._count(out, False)
                self._held.add(told.delivery)
            return True
        del self._out[told.delivery]
        self._held.discard(told.delivery)
        if self._alone == told.delivery:
            self._alone = None
        if not told.recorded and self._ledger.current(told.delivery):
            self._take_back(out)
            return False
        # What ends late belongs to an assignment that is over: the counts of the present one are not its.
        self._finish(told.delivery)
        return True

    def innocent(self, delivery: Delivery) -> None:
        """What becomes of it is known, and nobody died of it. The broker has to be told before anybody hears of it."""
        if delivery in self._out and self._ledger.current(delivery):
            self._attempts.innocent(delivery)

    def released(self) -> None:
        """The desk works again: what it held is being tried again, and counts."""
        for delivery in self._held:
            self._count(self._out[delivery], True)
        self._held.clear()

    def due(self) -> Mapping[Partition, int]:
        """What to commit: what is finished beyond what is committed, and all where the notes are out of date."""
        return self._ledger.positions() if self._stale else self._ledger.committable()

    def positions(self) -> Mapping[Partition, int]:
        return self._ledger.positions()

    def notes(self, offsets: Mapping[Partition, int]) -> Mapping[Partition, str]:
        return self._attempts.notes(offsets)

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """The broker has taken these, with the notes as they are now."""
        self._ledger.committed(offsets)
        self._attempts.noted(offsets)
        self._stale = self._stale and not self._ledger.positions().keys() <= offsets.keys()

    def assigned(self, partitions: Collection[Partition], committed: Mapping[Partition, Committed] | None) -> Moved:
        """`committed`: None where nobody could say; they are unsettled then."""
        # Taken and given within one rebalance, with no word of the taking.
        before = self.revoked(self._ours.intersection(partitions))
        offsets = None if committed is None else {place: each.offset for place, each in committed.items()}
        begin = self._ledger.assigned(partitions, offsets)
        self._ours.update(partitions)
        self.unsettled |= frozenset(partitions)
        if committed is not None:
            self.settle(partitions, committed)
        return Moved(begin=begin, withdraw=before.withdraw)

    def settle(self, partitions: Collection[Partition], committed: Mapping[Partition, Committed]) -> None:
        """Now it is known what lies on the broker for these; a partition that is absent has nothing there."""
        for partition in self.unsettled.intersection(partitions):
            known = committed.get(partition, Committed(0))
            self._attempts.assigned(partition, known.offset, known.note)
        self.unsettled -= frozenset(partitions)

    def revoked(self, partitions: Collection[Partition]) -> Moved:
        ours = self._ours.intersection(partitions)
        positions = {place: offset for place, offset in self._ledger.positions().items() if place in ours}
        told = self._ledger.revoked(ours)
        self._attempts.not_begun(each for each in told.in_flight if each in self._out and self._out[each].counts)
        # Also where nothing more is finished: the note that lies there says that we have begun something.
        notes = self._attempts.notes({each: offset for each, offset in positions.items() if each not in self.unsettled})
        commit = {place: Committed(positions[place], note) for place, note in notes.items()}
        return Moved(commit=commit, withdraw=self._left(ours, told.in_flight))

    def lost(self, partitions: Collection[Partition]) -> Moved:
        ours = self._ours.intersection(partitions)
        return Moved(withdraw=self._left(ours, self._ledger.lost(ours)))

    def lost_all(self) -> Moved:
        """After a fault of this thread. It may have been a claim's, so their tries are not forgiven."""
        ours = frozenset(self._ours)
        return Moved(withdraw=self._left(ours, self._ledger.lost(ours), forgiven=False))

    def _left(
        self, partitions: Collection[Partition], in_flight: Collection[Delivery], forgiven: bool = True
    ) -> Sequence[Delivery]:
        """Forgets them. What only waited frees its place at once; what is out keeps it until the desk has told."""
        self._attempts.left(partitions, forgiven)
        self._ours -= set(partitions)
        self.unsettled -= frozenset(partitions)
        gone = set(in_flight)
        self._held -= gone
        for delivery in gone - self._out.keys():
            self._ledger.finish(delivery)
        self._waiting = deque(each for each in self._waiting if each.delivery not in gone)
        for delivery in gone & self._out.keys():
            self._out[delivery].counts = False
        return [delivery for delivery in in_flight if delivery in self._out]

    def _take_back(self, out: _Out) -> None:
        """The desk let go of what is ours still: a fault of its own. Not finished, so it stands in line again."""
        item, returns = out.item, out.item.returns + 1
        if out.counts:
            self._count(out, False)
        read = item.read
        if isinstance(read, Workable) and returns >= self._most:
            read = Unworkable(Kind.CLAIM, read.claim, _BROKEN, returns)
        self._waiting.appendleft(replace(item, read=read, returns=returns))

    def _finish(self, delivery: Delivery) -> None:
        if self._ledger.finish(delivery) is Completion.COUNTED:
            self._attempts.finished(delivery)

    def _count(self, out: _Out, counts: bool) -> None:
        delivery = out.item.delivery
        if not self._ledger.current(delivery):
            return
        out.counts, self._stale = counts, True
        if counts:
            self._attempts.begin([delivery])
        else:
            self._attempts.not_begun([delivery])

    def _suspect(self, each: Waiting) -> bool:
        return isinstance(each.read, Workable) and self._attempts.suspect(each.delivery.partition, each.delivery.offset)

    def _item(self, each: Waiting) -> Item:
        read, delivery = each.read, each.delivery
        if isinstance(read, Unworkable):
            return Refused(delivery, each.record, read.claim, read.why, read.attempts, read.kind)
        attempts = self._attempts.of(delivery.partition, delivery.offset) + each.returns - (each.doubt is not None)
        return Work(delivery, each.record, read.claim, read.deadline, attempts, self._suspect(each), each.doubt)


def _workable(batch: Sequence[Waiting]) -> list[Delivery]:
    return [each.delivery for each in batch if isinstance(each.read, Workable)]
