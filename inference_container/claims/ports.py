"""What the rooms on a claim's way ask of each other and of the house.

    consumer (its own thread)  --Work, Refused-->  desk (event loop)  --Entry-->  recorder (event loop)
                               <--Ended, Held, Innocent----

The consumer owns everything that counts: gate, ledger, attempts, commits. The desk has one task for each claim, which
reads like the claim's story: fetch the object, forecast it, have it recorded. The recorder stores and publishes what
came together. Nobody but the consumer's thread touches the broker's consumer.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from inference_container.broker.ports import Headers, Record
from inference_container.claims.consuming.ledger import Delivery
from inference_container.claims.dead_letters import Kind, Why
from inference_container.claims.deadlines import ClaimDeadline
from inference_container.claims.messages import Claim
from inference_container.claims.results import ModelName, Place, Row
from inference_container.forecasting.messages import ForecastQuery
from serving.deadline import Deadline
from serving.tracing import Trace, current_trace


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """A claim that was read and begun."""

    delivery: Delivery
    record: Record
    claim: Claim
    deadline: ClaimDeadline | None
    attempts: int  #: tries that it has had in all, this one included
    #: Processes have died while they worked on it. Before the world hears of it, `Innocent` has to be told.
    suspect: bool = False
    #: Its tries are used up: it is put aside for this, unless it has become something before the last death.
    doubt: Why | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Refused:
    """A message that nobody works on: it becomes a dead letter."""

    delivery: Delivery
    record: Record
    claim: Claim | None  #: None for what could not be read
    why: Why
    attempts: int  #: 0 for what could not be read
    kind: Kind = Kind.CLAIM  #: by the topic it came from


Item: TypeAlias = Work | Refused


@dataclass(frozen=True, slots=True)
class Ended:
    """Recorded as what it became, or withdrawn: its place is free."""

    delivery: Delivery
    #: False: withdrawn, or left when the desk closed. Nothing may be committed past it then, current or not.
    recorded: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """What failed was not the claim's: this try does not count against it. It is tried again and will end.

    Told for those that wait as well, and again if they are held again.
    """

    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Innocent:
    """It is known what becomes of a suspect, and nobody died of it: it must not be put aside as a killer after that."""

    delivery: Delivery
    #: Called from any thread when that is known beyond this process. Never, if the message leaves this process first.
    known: Callable[[], None]


Told: TypeAlias = Ended | Held | Innocent
#: Told by the desk, from the event loop, to whoever owns the ledger; must not block.
Tell: TypeAlias = Callable[[Told], None]


class Desk(Protocol):
    """Where claims are worked. Every method may be called from any thread and returns at once.

    Each item that was taken is told about with `Ended` exactly once, whatever became of it, a withdrawn one too.
    """

    def take(self, items: Sequence[Item]) -> None: ...

    def withdraw(self, deliveries: Collection[Delivery]) -> None:
        """These are not ours any more: what has not been recorded is dropped."""

    @property
    def held(self) -> str | None:
        """Why no claim can be worked now (the store or the broker is down, no model); None when they can.

        The consumer pauses meanwhile, whatever the gate says.
        """


class Forecaster(Protocol):
    """The pool behind the claims' lane; lives on the event loop."""

    async def forecast_claim(self, query: ForecastQuery, deadline: Deadline) -> bytes:
        """The encoded answer.

        Raises:
            Rejected: nothing can be forecast now; it is not the claim's fault.
            DeadlineExceeded: no place or no answer in time.
            InvalidInput: the series can not be forecast.
            ChildDied: the worker died, perhaps of this one.
            WorkFailed: the forecast broke.
        """

    @property
    def beside_callers(self) -> bool:
        """Whether somebody who waits is served beside the claims."""

    def model_name(self, bundle_id: str) -> ModelName | None:
        """How results call a bundle that answered in this process; None for one that never did."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as the producer's `send` takes it."""

    topic: str
    key: bytes | None
    value: bytes | None = field(repr=False)
    headers: Headers = ()


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """What is written down of one claim or forecast: a line of the log, and a message that may point at it."""

    row: Row
    #: Made once it is known in which object the row lies (None: objects are not written). None: no message at all.
    message: Callable[[Place | None], Outgoing] | None
    #: Asked again just before the message is sent; None: it may be sent for ever.
    deadline: ClaimDeadline | None = None
    #: Of the task that made it: from here on others work on it, together with what comes at the same time.
    trace: Trace | None = field(default_factory=current_trace)


class Recorder(Protocol):
    """Lives on the event loop."""

    async def record(self, entry: Entry) -> None:
        """Returns when the row is stored and the message acknowledged, in this order.

        Cancelling the wait does not take back what is on its way.

        Raises:
            DeadlineExceeded: `deadline` passed before the message was sent; it never will be.
            StoreUnavailable, BrokerUnavailable: worth another try, later.
            MessageTooLarge: the broker takes no message of this size.
            DependencyFailed: no other try mends it until somebody mends the store or the broker.
        """

    async def became(self, record: Record) -> frozenset[str]:
        """Statuses and reasons that rows of this message have in the log, by whomever. Slow: it goes through the parts
        of an hour. Nothing where no objects are written.

        Raises:
            StoreUnavailable: worth another try, later.
            DependencyFailed: no other try mends it until somebody mends the store.
        """
