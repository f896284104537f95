"""A member of a group of the broker in memory, as its consumer sees it.

Everything a group decides reaches the consumer in its own `poll`, on the thread that called it: what is given back,
what is lost, what is new. Callbacks run outside the broker's lock, so a slow one delays its own member only (and the
rebalance that waits for it), as with Kafka.
"""

import time
from collections.abc import Collection, Mapping, Sequence

from typing_extensions import override

from inference_container.broker.memory_group import Group, Member
from inference_container.broker.memory_topics import Topics
from inference_container.broker.ports import Committed, Consumer, Membership, Partition, Rebalance, Record
from inference_container.broker.sharing import COOPERATIVE_STICKY
from inference_container.errors import BrokerUnavailable, CommitRefused, MessageTooLarge
from serving.errors import DependencyFailed

#: Seconds of real time between two looks at the clock while a poll waits: nobody rings when a session has run out.
_TICK_S = 0.02
#: Characters of a note that Kafka takes by default (`offset.metadata.max.bytes`).
LONGEST_NOTE = 4096


class MemoryConsumer(Consumer):
    def __init__(self, topics: Topics, membership: Membership, rebalance: Rebalance) -> None:
        self._topics = topics
        self._membership = membership
        self._rebalance = rebalance
        self._member: Member | None = None
        #: Where to go on reading, of each partition that is ours.
        self._positions: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self._closed = False
        self._fenced = False
        self._turn = 0

    @override
    def poll(self, most: int, wait_s: float) -> Sequence[Record]:
        if self._closed:
            raise RuntimeError("the consumer is closed")
        end = time.monotonic() + wait_s
        while True:
            while self._took_a_step():
                pass
            with self._topics.changed:
                records = self._take(most)
                left = end - time.monotonic()
                if records or left <= 0:
                    return records
                self._topics.changed.wait(min(left, _TICK_S))

    @override
    def pause(self, partitions: Collection[Partition]) -> None:
        self._paused |= self._positions.keys() & set(partitions)

    @override
    def resume(self, partitions: Collection[Partition]) -> None:
        self._paused -= set(partitions)

    @property
    @override
    def assigned(self) -> frozenset[Partition]:
        return frozenset(self._positions)

    @property
    @override
    def paused(self) -> frozenset[Partition]:
        return frozenset(self._paused)

    @override
    def commit(self, offsets: Mapping[Partition, int], notes: Mapping[Partition, str] = {}) -> None:
        if not offsets:
            return
        with self._topics.changed:
            group = self._group()
            if self._member is None or not group.knows(self._member) or not offsets.keys() <= self._positions.keys():
                raise CommitRefused(partitions=sorted(map(str, offsets)))
            if self._member.joined or self._member.generation != group.generation:
                raise BrokerUnavailable("A rebalance is going on; commit after the next poll.")
            if any(len(notes.get(each, "")) > LONGEST_NOTE for each in offsets):
                raise MessageTooLarge("A note beside an offset is too long.", at_most=LONGEST_NOTE)
            group.committed |= {each: Committed(offset, notes.get(each, "")) for each, offset in offsets.items()}

    @override
    def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, Committed]:
        with self._topics.changed:
            known = self._group().committed
            return {partition: known[partition] for partition in partitions if partition in known}

    @override
    def end_offsets(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        with self._topics.changed:
            return {partition: self._topics.end(partition) for partition in partitions}

    @override
    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            if self._lost_membership():
                self._say_lost()
            elif self._positions:
                self._give_back(self.assigned)
        finally:
            self._leave()

    def crash(self) -> None:
        """As if its process were killed: the group hears nothing, and misses it when its session has run out."""
        self._closed = True
        with self._topics.changed:
            if self._member is not None:
                self._member.silent_since = self._topics.clock.monotonic()

    def _group(self) -> Group:
        """The group as of now. Under the lock."""
        group = self._topics.group(self._membership.group)
        group.expire(self._topics.clock.monotonic())
        self._complete(group)
        return group

    def _complete(self, group: Group) -> None:
        if group.complete(self._topics.counts()):
            self._topics.changed.notify_all()

    def _lost_membership(self) -> bool:
        with self._topics.changed:
            return self._member is not None and not self._group().knows(self._member)

    def _took_a_step(self) -> bool:
        """One thing that the group wants of this member, if it wants one."""
        if self._lost_membership():
            self._say_lost()
            return True
        with self._topics.changed:
            member, group = self._present()
            member.last_poll = self._topics.clock.monotonic()
            asked_to_join = group.rebalancing and not member.joined
            share = group.shares.get(member.name, frozenset())
            behind = not group.rebalancing and member.generation != group.generation
        if asked_to_join:
            self._join(group, member)
            return True
        if behind:
            self._take_in(group, member, share)
            return True
        return False

    def _present(self) -> tuple[Member, Group]:
        """This member, which joins the group when it is not in it. Under the lock."""
        group = self._group()
        if self._fenced:
            raise DependencyFailed("Another member has taken this one's static name.")
        if self._member is None:
            self._member = group.join(self._membership, self._topics.clock.monotonic())
            self._topics.changed.notify_all()
        return self._member, group

    def _join(self, group: Group, member: Member) -> None:
        try:
            if self._positions and self._membership.assignor != COOPERATIVE_STICKY:
                self._give_back(self.assigned)
        finally:
            with self._topics.changed:
                group.ready(member, self.assigned)
                self._complete(group)

    def _take_in(self, group: Group, member: Member, share: frozenset[Partition]) -> None:
        """The new generation has begun: gives back what moves away, then takes what is new."""
        gone, new = self.assigned - share, share - self.assigned
        with self._topics.changed:
            member.generation = group.generation
            for partition in new:
                self._positions[partition] = group.committed.get(partition, Committed(0)).offset
        try:
            if gone:
                self._give_back(gone)
        finally:
            with self._topics.changed:
                if gone and group.knows(member):
                    group.rebalancing = True
                self._topics.changed.notify_all()
            if new:
                self._positions.update(self._rebalance.assigned(new))

    def _give_back(self, partitions: frozenset[Partition]) -> None:
        finished: Mapping[Partition, Committed] = {}
        try:
            finished = self._rebalance.revoked(partitions)
        finally:
            with self._topics.changed:
                group = self._group()
                if self._member is not None and group.knows(self._member):
                    group.committed.update(finished)
                self._drop(partitions)

    def _say_lost(self) -> None:
        with self._topics.changed:
            self._fenced = self._member is not None and self._group().rival(self._member)
            lost = self.assigned
            self._member = None
            self._drop(lost)
        if lost:
            self._rebalance.lost(lost)

    def _drop(self, partitions: frozenset[Partition]) -> None:
        self._paused -= partitions
        for partition in partitions:
            self._positions.pop(partition, None)

    def _leave(self) -> None:
        with self._topics.changed:
            group, member = self._group(), self._member
            if member is None:
                return
            if self._membership.instance_id is None:
                group.remove(member)
            else:
                member.silent_since = self._topics.clock.monotonic()  # a static member is expected back
            self._complete(group)
            self._topics.changed.notify_all()

    def _take(self, most: int) -> list[Record]:
        """Under the lock. Begins with another partition each time, so that none starves."""
        member, group = self._member, self._group()
        if member is None or not group.knows(member) or member.joined or group.rebalancing:
            return []
        records: list[Record] = []
        open_ones = sorted(self._positions.keys() - self._paused)
        self._turn += 1
        for place in range(len(open_ones)):
            partition = open_ones[(place + self._turn) % len(open_ones)]
            found = self._topics.read(partition, self._positions[partition], max(0, most - len(records)))
            if found:
                self._positions[partition] = found[-1].offset + 1
                records.extend(found)
        return records
