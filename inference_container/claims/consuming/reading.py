"""A record to what becomes of it first: it can be worked, it can not, or it asks nothing of this service.

Called by `books` for every record that was delivered. Which kind a message is, its topic says; `messages` and
`deadlines` read it. Nothing here raises, whatever the message holds: the thread that polls would stumble over the same
message again in every life, and nothing behind it would ever be worked.
"""

from dataclasses import dataclass
from typing import TypeAlias

from inference_container.broker.ports import Record
from inference_container.claims.dead_letters import Kind, Why, why
from inference_container.claims.deadlines import ClaimDeadline, TtlPolicy
from inference_container.claims.messages import Claim, TrainingClaim, read_claim, read_training
from inference_container.claims.refusals import Refusal
from inference_container.stores.places import Places


@dataclass(frozen=True, slots=True)
class Workable:
    claim: Claim
    deadline: ClaimDeadline | None


@dataclass(frozen=True, slots=True)
class Unworkable:
    kind: Kind
    claim: Claim | None
    why: Why
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Skipped:
    """Fields of the event `training_claim_skipped`."""

    reason: str
    run_id: str | None


Read: TypeAlias = Workable | Unworkable | Skipped


@dataclass(frozen=True, slots=True)
class Reading:
    places: Places
    ttl: TtlPolicy
    max_message_bytes: int
    training_topic: str | None  #: all others carry claims

    def read(self, record: Record) -> Read:
        kind = Kind.TRAINING if record.partition.topic == self.training_topic else Kind.CLAIM
        try:
            return self._training(record) if kind is Kind.TRAINING else self._claim(record)
        # A fault of our own reading, which the next life would find at the same place.
        except Exception as fault:
            return Unworkable(kind, None, why(fault))

    def _claim(self, record: Record) -> Read:
        claim = read_claim(record.value, self.places, self.max_message_bytes)
        if isinstance(claim, Refusal):
            return Unworkable(Kind.CLAIM, None, why(claim))
        deadline = self.ttl.read(record.headers)
        if isinstance(deadline, Refusal):
            return Unworkable(Kind.CLAIM, claim, why(deadline))
        return Workable(claim, deadline)

    def _training(self, record: Record) -> Read:
        told = read_training(record.value, self.places, self.max_message_bytes)
        if isinstance(told, Refusal):
            return Unworkable(Kind.TRAINING, None, why(told))
        if isinstance(told, TrainingClaim):
            return Skipped("trained elsewhere", None)
        # What is served follows the pointer alone: a success here is a bundle only once somebody has promoted it.
        return Skipped("served once promoted" if told.succeeded else "not a success", told.run_id)
