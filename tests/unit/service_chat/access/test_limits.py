"""Token buckets: what a caller and an address may ask, when they may again, and that nobody fills the memory."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.access.limits import LimitPolicy, RateLimits, network_of
from service_chat.errors import RateLimited
from service_chat.services.caller import ANONYMOUS, Caller
from tests.fakes.clock import ManualClock

NURSE, DOCTOR = Caller("key:nurse"), Caller("key:doctor")


def limits(per_minute: float = 6, burst: int = 3, most: int = 10) -> tuple[RateLimits, ManualClock]:
    clock = ManualClock()
    return RateLimits(LimitPolicy(per_minute, burst), clock, most), clock


def taken(bound: RateLimits, caller: Caller, address: str | None, tries: int = 1) -> int:
    """How many of them were let through."""
    through = 0
    for _ in range(tries):
        try:
            bound.take(caller, address)
            through += 1
        except RateLimited:
            pass
    return through


def test_a_burst_is_let_through_and_then_one_at_a_time() -> None:
    bound, clock = limits()
    assert taken(bound, NURSE, None, 5) == 3
    clock.turn(10)
    assert taken(bound, NURSE, None, 5) == 1
    clock.turn(3600)
    assert taken(bound, NURSE, None, 5) == 3


def test_who_waits_as_long_as_it_is_told_is_let_through_and_nobody_earlier() -> None:
    bound, clock = limits()
    taken(bound, NURSE, None, 3)
    with pytest.raises(RateLimited) as refused:
        bound.take(NURSE, None)
    assert refused.value.details == {"retry_after_s": 10}
    clock.turn(9.9)
    assert taken(bound, NURSE, None) == 0
    clock.turn(0.1)
    assert taken(bound, NURSE, None) == 1


def test_one_caller_does_not_use_up_anothers() -> None:
    bound, _ = limits()
    taken(bound, NURSE, "10.0.0.1", 3)
    assert taken(bound, DOCTOR, "10.0.0.2", 3) == 3


def test_an_address_is_bounded_whoever_calls_from_there() -> None:
    bound, _ = limits()
    assert sum(taken(bound, Caller(f"key:{number}"), "10.0.0.1") for number in range(10)) == 3


def test_a_caller_is_bounded_wherever_it_calls_from() -> None:
    bound, _ = limits()
    assert sum(taken(bound, NURSE, f"10.0.0.{number}") for number in range(10)) == 3


def test_everybody_without_a_name_is_bounded_by_address_alone() -> None:
    bound, _ = limits()
    assert taken(bound, ANONYMOUS, "10.0.0.1", 5) == 3
    assert taken(bound, ANONYMOUS, "10.0.0.2", 5) == 3


def test_a_refusal_costs_nothing() -> None:
    bound, _ = limits()
    taken(bound, NURSE, "10.0.0.1", 3)
    taken(bound, DOCTOR, "10.0.0.1", 9)  # refused for the address
    assert taken(bound, DOCTOR, "10.0.0.2", 3) == 3


def test_a_whole_network_of_the_new_kind_is_one_address() -> None:
    assert network_of("2001:db8:1:2::1") == network_of("2001:db8:1:2:ffff::9")
    assert network_of("2001:db8:1:2::1") != network_of("2001:db8:1:3::1")
    assert network_of("::ffff:10.0.0.1") == network_of("10.0.0.1")
    assert network_of("fe80::1%eth0") == network_of("fe80::1")
    assert network_of("unix:") == "unix:"


@given(st.lists(st.integers(0, 200), max_size=300))
def test_buckets_never_outgrow_their_bound(callers: list[int]) -> None:
    bound, _ = limits(most=10)
    for number in callers:
        taken(bound, Caller(f"key:{number}"), f"10.0.0.{number}")
        assert max(bound.statistics()) <= 10


@given(st.lists(st.floats(0, 30), min_size=1, max_size=60))
def test_never_more_than_the_burst_and_the_rate_allow(pauses: list[float]) -> None:
    bound, clock = limits()
    through = 0
    for pause in pauses:
        clock.turn(pause)
        through += taken(bound, NURSE, None, 2)
    assert through <= 3 + math.ceil(sum(pauses) * 6 / 60)
