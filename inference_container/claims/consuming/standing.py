"""How messages stand in `books`, and what it answers when partitions move."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from inference_container.broker.ports import Committed, Partition, Record
from inference_container.claims.consuming.ledger import Delivery
from inference_container.claims.consuming.reading import Unworkable, Workable
from inference_container.claims.dead_letters import Why


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """Delivered, and not handed over yet, or come back."""

    delivery: Delivery
    record: Record
    read: Workable | Unworkable
    returns: int = 0  #: how often the desk has let go of it unrecorded
    doubt: Why | None = None  #: of `Work`


@dataclass(frozen=True, slots=True)
class Moved:
    """What follows from a change of partitions."""

    #: Of `revoked`: what to commit. The notes tell the next owner of nothing that this one has begun: it lives.
    commit: Mapping[Partition, Committed] = field(default_factory=dict)
    #: Of `assigned`: where to read on instead.
    begin: Mapping[Partition, int] = field(default_factory=dict)
    #: Out with the desk, and not ours any more.
    withdraw: Sequence[Delivery] = ()
