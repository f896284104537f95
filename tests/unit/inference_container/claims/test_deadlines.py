from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from inference_container.claims.deadlines import (
    LATEST_MS,
    AnyHeaders,
    ClaimDeadline,
    TtlPolicy,
    deadline_header,
    milliseconds,
)
from inference_container.claims.refusals import Reason, Refusal
from tests.fakes.clock import ManualClock
from tests.unit.inference_container.claims.samples import MIDNIGHT

TTL = TtlPolicy(enabled=True)
AT = 1_767_225_600_000  #: 2026-01-01, where the manual clock begins


def refused(headers: AnyHeaders) -> bool:
    found = TTL.read(headers)
    return isinstance(found, Refusal) and found.reason is Reason.BAD_DEADLINE


@pytest.mark.parametrize(
    "header", [("deadline_ms", b"5"), (b"deadline_ms", b"5"), ("deadline_ms", 5), (b"deadline_ms", "5")]
)
def test_names_and_values_are_read_however_the_client_has_them(header: tuple[str | bytes, bytes | str | int]) -> None:
    assert TTL.read([("other", b"1"), header]) == ClaimDeadline(5)


def test_without_the_header_a_claim_may_wait_for_ever() -> None:
    assert TTL.read([]) is None
    assert TTL.read([("Deadline_ms", b"5"), ("x", None)]) is None


@pytest.mark.parametrize("value", [b"5", b"soon", None, b""])
def test_switched_off_nobody_looks_at_the_header(value: bytes | None) -> None:
    assert TtlPolicy(enabled=False).read([("deadline_ms", value)]) is None


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b" 5", b"5 ", b"+5", b"-5", b"5.0", b"1e3", b"1_0", b"0x5", b"soon", b"\xff", b"\x00"),
        *("٣", "²", None, -1, True, LATEST_MS + 1, str(LATEST_MS + 1), b"9" * 5000),
    ],
)
def test_a_value_that_is_no_moment_is_refused(value: bytes | str | int | None) -> None:
    assert refused([("deadline_ms", value)])


def test_the_same_moment_twice_is_one_and_two_moments_are_refused() -> None:
    assert TTL.read([("deadline_ms", b"5"), (b"deadline_ms", 5), ("deadline_ms", b"05")]) == ClaimDeadline(5)
    assert refused([("deadline_ms", b"5"), ("deadline_ms", b"6")])
    assert refused([("deadline_ms", b"5"), ("deadline_ms", b"soon")])


@given(st.integers(0, LATEST_MS))
def test_a_deadline_that_was_written_is_always_read_back(at_ms: int) -> None:
    assert TTL.read([deadline_header(at_ms)]) == ClaimDeadline(at_ms)


_values = st.none() | st.binary(max_size=20) | st.text(max_size=20) | st.integers() | st.booleans()
_names = st.sampled_from(["deadline_ms", b"deadline_ms", "x"])


@given(st.lists(st.tuples(_names, _values), max_size=4))
def test_headers_never_raise_and_a_moment_is_always_within_bounds(
    headers: list[tuple[str | bytes, bytes | str | int | None]],
) -> None:
    found = TTL.read(headers)
    assert not isinstance(found, ClaimDeadline) or 0 <= found.at_ms <= LATEST_MS


def test_a_deadline_is_over_at_its_moment_and_not_before() -> None:
    clock = ManualClock()
    deadline = ClaimDeadline(AT + 1500)
    assert not deadline.expired(clock)
    assert deadline.remaining_s(clock) == 1.5
    clock.turn(1.499)
    assert not deadline.expired(clock)
    clock.turn(0.001)
    assert deadline.expired(clock)
    clock.turn(10)
    assert deadline.remaining_s(clock) == 0


@pytest.mark.parametrize(("at_ms", "left_s"), [(AT + 1500, 1.5), (AT + 60_000, 15.0), (AT - 1, 0.0), (LATEST_MS, 15.0)])
def test_the_work_gets_what_is_left_and_no_more_than_all_work_gets(at_ms: int, left_s: float) -> None:
    clock = ManualClock()
    assert ClaimDeadline(at_ms).promise(clock, at_most_s=15).remaining() == left_s


class FixedClock(ManualClock):
    """Stands at a wall-clock moment that no float has touched."""

    def __init__(self, moment: datetime) -> None:
        super().__init__()
        self._moment = moment

    @override
    def now(self) -> datetime:
        return self._moment


@given(st.integers(0, 10**9))
def test_milliseconds_are_always_exact(elapsed_ms: int) -> None:
    assert milliseconds(FixedClock(MIDNIGHT + timedelta(milliseconds=elapsed_ms))) == AT + elapsed_ms
