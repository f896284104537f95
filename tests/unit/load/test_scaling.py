from types import ModuleType
from typing import Any


def stage(scaling: ModuleType, users: int, rate: float, **more: Any) -> Any:
    told = {"offered": rate, "wished": 0.0, "p50_ms": 5.0, "p95_ms": 9.0, "failures": 0, "generator": 0.5, **more}
    return scaling.StageResult(users=users, rate=rate, **told)


def test_scaling_begins_before_the_knee_and_not_at_the_last_stage(scaling: ModuleType) -> None:
    stages = [stage(scaling, users, rate) for users, rate in ((10, 400), (20, 780), (30, 810), (40, 800), (50, 820))]
    found = scaling.scaling(stages, replicas=2, claims_rate=300.0)
    assert found.rate == 410
    assert scaling.knee_of(stages).users == 20
    assert found.in_flight == 7  # 70 % of 20 in flight, shared by two
    assert found.lag == 1500  # what one of two works in ten seconds
    assert not found.at_least


def test_a_stage_with_failures_is_no_capacity(scaling: ModuleType) -> None:
    stages = [stage(scaling, 10, 400), stage(scaling, 20, 900, failures=1)]
    assert scaling.best_of(stages).users == 10
    assert scaling.scaling([stage(scaling, 10, 400, failures=3)], 1, None) is None


def test_a_generator_at_its_limit_says_that_the_service_can_do_more(scaling: ModuleType) -> None:
    assert scaling.scaling([stage(scaling, 10, 400, generator=0.97)], 1, None).at_least
    assert not scaling.scaling([stage(scaling, 10, 400, generator=None)], 1, None).at_least


def test_an_overload_that_was_not_offered_is_a_fault(scaling: ModuleType) -> None:
    good = [stage(scaling, 50, 300), stage(scaling, 800, 290, offered=590, wished=600)]
    assert scaling.overload_faults(good, {1}) == []
    (said,) = scaling.overload_faults([good[0], stage(scaling, 800, 290, offered=400, wished=600)], {1})
    assert said.startswith("400 requests/s were offered, 600 were meant")


def test_twice_of_nothing_is_a_fault_too(scaling: ModuleType) -> None:
    stages = [stage(scaling, 50, 0), stage(scaling, 800, 20, wished=0.0)]
    (said,) = scaling.overload_faults(stages, {1})
    assert "nobody knows what twice its rate is" in said
    assert scaling.overload_faults(stages, ()) == []
