"""Dead letters sent back to where they came from, each at most once, whatever happens in between.

Called by the command line; it waits for the broker. A letter is noted as being sent, sent, and noted as replayed, in
this order and each for itself: a replay that is cut off leaves at most one letter of which nobody knows, and the next
one says which and asks what to do about it. The notes lie with the offsets of a group that only replays of this topic
join, so they last as long as the broker keeps those (`offsets.retention.minutes` after the last replay).
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

from typing_extensions import override

from inference_container.broker.ports import (
    Broker,
    Committed,
    Consumer,
    Headers,
    Partition,
    Producer,
    Record,
)
from inference_container.claims.dead_letters import replay
from inference_container.claims.deadlines import HEADER, TtlPolicy
from inference_container.claims.ports import Outgoing
from inference_container.claims.publishing.burst import send
from inference_container.claims.publishing.looking import PATIENCE, Bounds, Patience, membership, read
from inference_container.claims.publishing.replay_marks import ReplayMarks
from inference_container.claims.refusals import Refusal
from inference_container.errors import MessageTooLarge
from serving.clock import Clock
from serving.errors import SluiceError

#: What becomes of a letter that an earlier replay may have sent.
Uncertain: TypeAlias = Literal["stop", "skip", "send"]


class Fate(StrEnum):
    """What a replay did with a letter; the values are for people."""

    REPLAYED = "replayed"
    WOULD_BE = "would be replayed"
    NO_LETTER = "is no dead letter, or none that is whole"
    EXPIRED = "its deadline has passed"
    NO_DEADLINE = "its deadline can not be read"
    TOO_LARGE = "the broker takes no message of its size"
    UNCERTAIN = "may have been replayed by a run that was cut off"


@dataclass(frozen=True, slots=True)
class ReplayOrder:
    topic: str  #: of the letters
    reason: str | None = None  #: letters of this one only; None: all
    limit: int | None = None  #: letters that are sent, at most
    dry_run: bool = False  #: nothing is sent or noted
    drop_deadline: bool = False  #: letters whose deadline has passed are sent without it, not left
    uncertain: Uncertain = "stop"


@dataclass(frozen=True, slots=True)
class Told:
    letter: str  #: its `topic-partition-offset`
    fate: Fate
    reason: str | None = None  #: why it had died
    topic: str | None = None  #: where it came from


def reason_of(letter: Record) -> str | None:
    """Of the layer that was put on last."""
    reasons = [content for name, content in letter.headers if name == "dlq-reason"]
    return reasons[-1].decode(errors="replace") if reasons else None


def replay_letters(
    broker: Broker,
    order: ReplayOrder,
    clock: Clock,
    stopped: Callable[[], bool] = lambda: False,
    patience: Patience = PATIENCE,
) -> Iterator[Told]:
    """Tells of every letter that it looked at, up to what there was at the beginning; those replayed before are not
    looked at again.

    Raises:
        NotFound: There is no such topic.
        BrokerUnavailable, CommitRefused: Run it again; the letter in hand may be uncertain then.
        InvalidInput: What was left out before can not be noted.
    """
    marks = _Marks(order)
    with ExitStack() as opened:
        producer = None if order.dry_run else opened.enter_context(closing(broker.producer()))
        consumer = broker.consumer(membership(f"sluice-replay-{order.topic}", order.topic), marks)
        opened.callback(_leave, consumer)
        marks.consumer = consumer
        left = order.limit
        for letter in read(consumer, marks, order.topic, clock, stopped=stopped, patience=patience):
            while marks.uncertain:
                yield Told(marks.uncertain.popleft(), Fate.UNCERTAIN)
            marks.keep_decided()  # told first: a decision that is committed is not told again
            if marks.barred or left == 0 or stopped():
                return
            if not marks.open(letter) or (order.reason is not None and reason_of(letter) != order.reason):
                continue
            told = _one(letter, order, clock, marks, producer)
            left = left - 1 if left is not None and told.fate in (Fate.REPLAYED, Fate.WOULD_BE) else left
            yield told


def _leave(consumer: Consumer) -> None:
    with suppress(SluiceError):  # all that has to be kept is committed
        consumer.close()


def _one(letter: Record, order: ReplayOrder, clock: Clock, marks: "_Marks", producer: Producer | None) -> Told:
    reason = reason_of(letter)
    found = replay(letter)
    if found is None:
        return Told(letter.source, Fate.NO_LETTER, reason)
    topic, headers = found
    late = _late(headers, clock)
    if late is not None and not order.drop_deadline:
        return Told(letter.source, late, reason, topic)
    if late is not None:
        headers = tuple(each for each in headers if each[0] != HEADER)
    if producer is None:
        return Told(letter.source, Fate.WOULD_BE, reason, topic)
    marks.begin(letter)
    try:
        send(producer, Outgoing(topic, letter.key, letter.value, headers))
    except MessageTooLarge:
        marks.not_sent(letter)
        return Told(letter.source, Fate.TOO_LARGE, reason, topic)
    marks.end(letter)
    return Told(letter.source, Fate.REPLAYED, reason, topic)


def _late(headers: Headers, clock: Clock) -> Fate | None:
    deadline = TtlPolicy(enabled=True).read(headers)
    if isinstance(deadline, Refusal):
        return Fate.NO_DEADLINE
    return Fate.EXPIRED if deadline is not None and deadline.expired(clock) else None


class _Marks(Bounds):
    """The marks of the partitions that are ours, here and with the group."""

    def __init__(self, order: ReplayOrder) -> None:
        super().__init__()
        self._order = order
        self._marks: dict[Partition, ReplayMarks] = {}
        #: Nothing of them was read yet.
        self._fresh: set[Partition] = set()
        #: What was decided about an uncertain letter is not committed yet: not while partitions move.
        self._to_keep: set[Partition] = set()
        #: Letters that nobody knows of, and have not been told of yet.
        self.uncertain: deque[str] = deque()
        #: Whether somebody has to say first what becomes of them.
        self.barred = False

    def keep_decided(self) -> None:
        while self._to_keep:
            place = self._to_keep.pop()
            if place in self._marks:
                self._keep(place, self._marks[place])

    def open(self, letter: Record) -> bool:
        """Whether it may still be replayed."""
        place = letter.partition
        if place not in self._marks:
            return False
        if place in self._fresh:
            self._fresh.discard(place)
            self._marks[place] = self._marks[place].from_first(letter.offset)
        return not self._marks[place].has(letter.offset)

    def begin(self, letter: Record) -> None:
        marks = self._marks[letter.partition]
        marks.end(letter.offset).note()  # raises where it could not be noted afterwards
        self._keep(letter.partition, marks.begin(letter.offset))

    def end(self, letter: Record) -> None:
        self._keep(letter.partition, self._marks[letter.partition].end(letter.offset))

    def not_sent(self, letter: Record) -> None:
        self._keep(letter.partition, self._marks[letter.partition].not_sent())

    def _keep(self, place: Partition, marks: ReplayMarks) -> None:
        assert self.consumer is not None
        self.consumer.commit({place: marks.base}, {place: marks.note()})
        self._marks[place] = marks

    @override
    def assigned(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        assert self.consumer is not None
        committed = self.consumer.committed(partitions)
        for place in partitions:
            marks = ReplayMarks()
            if place in committed:
                marks = ReplayMarks.read(committed[place].offset, committed[place].note)
            self._marks[place] = self._decided(place, marks)
            self._fresh.add(place)
        told = super().assigned(partitions)
        self.unread -= {place for place in partitions if self._marks[place].base >= self.ends.get(place, 0)}
        return told

    def _decided(self, place: Partition, marks: ReplayMarks) -> ReplayMarks:
        if marks.sending is None:
            return marks
        if self._order.uncertain != "stop" and not self._order.dry_run:
            self._to_keep.add(place)
        if self._order.uncertain == "send":
            return marks.not_sent()
        self.uncertain.append(f"{place}-{marks.sending}")
        self.barred = self.barred or (self._order.uncertain == "stop" and not self._order.dry_run)
        return marks.end(marks.sending)

    @override
    def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, Committed]:
        self._forget(partitions)
        return {}

    @override
    def lost(self, partitions: Collection[Partition]) -> None:
        self._forget(partitions)

    def _forget(self, partitions: Collection[Partition]) -> None:
        for place in partitions:
            self._marks.pop(place, None)
            self._fresh.discard(place)
