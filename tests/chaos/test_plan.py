import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.plan import SLOTS, Action, plan, read

seeds = st.integers(0, 10_000)


@given(seeds, st.integers(100, 20_000))
def test_a_seed_always_makes_the_same_plan_and_sends_every_claim(seed: int, claims: int) -> None:
    assert plan(seed, claims) == plan(seed, claims)
    _, steps = plan(seed, claims)
    assert sum(step.burst for step in steps) == claims
    assert all(step.burst >= 0 and 0 <= step.slot < SLOTS for step in steps)


@given(seeds)
def test_every_plan_kills_services_and_broker_takes_the_store_away_and_changes_the_group(seed: int) -> None:
    _, steps = plan(seed, 2000)
    never = {Action.REST, Action.STORE_FROZEN, Action.STORE_REFUSES, Action.STORE_SLOW}
    assert {step.action for step in steps} >= set(Action) - never


@given(seeds)
def test_a_printed_plan_is_read_back_whatever_else_was_printed(seed: int) -> None:
    _, steps = plan(seed, 2000)
    printed = [f"SEED={seed} begins", *map(str, steps), "2000 claims: 1700 ok"]
    assert read(printed) == steps


def test_steps_are_read_back_with_the_moments_that_the_log_has_behind_them() -> None:
    _, steps = plan(1, 2000)
    assert read(f"{step}  # 3.5 s" for step in steps) == steps


@pytest.mark.parametrize("assignor", ["range", "cooperative-sticky"])
def test_both_assignors_come_first_in_some_plans(assignor: str) -> None:
    assert assignor in {plan(seed, 2000)[0] for seed in range(10)}
