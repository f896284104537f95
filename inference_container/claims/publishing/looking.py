"""A topic as a person looks at it: read from some way back, on no group's account, to its end or for ever.

For the command line. The broker knows readers as members of groups only, so each look is a group of its own: nothing
is ever committed for it, and it is gone when its only member is.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

from typing_extensions import override

from inference_container.broker.ports import Broker, Committed, Consumer, Membership, Partition, Rebalance, Record
from serving.clock import Clock
from serving.errors import NotFound, SluiceError

_MOST, _WAIT_S = 500, 0.2
#: A poll that brings the partitions waits for messages too, and there may be none.
_FIRST_WAIT_S = 0.02
#: Brokers allow from six on. A command has one thread that heartbeats for it, whatever else it does.
_SESSION_S = 10.0


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds without a message."""

    topic_s: float = 20.0  #: until there have to be partitions: a killed member is missed after its session
    idle_s: float = 8.0  #: until the rest is taken to be gone: of what retention deleted only the end is told


PATIENCE = Patience()


def look(
    broker: Broker,
    topic: str,
    clock: Clock,
    last: int | None = None,
    follow: bool = False,
    stopped: Callable[[], bool] = lambda: False,
    patience: Patience = PATIENCE,
) -> Iterator[Record]:
    """The messages, in their order within each partition.

    Args:
        last: so many of each partition and what comes behind them; None: all there are.
        follow: go on with what comes; else up to what there was when the look began.
        stopped: asked between polls.

    Raises:
        NotFound: There is no such topic.
        BrokerUnavailable: Nobody answers.
    """
    bounds = Bounds(last)
    consumer = broker.consumer(membership(f"sluice-look-{uuid4().hex}", topic), bounds)
    bounds.consumer = consumer
    try:
        yield from read(consumer, bounds, topic, clock, follow, stopped, patience)
    finally:
        with suppress(SluiceError):  # it is thrown away, and what it has read is read
            consumer.close()


def membership(group: str, topic: str) -> Membership:
    """Of somebody at a terminal: who is killed must not keep the next one waiting for long."""
    return Membership(group, (topic,), session_timeout_s=_SESSION_S)


def read(
    consumer: Consumer,
    bounds: "Bounds",
    topic: str,
    clock: Clock,
    follow: bool = False,
    stopped: Callable[[], bool] = lambda: False,
    patience: Patience = PATIENCE,
) -> Iterator[Record]:
    """As `look`, for a member that somebody else makes and closes. Nothing is polled before what was is taken."""
    silent_s, known = 0.0, 0
    while not stopped() and (follow or not bounds.reached):
        asked = clock.monotonic()
        records = consumer.poll(_MOST, _WAIT_S if bounds.ends else _FIRST_WAIT_S)
        silent_s = 0.0 if records else silent_s + clock.monotonic() - asked
        if known != len(bounds.ends):
            silent_s, known = 0.0, len(bounds.ends)  # the wait for partitions says nothing about their messages
        yield from [record for record in records if follow or bounds.within(record)]
        if not bounds.ends and silent_s > patience.topic_s:
            raise NotFound(f"There is no topic {topic}, or others of the group have all of it.")
        if bounds.ends and not follow and silent_s > patience.idle_s:
            return


class Bounds(Rebalance):
    """Where a topic ended when its partitions became known, and how much of that is still to be read."""

    def __init__(self, last: int | None = None) -> None:
        #: Told what is assigned before it can be asked anything: set as soon as it is made.
        self.consumer: Consumer | None = None
        self.ends: dict[Partition, int] = {}
        #: Those that are not read up to there.
        self.unread: set[Partition] = set()
        self._last = last

    @property
    def reached(self) -> bool:
        return bool(self.ends) and not self.unread

    def within(self, record: Record) -> bool:
        """Whether it was there already. Notes how far the reading is."""
        end = self.ends.get(record.partition, 0)
        if record.offset + 1 >= end:
            self.unread.discard(record.partition)
        return record.offset < end

    @override
    def assigned(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        assert self.consumer is not None
        ends = self.consumer.end_offsets(partitions)
        self.ends.update(ends)
        begin = {partition: 0 if self._last is None else max(0, end - self._last) for partition, end in ends.items()}
        self.unread |= {partition for partition, end in ends.items() if begin[partition] < end}
        return {} if self._last is None else begin

    @override
    def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, Committed]:
        return {}

    @override
    def lost(self, partitions: Collection[Partition]) -> None:
        pass
