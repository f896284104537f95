"""What becomes of a claim that failed: another try, a dead letter, nothing any more, or a pause for everybody.

Pure: told the error, how often the claim was tried and what is left of its deadline, it answers with a `Verdict`;
chance is handed in. The difference that matters most is between a claim that is bad and a store that is down. The
first ends in the dead letters; the second is no claim's fault and would end all there, so it stops the consumer.
"""

from dataclasses import dataclass
from typing import TypeAlias

from inference_container.claims.deadlines import ClaimDeadline
from inference_container.errors import (
    BrokerUnavailable,
    BundleRefused,
    CommitRefused,
    ObjectMissing,
    StoreUnavailable,
)
from serving.clock import Clock
from serving.errors import ChildDied, DeadlineExceeded, DependencyFailed, Rejected, SluiceError

#: What a failure says when it is no error of ours: the name is all that is told of it.
UNEXPECTED = "unexpected_error"


@dataclass(frozen=True, slots=True)
class Again:
    """Another try of this claim."""

    after_s: float
    #: Not together with others: it may have killed a worker, and the others are to live.
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Dead:
    """No try will mend it, or it has had them all."""

    reason: str  #: for `dlq-reason`: the error's code


@dataclass(frozen=True, slots=True)
class Expired:
    """Nobody waits for it any more."""


@dataclass(frozen=True, slots=True)
class Hold:
    """It is not this claim: stay paused, and try the same ones again. No try was used up, no letter is due."""

    after_s: float


Verdict: TypeAlias = Again | Dead | Expired | Hold


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Seconds.

    Raises:
        ValueError: No try at all, or pauses that do not grow.
    """

    most_attempts: int = 3  #: tries of a claim in all, of several processes together
    first_s: float = 0.1  #: before the second try; doubled for each further
    longest_s: float = 5.0
    missing_grace_s: float = 0.5  #: once, for an object that is written after its claim

    def __post_init__(self) -> None:
        if self.most_attempts < 1 or not 0 < self.first_s <= self.longest_s or self.missing_grace_s < 0:
            raise ValueError("at least one attempt, and 0 < first_s <= longest_s")

    def judge(
        self,
        error: BaseException,
        attempts: int,
        deadline: ClaimDeadline | None,
        clock: Clock,
        chance: float,
        holds: int = 0,
    ) -> Verdict:
        """
        Args:
            attempts: tries so far, the one that failed included.
            chance: 0 to 1, evenly; spreads those that failed together.
            holds: how often in a row all was held before, with nothing that worked in between.
        """
        if deadline is not None and deadline.expired(clock):
            return Expired()
        left_s = deadline.remaining_s(clock) if deadline is not None else None
        match error:
            case BundleRefused():
                return Dead(error.code)
            case Rejected() | DependencyFailed():
                # Also for credentials that are wrong: whoever mends them does not want to replay a whole topic.
                return Hold(_within(self.pause_s(holds + 1, chance), left_s))
            case ChildDied():
                return self._again(error, attempts, chance, left_s, alone=True)
            case DeadlineExceeded() | TimeoutError() | ConnectionError():
                # The service's own patience ended, not the claim's: that was asked first.
                return self._again(error, attempts, chance, left_s)
            case ObjectMissing() if attempts == 1 and self.most_attempts > 1:
                return Again(_within(self.missing_grace_s, left_s))
            case _:
                return Dead(code_of(error))

    def pause_s(self, attempts: int, chance: float) -> float:
        """Before the next try: half of it for certain, half by chance."""
        # An exponent without an end overflows before the bound is looked at.
        whole = min(self.longest_s, self.first_s * 2.0 ** min(attempts - 1, 60))
        return whole * (0.5 + 0.5 * chance)

    def _again(
        self, error: BaseException, attempts: int, chance: float, left_s: float | None, alone: bool = False
    ) -> Verdict:
        if attempts >= self.most_attempts:
            return Dead(code_of(error))
        return Again(_within(self.pause_s(attempts, chance), left_s), alone)


def transient(error: BaseException) -> bool:
    """Whether the same may work later: for the publisher and the sink, which have no claim to judge."""
    return isinstance(
        error,
        Rejected
        | BrokerUnavailable
        | StoreUnavailable
        | CommitRefused
        | ChildDied
        | DeadlineExceeded
        | TimeoutError
        | ConnectionError,
    )


def down(error: BaseException) -> bool:
    """Whether what failed is something that all claims need: then `judge` says `Hold`."""
    return isinstance(error, Rejected | DependencyFailed) and not isinstance(error, BundleRefused)


def code_of(error: BaseException) -> str:
    return error.code if isinstance(error, SluiceError) else UNEXPECTED


def _within(pause_s: float, left_s: float | None) -> float:
    # At the deadline the claim is looked at again and found expired: one place says so, and only one.
    return pause_s if left_s is None else min(pause_s, left_s)
