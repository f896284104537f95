"""Members of a group as the broker suite drives them: a consumer, what it was told, what it got."""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from typing_extensions import override

from inference_container.broker.ports import Broker, Committed, Consumer, Membership, Partition, Rebalance, Record

Change = Literal["assigned", "revoked", "lost"]


class World(Protocol):
    """A broker and what a test may do to the world around it."""

    @property
    def broker(self) -> Broker: ...

    #: Bytes that a message may have.
    largest: int
    #: Seconds that one poll of a member waits.
    patience_s: float

    def tick(self, seconds: float) -> None:
        """That much time passes, if it does not pass by itself."""

    def pass_time(self, seconds: float) -> None:
        """Nobody does anything for so long."""

    def crash(self, consumer: Consumer) -> None:
        """The consumer's process is gone, without a word."""


class Told(Rebalance):
    """Writes down what it is told; answers what a test has laid ready."""

    def __init__(self) -> None:
        self.changes: list[tuple[Change, frozenset[Partition]]] = []
        self.threads: set[int] = set()
        self.begin_at: dict[Partition, int] = {}
        self.to_commit: dict[Partition, int] = {}
        self.note = ""
        self.on_assigned: Callable[[Collection[Partition]], None] = lambda partitions: None
        self.on_revoked: Callable[[Collection[Partition]], None] = lambda partitions: None

    @override
    def assigned(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        self._note("assigned", partitions)
        self.on_assigned(partitions)
        return {each: self.begin_at[each] for each in partitions if each in self.begin_at}

    @override
    def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, Committed]:
        self._note("revoked", partitions)
        self.on_revoked(partitions)
        return {each: Committed(self.to_commit[each], self.note) for each in partitions if each in self.to_commit}

    @override
    def lost(self, partitions: Collection[Partition]) -> None:
        self._note("lost", partitions)

    def _note(self, change: Change, partitions: Collection[Partition]) -> None:
        self.changes.append((change, frozenset(partitions)))
        self.threads.add(threading.get_ident())

    def all_of(self, change: Change) -> set[Partition]:
        return {partition for kind, partitions in self.changes if kind == change for partition in partitions}


@dataclass
class Member:
    consumer: Consumer
    told: Told
    patience_s: float
    got: list[Record] = field(default_factory=list)

    def poll(self, most: int = 100) -> list[Record]:
        new = list(self.consumer.poll(most, self.patience_s))
        self.got += new
        return new

    @property
    def sources(self) -> list[str]:
        return [record.source for record in self.got]

    @property
    def positions(self) -> dict[Partition, int]:
        """Behind the last one it got, of each partition."""
        return {record.partition: record.offset + 1 for record in self.got}


def offsets(committed: Mapping[Partition, Committed]) -> dict[Partition, int]:
    return {partition: each.offset for partition, each in committed.items()}


def join(world: World, group: str, topic: str, assignor: str = "range", **more: float | str | None) -> Member:
    """A member with short times, which has not polled yet."""
    told = Told()
    # The session is longer than a busy machine may leave a thread without its turn; who is to be missed gets less.
    times = {"session_timeout_s": 10.0, "heartbeat_s": 0.2, "max_poll_interval_s": 20.0, "instance_id": None, **more}
    membership = Membership(group, (topic,), assignor=assignor, **times)  # type: ignore[arg-type]  # a test's shorthand
    return Member(world.broker.consumer(membership, told), told, world.patience_s)


def turn(world: World, members: Collection[Member], until: Callable[[], bool], within_s: float = 20.0) -> None:
    """Everybody polls, one after the other, until it holds."""
    end = time.monotonic() + within_s
    while not until():
        assert time.monotonic() < end, [member.told.changes for member in members]
        for member in members:
            member.poll()
        world.tick(0.05)


def settled(members: Collection[Member], count: int) -> bool:
    """Whether they share `count` partitions, each has some and none is with two."""
    shares = [member.consumer.assigned for member in members]
    return all(shares) and sum(map(len, shares)) == len(frozenset().union(*shares)) == count
