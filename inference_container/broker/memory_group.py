"""A consumer group of the broker in memory: who is in it, what each member may read, what is committed.

Follows the classic protocol of Kafka closely enough that a consumer can not tell the difference: a change of members
begins a rebalance, everybody has to join it in a poll of their own, then a new generation begins. `range` lets
everybody give everything back first; `cooperative-sticky` moves only what has to move, in two rounds. Not thread-safe:
every call is made under the broker's lock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from inference_container.broker.ports import Committed, Membership, Partition
from inference_container.broker.sharing import COOPERATIVE_STICKY, RANGE, Shares, share_range, share_sticky
from serving.errors import DependencyFailed


@dataclass(slots=True, eq=False)
class Member:
    """A member as the group knows it. Times are of the monotonic clock."""

    name: str
    membership: Membership
    last_poll: float
    owned: frozenset[Partition] = frozenset()  #: what it said it had when it joined the rebalance
    generation: int = -1  #: the last one whose share it has taken in
    joined: bool = False  #: it waits for the rebalance that is going on
    silent_since: float | None = None  #: no heartbeats any more: its process is gone


@dataclass(slots=True)
class Group:
    name: str
    generation: int = 0
    rebalancing: bool = False
    members: dict[str, Member] = field(default_factory=dict)
    shares: Shares = field(default_factory=dict)
    committed: dict[Partition, Committed] = field(default_factory=dict)
    _named: int = 0

    def knows(self, member: Member) -> bool:
        return self.members.get(member.name) is member

    def rival(self, member: Member) -> bool:
        """Whether somebody else goes by the same static name now."""
        name = member.membership.instance_id
        return name is not None and not self.knows(member) and self._static(name) is not None

    def join(self, membership: Membership, now: float) -> Member:
        """A new member. Begins a rebalance, unless it takes the place of one with the same static name.

        Raises:
            DependencyFailed: the others share partitions out in another way, or there is no such way.
        """
        ways = {membership.assignor, *(each.membership.assignor for each in self.members.values())}
        if len(ways) > 1 or not ways <= {RANGE, COOPERATIVE_STICKY}:
            raise DependencyFailed("The members of a group must agree on one assignor.", assignors=sorted(ways))
        self._named += 1
        member = Member(f"{self.name}-{self._named:06d}", membership, now)
        before = self._static(membership.instance_id) if membership.instance_id is not None else None
        self.members[member.name] = member
        if before is None:
            self.rebalancing = True
        else:
            del self.members[before.name]
            self.shares[member.name] = self.shares.pop(before.name, frozenset())
        return member

    def remove(self, member: Member) -> None:
        if self.knows(member):
            del self.members[member.name]
            self.shares.pop(member.name, None)
            self.rebalancing = bool(self.members)

    def expire(self, now: float) -> None:
        """Throws out who gave no sign of life for a session, and who lives but has not polled for too long."""
        for member in list(self.members.values()):
            held = member.membership
            silent = member.silent_since is not None and now - member.silent_since >= held.session_timeout_s
            if silent or now - member.last_poll >= held.max_poll_interval_s:
                self.remove(member)

    def ready(self, member: Member, owned: frozenset[Partition]) -> None:
        """This member has given back what it must and waits for the new generation."""
        member.joined = True
        member.owned = owned

    def complete(self, counts: Mapping[str, int]) -> bool:
        """Begins the new generation when everybody has joined. Says whether it did."""
        if not self.rebalancing or not all(member.joined for member in self.members.values()):
            return False
        topics = {name: member.membership.topics for name, member in self.members.items()}
        wanted = {topic: counts[topic] for each in topics.values() for topic in each if topic in counts}
        if self.cooperative:
            owned = {name: member.owned for name, member in self.members.items()}
            holder = {partition: name for name, held in owned.items() for partition in held}
            # What another member still reads is nobody's in this round: it is given back first, then comes a second.
            self.shares = {
                name: frozenset(partition for partition in share if holder.get(partition, name) == name)
                for name, share in share_sticky(wanted, topics, owned).items()
            }
        else:
            self.shares = share_range(wanted, topics)
        self.generation += 1
        self.rebalancing = False
        for member in self.members.values():
            member.joined = False
        return True

    @property
    def cooperative(self) -> bool:
        return any(member.membership.assignor == COOPERATIVE_STICKY for member in self.members.values())

    def _static(self, instance_id: str) -> Member | None:
        return next((each for each in self.members.values() if each.membership.instance_id == instance_id), None)
