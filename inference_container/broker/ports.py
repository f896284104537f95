"""What claims need of a broker, and what every broker here promises.

Called by the claim consumer (one thread, which owns its `Consumer`) and by publishers. Implemented by `memory` and
`kafka`; one suite of tests holds both to the same words. All of it blocks: nothing here is called on the event loop.
"""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.number}"


@dataclass(frozen=True, slots=True)
class Record:
    """A message as it lies in a topic."""

    partition: Partition
    offset: int
    key: bytes | None
    value: bytes | None  #: None is a tombstone
    headers: Headers  #: in their order; a name may come twice
    timestamp_ms: int  #: since the epoch, as the topic has it

    @property
    def source(self) -> str:
        """What names this message for ever: `topic-partition-offset`."""
        return f"{self.partition}-{self.offset}"


@dataclass(frozen=True, slots=True)
class Committed:
    """What a group keeps of one partition."""

    offset: int  #: the next one to be read
    note: str = ""  #: what lies beside it, for whoever reads on from there; Kafka's commit metadata


class Rebalance(Protocol):
    """Told by a consumer's `poll` of what it gains and loses. Called on the thread that polls, never elsewhere."""

    def assigned(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """These are ours now. Returns where to go on reading instead of at what is committed; empty for most."""

    def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, Committed]:
        """These go to somebody else. Returns what to commit for them before they do."""

    def lost(self, partitions: Collection[Partition]) -> None:
        """These are somebody else's already; nothing may be committed for them."""


class Consumer(Protocol):
    """One member of a group. Belongs to the thread that polls it."""

    def poll(self, most: int, wait_s: float) -> Sequence[Record]:
        """At most so many messages; waits up to `wait_s` for a first one. Paused partitions give none.

        Has to be called often, also when everything is paused: who does not poll for long is thrown out of the group.

        Asked for none, it gives none and is a sign of life all the same. What a `Rebalance` raises comes out of here;
        no message is lost by it.

        Raises:
            BrokerUnavailable: worth another try, later. While nobody answers it may as well just give nothing.
            DependencyFailed: no other try mends it; another member has taken this one's static name, for one.
        """

    def pause(self, partitions: Collection[Partition]) -> None: ...

    def resume(self, partitions: Collection[Partition]) -> None: ...

    @property
    def assigned(self) -> frozenset[Partition]: ...

    @property
    def paused(self) -> frozenset[Partition]: ...

    def commit(self, offsets: Mapping[Partition, int], notes: Mapping[Partition, str] = {}) -> None:
        """Each commit replaces the offset and the note of its partitions.

        Args:
            offsets: the next one to be read, of each partition. Empty is allowed.
            notes: what to keep beside them; an empty text where there is none. Notes without an offset are not kept.

        Raises:
            CommitRefused: the group has gone on without this member, or a partition is not its own any more.
            MessageTooLarge: a note is; nothing may be said of the other partitions then.
            BrokerUnavailable: worth another try.
        """

    def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, Committed]:
        """Where the group would read on; a partition for which nothing was committed is absent."""

    def end_offsets(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """The offset that the next message of each will get."""

    def close(self) -> None:
        """Leaves the group, so that others need not wait for it to be missed (a static member is expected back).

        Tells `revoked` of what it still has and commits what that returns; commits nothing by itself.
        """


@dataclass(frozen=True, slots=True)
class Sent:
    partition: Partition
    offset: int


class Producer(Protocol):
    """Idempotent, acknowledged by all replicas. May be called from any thread."""

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
    ) -> "Future[Sent]":
        """Does not wait; the future fails with `BrokerUnavailable` or `MessageTooLarge`. Equal key, equal partition."""

    def flush(self, wait_s: float) -> None:
        """Until all that was sent is acknowledged or has failed.

        Raises:
            BrokerUnavailable: not within `wait_s`.
        """

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Membership:
    """How a consumer takes part in its group. Seconds."""

    group: str
    topics: tuple[str, ...]
    #: `cooperative-sticky`, `range`: how partitions are shared out.
    assignor: str = "cooperative-sticky"
    #: A name that survives a restart (static membership); None for a new one each time.
    instance_id: str | None = None
    session_timeout_s: float = 45.0
    heartbeat_s: float = 3.0
    max_poll_interval_s: float = 300.0


class Broker(Protocol):
    """A way to a broker; connects when something is asked of it."""

    def consumer(self, membership: Membership, rebalance: Rebalance) -> Consumer:
        """Begins at the earliest message where the group has committed nothing.

        Raises:
            BrokerUnavailable: nobody answers.
        """

    def producer(self) -> Producer: ...

    def ensure_topics(self, topics: Mapping[str, int]) -> None:
        """Makes those that are missing, with so many partitions; leaves the others as they are."""

    def close(self) -> None: ...
