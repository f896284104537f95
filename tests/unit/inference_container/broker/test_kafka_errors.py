import pytest
from kafka import errors  # type: ignore[import-untyped]  # ships no types

from inference_container.broker.kafka_errors import translated
from inference_container.errors import BrokerUnavailable, CommitRefused, MessageTooLarge
from serving.errors import DependencyFailed, SluiceError


@pytest.mark.parametrize(
    ("failure", "meaning"),
    [
        (errors.KafkaTimeoutError(), BrokerUnavailable),
        (errors.NotCoordinatorError(), BrokerUnavailable),
        (errors.CoordinatorNotAvailableError(), BrokerUnavailable),
        (errors.InvalidRequestError(), BrokerUnavailable),
        (errors.RebalanceInProgressError(), BrokerUnavailable),
        (errors.CommitFailedError(errors.RebalanceInProgressError()), BrokerUnavailable),
        (RuntimeError("the loop is closed"), BrokerUnavailable),
        (errors.CommitFailedError(), CommitRefused),
        (errors.CommitFailedError(errors.IllegalGenerationError()), CommitRefused),
        (errors.IllegalGenerationError(), CommitRefused),
        (errors.UnknownMemberIdError(), CommitRefused),
        (errors.FencedInstanceIdError(), CommitRefused),
        (errors.MessageSizeTooLargeError(), MessageTooLarge),
        (errors.RecordListTooLargeError(), MessageTooLarge),
        (errors.OffsetMetadataTooLargeError(), MessageTooLarge),
        (errors.SaslAuthenticationFailedError(), DependencyFailed),
        (errors.UnsupportedSaslMechanismError(), DependencyFailed),
        (errors.TopicAuthorizationFailedError({"claims"}), DependencyFailed),
        (errors.InconsistentGroupProtocolError(), DependencyFailed),
    ],
)
def test_every_failure_says_what_may_be_done_about_it(failure: Exception, meaning: type[SluiceError]) -> None:
    assert type(translated(failure)) is meaning


def test_an_error_of_ours_stays_itself() -> None:
    ours = MessageTooLarge(size=3)
    assert translated(ours) is ours
