"""What failures of kafka-python mean here: worth another try, refused, too large, or beyond any retry."""

from kafka import errors  # type: ignore[import-untyped]  # ships no types; what leaves this room is our own errors

from inference_container.errors import BrokerUnavailable, CommitRefused, MessageTooLarge
from serving.errors import DependencyFailed, SluiceError

_TOO_LARGE = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError, errors.OffsetMetadataTooLargeError)
#: What the client says of a topic that nobody has made, or only just now.
NOT_THERE_YET = (errors.UnknownTopicOrPartitionError, errors.LeaderNotAvailableError)
_GONE_ON = (
    errors.CommitFailedError,
    errors.IllegalGenerationError,
    errors.UnknownMemberIdError,
    errors.FencedInstanceIdError,
)
#: Of these the sentence says what to look at.
_UNKNOWN_HERE = (errors.SaslAuthenticationFailedError, errors.UnsupportedSaslMechanismError)
#: No second try mends these: somebody has to change a setting, a password or a right.
_HOPELESS = (
    *_UNKNOWN_HERE,
    errors.AuthorizationError,
    errors.IllegalSaslStateError,
    errors.SecurityDisabledError,
    errors.KafkaConfigurationError,
    errors.UnsupportedVersionError,
    errors.InconsistentGroupProtocolError,
    errors.InvalidSessionTimeoutError,
    errors.InvalidGroupIdError,
    errors.InvalidTopicError,
)


def translated(failure: Exception) -> SluiceError:
    """Whatever a client raised, as an error of ours. An unknown one is worth another try: that is how it shows."""
    if isinstance(failure, SluiceError):
        return failure
    reason = type(failure).__name__
    if isinstance(failure, _TOO_LARGE):
        return MessageTooLarge()
    if _is_only_rebalancing(failure):
        return BrokerUnavailable("A rebalance is going on; commit after the next poll.", reason=reason)
    if isinstance(failure, _GONE_ON):
        return CommitRefused(reason=reason)
    if isinstance(failure, _UNKNOWN_HERE):
        return DependencyFailed("The broker refuses the user name, the password or the SASL mechanism.", reason=reason)
    if isinstance(failure, _HOPELESS):
        return DependencyFailed("The broker refuses this client.", reason=reason)
    return BrokerUnavailable(reason=reason)


def is_hopeless(failure: Exception) -> bool:
    return isinstance(failure, _HOPELESS)


def is_fenced(failure: Exception) -> bool:
    """Whether another member took this one's static name."""
    return isinstance(failure, errors.FencedInstanceIdError)


def is_taken(failure: Exception) -> bool:
    """Whether a topic that was to be made is there already."""
    return isinstance(failure, errors.TopicAlreadyExistsError)


def _is_only_rebalancing(failure: Exception) -> bool:
    # The client tells a commit in the middle of a rebalance as "failed", with the reason as its argument: the member
    # is still in the group, and its partitions may well stay its own.
    inner = failure.args[0] if isinstance(failure, errors.CommitFailedError) and failure.args else failure
    return isinstance(inner, errors.RebalanceInProgressError)
