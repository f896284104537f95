import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def claims(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("claims")


def told(ok: int, lag: int = 0, dead: int = 0, expired: int = 0, skipped: int = 0) -> bytes:
    ends = {"ok": ok, "dead_letter": dead, "expired": expired, "skipped": skipped}
    return json.dumps({"state": "running", "outcomes": ends, "partitions": [{"lag": lag}, {"lag": 0}]}).encode()


def followed(claims: ModuleType, answers: list[bytes], expiring: bool = False) -> Any:
    """What `follow` finds for 10 claims more than the first answer has; a look takes a second."""
    looks, passed = iter(answers), [0.0]

    def rest(_: float) -> None:
        passed[0] += 1.0

    before = claims.Look.of(next(looks))
    return claims.follow(
        lambda: claims.Look.of(next(looks)), before, 10, 60.0, rest, expiring=expiring, clock=lambda: passed[0]
    )


def test_a_burst_is_worked_when_its_claims_are_and_their_offsets_are_committed(claims: ModuleType) -> None:
    found = followed(claims, [told(5), told(5), told(14, lag=1), told(15, lag=4), told(15)])
    assert (found.seconds, found.fault) == (3.0, None)


def test_dead_letters_are_a_fault_and_so_is_expiry_unless_it_was_asked_for(claims: ModuleType) -> None:
    assert "2 claims" in followed(claims, [told(5), told(13, dead=2)]).fault
    assert "1 claims" in followed(claims, [told(5), told(14, expired=1)]).fault
    assert followed(claims, [told(5), told(5, expired=10)], expiring=True).fault is None


def test_a_training_event_that_was_skipped_is_none_of_the_burst(claims: ModuleType) -> None:
    found = followed(claims, [told(0), told(9, skipped=1), told(10, skipped=1)])
    assert (found.seconds, found.fault) == (1.0, None)


def test_a_burst_that_does_not_end_is_given_up_with_its_state(claims: ModuleType) -> None:
    assert followed(claims, [told(0), *[told(3, lag=7)] * 70]).fault == "3 of 10 claims worked after 60 s, lag 7"


def test_a_service_that_starts_anew_meanwhile_is_noticed(claims: ModuleType) -> None:
    assert "anew" in followed(claims, [told(50), told(0)]).fault


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"state": "running"}'])
def test_what_is_no_answer_of_claims_is_told(body: bytes, claims: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"no answer|Expecting"):
        claims.Look.of(body)


@pytest.mark.parametrize(("body", "good"), [(b'{"published": 5}', True), (b'{"published": 4}', False), (b"x", False)])
def test_all_of_a_burst_has_to_be_published(body: bytes, good: bool, claims: ModuleType) -> None:
    assert (claims.published_fault(body, 5) is None) == good


def test_an_order_says_only_what_was_asked_for(claims: ModuleType) -> None:
    assert json.loads(claims.order_of(5)) == {"count": 5, "identifier": "load"}
    assert json.loads(claims.order_of(5, 100, "p")) == {
        **{"count": 5, "identifier": "load"},
        **{"ttl_ms": 100, "key_prefix": "p"},
    }
