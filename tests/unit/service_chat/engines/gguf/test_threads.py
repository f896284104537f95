"""Thread counts, and how long threads may spin."""

import pytest

from service_chat.engines.gguf.threads import (
    engine_environment,
    plan_threads,
    spin_in_words,
)


@pytest.mark.parametrize(
    ("wanted", "affinity", "quota", "count"),
    [
        (None, 8, None, 8),
        (None, 8, 2.0, 2),
        (None, 8, 2.9, 2),
        (None, 8, 0.5, 1),
        (None, 2, 16.0, 2),
        (4, 2, 1.0, 4),
    ],
)
def test_the_smaller_of_affinity_and_quota_wins_unless_somebody_chose(
    wanted: int | None, affinity: int, quota: float | None, count: int
) -> None:
    assert plan_threads(wanted, affinity, quota).count == count


def test_the_plan_says_how_it_came_about() -> None:
    assert plan_threads(None, 8, 2.5).reason == "cgroup quota of 2.5 CPUs"
    assert plan_threads(None, 8, None).reason == "affinity to 8 CPUs"
    assert plan_threads(3, 8, None).reason == "set by the operator"


def test_spinning_is_bounded_unless_an_operator_decided() -> None:
    assert engine_environment({}) == {"GOMP_SPINCOUNT": "500"}
    assert engine_environment({"GOMP_SPINCOUNT": "9"}) == {}
    assert engine_environment({"OMP_WAIT_POLICY": "passive"}) == {}


@pytest.mark.parametrize(
    ("present", "words"),
    [
        (engine_environment({}), "GOMP_SPINCOUNT=500"),
        ({"OMP_WAIT_POLICY": "passive", "HOME": "/"}, "OMP_WAIT_POLICY=passive"),
        ({"OMP_WAIT_POLICY": "active", "GOMP_SPINCOUNT": "9"}, "GOMP_SPINCOUNT=9 OMP_WAIT_POLICY=active"),
        ({}, "libgomp's default"),
    ],
)
def test_the_waiting_policy_is_told_as_libgomp_sees_it(present: dict[str, str], words: str) -> None:
    assert spin_in_words(present) == words
