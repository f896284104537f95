import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.claims.deadlines import ClaimDeadline, milliseconds
from inference_container.claims.retries import (
    Again,
    Dead,
    Expired,
    Hold,
    RetryPolicy,
    Verdict,
    code_of,
    down,
    transient,
)
from inference_container.errors import (
    BrokerUnavailable,
    BundleRefused,
    CommitRefused,
    GoldenMismatch,
    InvalidSeries,
    MissingColumns,
    NoData,
    NonFiniteForecast,
    ObjectChanged,
    ObjectMissing,
    ObjectTooLarge,
    StoreUnavailable,
)
from serving.errors import (
    ChildDied,
    DeadlineExceeded,
    DependencyFailed,
    Draining,
    NotReady,
    QueueFull,
    SluiceError,
    WorkFailed,
    every_error,
)
from tests.fakes.clock import ManualClock

POLICY = RetryPolicy()


def judged(
    error: BaseException,
    attempts: int = 1,
    left_s: float | None = None,
    policy: RetryPolicy = POLICY,
    chance: float = 1,
) -> Verdict:
    clock = ManualClock()
    deadline = None if left_s is None else ClaimDeadline(milliseconds(clock) + int(left_s * 1000))
    return policy.judge(error, attempts, deadline, clock, chance)


@pytest.mark.parametrize("error", [DeadlineExceeded(), TimeoutError(), ConnectionResetError()])
def test_what_may_pass_is_tried_again_a_few_times(error: BaseException) -> None:
    assert [judged(error, attempts) for attempts in (1, 2)] == [Again(0.1), Again(0.2)]
    assert judged(error, 3) == Dead(code_of(error))


def test_a_claim_that_may_have_killed_a_worker_is_tried_alone_and_ends_as_a_dead_letter() -> None:
    assert judged(ChildDied(), 1) == Again(0.1, alone=True)
    assert judged(ChildDied(), 3) == Dead("worker_died")


@pytest.mark.parametrize(
    "error",
    [
        *(InvalidSeries(), NoData(), MissingColumns(), ObjectTooLarge(), ObjectChanged(), NonFiniteForecast()),
        *(WorkFailed(), BundleRefused(), GoldenMismatch(), SluiceError()),
    ],
)
def test_what_no_try_mends_is_a_dead_letter_at_once(error: SluiceError) -> None:
    assert judged(error) == Dead(error.code)


def test_an_error_that_is_none_of_ours_is_a_dead_letter_and_keeps_its_words_to_itself() -> None:
    assert judged(KeyError("secret")) == Dead("unexpected_error")


def test_a_missing_object_gets_one_short_grace() -> None:
    assert judged(ObjectMissing(), 1) == Again(0.5)
    assert judged(ObjectMissing(), 2) == Dead("object_missing")
    assert judged(ObjectMissing(), 1, policy=RetryPolicy(most_attempts=1)) == Dead("object_missing")


@pytest.mark.parametrize(
    "error",
    [StoreUnavailable(), BrokerUnavailable(), DependencyFailed(), CommitRefused(), NotReady(), QueueFull(), Draining()],
)
@given(attempts=st.integers(1, 10_000))
def test_what_concerns_everybody_is_never_a_dead_letter_however_long_it_lasts(
    error: SluiceError, attempts: int
) -> None:
    assert isinstance(judged(error, attempts), Hold)


def test_the_longer_all_is_held_the_rarer_it_is_tried() -> None:
    clock = ManualClock()
    held = [POLICY.judge(StoreUnavailable(), 1, None, clock, 1, holds) for holds in (0, 1, 2, 99)]
    assert held == [Hold(0.1), Hold(0.2), Hold(0.4), Hold(5.0)]


def test_a_claim_whose_deadline_has_passed_is_expired_whatever_failed() -> None:
    for error in (StoreUnavailable(), NoData(), ChildDied(), DeadlineExceeded(), KeyError()):
        assert judged(error, 1, left_s=0) == Expired()


@pytest.mark.parametrize("error", [StoreUnavailable(), ChildDied(), ObjectMissing(), DeadlineExceeded()])
def test_a_pause_ends_with_the_deadline_where_the_claim_is_found_expired(error: SluiceError) -> None:
    found = judged(error, 1, left_s=0.05)
    assert isinstance(found, Again | Hold)
    assert found.after_s == 0.05


errors = st.sampled_from([cls() for cls in every_error()] + [OSError(), ValueError(), TimeoutError()])


@given(errors, st.integers(1, 10_000), st.none() | st.floats(0, 1) | st.floats(0, 100), st.floats(0, 1))
def test_no_pause_ever_passes_the_deadline_or_the_longest(
    error: BaseException, attempts: int, left_s: float | None, chance: float
) -> None:
    found = judged(error, attempts, left_s, chance=chance)
    if isinstance(found, Again | Hold):
        assert 0 <= found.after_s <= POLICY.longest_s
        assert left_s is None or found.after_s <= left_s
    if isinstance(found, Again):
        assert attempts < POLICY.most_attempts


@given(st.integers(1, 60), st.floats(0, 1))
def test_pauses_always_grow_to_the_longest_and_are_never_less_than_half(attempts: int, chance: float) -> None:
    assert POLICY.pause_s(attempts, chance) <= POLICY.pause_s(attempts + 1, chance) <= POLICY.longest_s
    assert POLICY.pause_s(attempts, 0) == POLICY.pause_s(attempts, 1) / 2


@pytest.mark.parametrize(
    "wrong", [{"most_attempts": 0}, {"first_s": 0}, {"first_s": 6}, {"longest_s": 0}, {"missing_grace_s": -1}]
)
def test_a_policy_without_tries_or_pauses_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least one attempt"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [*(cls() for cls in every_error()), OSError(), KeyError(), TimeoutError()])
def test_down_is_what_all_are_held_for_and_nothing_else(error: BaseException) -> None:
    assert down(error) == isinstance(judged(error), Hold)


@pytest.mark.parametrize("cls", every_error())
def test_whatever_is_held_or_tried_again_may_work_later(cls: type[SluiceError]) -> None:
    tried = isinstance(judged(cls(), 1), Again)
    held = isinstance(judged(cls(), 1), Hold)
    if transient(cls()):
        assert tried or held
    elif tried or held:
        assert issubclass(cls, ObjectMissing | DependencyFailed)
