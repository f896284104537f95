from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def run(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("run")


def made(run: ModuleType, wishes: ModuleType, environ: dict[str, str]) -> Any:
    return run.run_of(wishes.wishes({"PROFILE": "users200", **environ}))


def names(promise: Any) -> set[str]:
    return {limit.name for limit in promise.limits}


def test_doors_that_nobody_asks_have_no_limits(run: ModuleType, wishes: ModuleType, profiles: ModuleType) -> None:
    everything = {"CHAT_URL": "http://chat", "ADMIN_TOKEN": "t"}
    assert {profiles.TRIAGE, profiles.FIRST_TOKEN, profiles.WORKED, profiles.DOWNLOAD} <= names(
        made(run, wishes, everything).promise()
    )
    assert names(made(run, wishes, {}).promise()) == {profiles.PREDICT, profiles.HEALTH, profiles.DOWNLOAD}
    assert names(made(run, wishes, {"LOAD_MIX": "90/10/0"}).promise()) == {profiles.PREDICT, profiles.HEALTH}


def test_a_limit_can_be_moved_from_outside(run: ModuleType, wishes: ModuleType, profiles: ModuleType) -> None:
    moved = made(run, wishes, {"LOAD_PREDICT_P95_MS": "750", "LOAD_HEALTH_P99_MS": "90"}).promise()
    found = {limit.name: limit for limit in moved.limits}
    assert found[profiles.PREDICT].p95_ms == 750
    assert found[profiles.HEALTH].p99_ms == 90


def test_requests_fit_the_model_that_is_served(run: ModuleType, wishes: ModuleType) -> None:
    found = made(run, wishes, {})
    found.prepare(48, 3, "synthetic")
    assert found.payloads.rows == 72
    assert {found.payloads.next("synthetic").steps for _ in range(20)} == {1}
    found = made(run, wishes, {"PREDICT_INPUT_LEN": "60", "PREDICT_OUTPUT_LEN": "5"})
    found.prepare(48, 24, "synthetic")
    assert (found.payloads.rows, found.payloads.next("synthetic").steps) == (60, 5)


def test_no_secret_is_in_what_a_run_tells_of_itself(run: ModuleType, wishes: ModuleType) -> None:
    told = made(run, wishes, {"API_KEY": "hush-1", "ADMIN_TOKEN": "hush-2"}).config()
    assert "hush" not in str(told)


def test_a_user_on_schedule_asks_at_its_moments_whatever_an_answer_took(run: ModuleType) -> None:
    tempo = run.Tempo((1.0, 2.0), every_s=0.5)
    assert tempo.rest(begun=10.0, now=10.1) == pytest.approx(0.4)
    assert tempo.rest(begun=10.0, now=13.0) == 0.0
    assert run.Tempo((1.0, 2.0), at_once=True).rest(0.0, 0.0) == 0.0
    assert all(1.0 <= run.Tempo((1.0, 2.0)).rest(0.0, 0.0) <= 2.0 for _ in range(50))
