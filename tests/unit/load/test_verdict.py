from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def good(verdict: ModuleType) -> Any:
    """What a run saw that held to `promise`."""
    row = verdict.Figures("POST /predict", 1000, 0, avg_ms=8, p95_ms=20, p99_ms=30)
    return verdict.Evidence([row], rate=120.0, statuses={("POST /predict", 200): 1000})


@pytest.fixture
def promise(verdict: ModuleType) -> Any:
    return verdict.Promise([verdict.Limit("POST /predict", avg_ms=100, p95_ms=100, p99_ms=200)], least_rate=100.0)


def test_a_run_within_its_limits_passes(verdict: ModuleType, good: Any, promise: Any) -> None:
    assert verdict.broken(good, promise) == []


@pytest.mark.parametrize("what", ["avg_ms", "p95_ms", "p99_ms"])
def test_a_slow_run_is_told_by_how_much(what: str, verdict: ModuleType, good: Any, promise: Any) -> None:
    slow = replace(good, rows=[replace(good.rows[0], **{what: 301.0})])
    (said,) = verdict.broken(slow, promise)
    assert said.startswith("POST /predict: ")
    assert "301 ms" in said


def test_a_hair_over_the_limit_is_over_it(verdict: ModuleType, good: Any, promise: Any) -> None:
    assert verdict.broken(replace(good, rows=[replace(good.rows[0], p95_ms=101)]), promise)
    assert not verdict.broken(replace(good, rows=[replace(good.rows[0], p95_ms=100)]), promise)


def test_one_failure_is_one_too_many_unless_the_limit_allows_some(verdict: ModuleType, good: Any) -> None:
    failed = replace(good, rows=[replace(good.rows[0], failures=1)])
    assert len(verdict.broken(failed, verdict.Promise([verdict.Limit("POST /predict")]))) == 1
    assert verdict.broken(failed, verdict.Promise([verdict.Limit("POST /predict", failures=0.01)])) == []


def test_a_failure_in_a_row_without_a_limit_is_a_failure_too(verdict: ModuleType, good: Any, promise: Any) -> None:
    beside = verdict.Figures("GET /claims", 10, 1)
    assert verdict.broken(replace(good, rows=[*good.rows, beside]), promise) == ["GET /claims: 1 of 10 failed"]


def test_what_was_tried_before_the_run_may_fail(verdict: ModuleType, good: Any, promise: Any) -> None:
    assert verdict.broken(replace(good, series=[verdict.Figures("warm-up GET x", 5, 5)]), promise) == []


@pytest.mark.parametrize("requests", [None, 0])
def test_a_run_in_which_nobody_got_through_fails(verdict: ModuleType, requests: int | None) -> None:
    rows = [] if requests is None else [verdict.Figures("POST /triage", requests, 0)]
    said = verdict.broken(verdict.Evidence(rows), verdict.Promise([verdict.Limit("POST /triage", p95_ms=1.0)]))
    assert said == ["POST /triage: not one request was made"]


def test_answers_of_a_cache_are_no_forecasts(verdict: ModuleType, promise: Any) -> None:
    # The predecessor's best figures were 1,089 copies of one answer.
    cached = verdict.Figures("POST /predict" + verdict.CACHED, 100_000, 0, p95_ms=1)
    said = verdict.broken(verdict.Evidence([cached], rate=200.0), promise)
    assert said == ["POST /predict: not one request was made"]
    assert not verdict.is_plain(cached.name)


def test_too_few_requests_a_second_fail_and_so_does_a_run_too_short_to_tell(
    verdict: ModuleType, good: Any, promise: Any
) -> None:
    assert verdict.broken(replace(good, rate=99.9), promise)
    assert verdict.broken(replace(good, rate=None), promise)


def test_refusals_are_no_failures_but_only_so_many_may_be(verdict: ModuleType, good: Any, promise: Any) -> None:
    refused = replace(good, rows=[*good.rows, verdict.Figures("POST /predict (429)", 10, 0)])
    assert verdict.broken(refused, promise) == ["10 of 1010 requests were refused, 0.0% may be"]
    assert verdict.broken(refused, replace(promise, refusals=0.01)) == []


@pytest.mark.parametrize(("status", "named"), [(500, "500"), (503, "503"), (0, "no answer at all")])
def test_in_an_overload_only_the_named_statuses_may_come(
    status: int, named: str, verdict: ModuleType, good: Any, promise: Any
) -> None:
    three = replace(promise, answers=frozenset({200, 429, 504}), refusals=1.0)
    seen = replace(good, statuses={("POST /predict", 429): 5, ("POST /predict", 504): 5, ("POST /predict", 200): 5})
    assert verdict.broken(seen, three) == []
    seen = replace(seen, statuses={**seen.statuses, ("POST /predict", status): 1})
    assert verdict.broken(seen, three) == [f"POST /predict: 1 times {named}; only 200, 429, 504 may come"]


def test_a_simulated_user_that_broke_fails_the_run(verdict: ModuleType, good: Any, promise: Any) -> None:
    assert verdict.broken(replace(good, crashes=["KeyError: 'x'"]), promise) == [
        "a simulated user broke: KeyError: 'x'"
    ]


def test_a_run_that_never_began_says_only_why(verdict: ModuleType, promise: Any) -> None:
    assert verdict.broken(verdict.Evidence([], stopped="no model"), promise) == ["no model"]


def test_memory_may_not_grow_and_has_to_be_known_where_that_is_promised(
    verdict: ModuleType, good: Any, promise: Any
) -> None:
    bound = replace(promise, memory_growth=0.15)
    assert verdict.broken(replace(good, growth={"forecast": 0.1}), bound) == []
    assert "grew by 20%" in verdict.broken(replace(good, growth={"forecast": 0.2}), bound)[0]
    assert "nobody knows" in verdict.broken(good, bound)[0]
