import re
from pathlib import Path
from types import ModuleType

import pytest

DOCS = (Path(__file__).parents[3] / "docs" / "load.md").read_text()


@pytest.mark.parametrize(
    ("name", "users", "rate", "seconds"),
    [
        ("smoke", 20, 10, 45),
        ("baseline", 10, 5, 60),
        ("users80", 80, 8, 60),
        ("users200burst", 200, 50, 60),
        ("users200", 200, 10, 180),
        ("users400", 400, 40, 120),
        ("sustained", 30, 10, 900),
    ],
)
def test_profiles_are_those_of_the_field_notes(
    name: str, users: int, rate: float, seconds: int, profiles: ModuleType
) -> None:
    found = profiles.profile_named(name)
    assert (found.users, found.spawn_rate, found.seconds) == (users, rate, seconds)


def test_the_big_one_promises_what_it_is_for(profiles: ModuleType) -> None:
    found = profiles.profile_named("users200")
    limits = {limit.name: limit for limit in found.limits}
    assert limits[profiles.PREDICT].p95_ms <= 100
    assert limits[profiles.HEALTH].p99_ms <= 20
    assert all(limit.failures == 0 for limit in found.limits)
    assert found.least_rate >= 100
    assert found.refusals == 0


def test_overload_knows_three_statuses_and_a_deadline_that_the_limit_is_within(profiles: ModuleType) -> None:
    found = profiles.profile_named("overload")
    limit = next(limit for limit in found.limits if limit.name == profiles.PREDICT)
    assert found.answers == {200, 429, 504}
    assert limit.p95_ms <= found.deadline_ms
    assert [stage.pace for stage in found.stages] == ["at once", "twice the best"]


def test_every_profile_has_an_end_and_a_limit_for_forecasts(profiles: ModuleType) -> None:
    for found in profiles.PROFILES.values():
        assert found.stages or found.seconds > 0
        assert any(limit.name == profiles.PREDICT and limit.p95_ms for limit in found.limits)


def test_a_profile_that_is_not_there_is_answered_with_those_that_are(profiles: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"smoke, baseline, capacity"):
        profiles.profile_named("users2000")


def test_the_page_has_a_row_for_every_profile(profiles: ModuleType) -> None:
    assert re.findall(r"^\| \*\*(\w+)\*\* \|", DOCS, re.MULTILINE) == list(profiles.PROFILES)
