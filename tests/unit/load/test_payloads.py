import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from inference_container.defaults import default_data_path


@pytest.fixture
def made(payloads: ModuleType) -> Any:
    return payloads.Payloads(payloads.observed(default_data_path()), 72, (1, 6, 24), seed=7)


def answer(made: Any, asked: Any, **changes: object) -> bytes:
    """What the service would say to it."""
    times = [(asked.last.replace(tzinfo=None) + timedelta(hours=n)).isoformat() for n in range(1, asked.steps + 1)]
    steps = [{"ts": time, "temp": 50.0, "quantiles": {}} for time in times]
    return json.dumps({"status": "SUCCESS", "cached": False, "predictions": steps, **changes}).encode()


@pytest.mark.parametrize("rows", [72, 1500])
def test_no_two_requests_that_say_they_have_rows_of_their_own_are_alike(payloads: ModuleType, rows: int) -> None:
    # Otherwise a cache would answer some, and the run measure a dictionary.
    made = payloads.Payloads(payloads.observed(default_data_path()), rows, (1,), seed=7)
    bodies = [json.dumps(json.loads(made.next("synthetic").body)["data"]["temp"]) for _ in range(400)]
    assert len(set(bodies)) == 400


def test_a_request_has_the_rows_and_steps_that_it_should_and_holes_are_among_them(made: Any) -> None:
    asked = [json.loads(made.next("synthetic").body) for _ in range(300)]
    assert {each["inference_length"] for each in asked} == {1, 6, 24}
    assert all(len(column) == 72 for each in asked for column in each["data"].values())
    assert any(None in column for each in asked for column in each["data"].values())
    assert not any(column[0] is None for each in asked for column in each["data"].values())


def test_cached_mode_asks_the_same_again_and_service_mode_sends_no_rows(made: Any) -> None:
    assert made.next("cached") == made.next("cached")
    assert made.next("service").body == b""


def test_a_right_answer_is_right(made: Any, payloads: ModuleType) -> None:
    asked = made.next("synthetic")
    assert payloads.judged(asked, made.series, 200, answer(made, asked)) == payloads.Outcome(None, False)


def test_an_answer_of_a_cache_is_known_as_one(made: Any, payloads: ModuleType) -> None:
    asked = made.next("cached")
    for says in ({"status": "SUCCESS_CACHED"}, {"cached": True}):
        assert payloads.judged(asked, made.series, 200, answer(made, asked, **says)) == payloads.Outcome(None, True)


def wrong_steps(made: Any, asked: Any) -> Mapping[str, list[dict[str, object]]]:
    right = json.loads(answer(made, asked))["predictions"]
    return {
        "none": [],
        "too few": right[:-1],
        "inside the data": [{**step, "ts": asked.last.replace(tzinfo=None).isoformat()} for step in right],
        "no number": [{**step, "temp": None} for step in right],
        "a truth": [{**step, "temp": float("nan")} for step in right],
        "scaled": [{**step, "temp": 0.0767e4} for step in right],
        "another column": [{"ts": step["ts"], "down": 1.0} for step in right],
        "no time": [{"temp": 50.0} for step in right],
    }


@pytest.mark.parametrize(
    "wrong", ["none", "too few", "inside the data", "no number", "a truth", "scaled", "another column", "no time"]
)
def test_a_200_with_a_wrong_body_is_a_failure(wrong: str, made: Any, payloads: ModuleType) -> None:
    asked = next(each for each in iter(lambda: made.next("synthetic"), None) if each.steps == 6)
    body = answer(made, asked, predictions=wrong_steps(made, asked)[wrong])
    assert payloads.judged(asked, made.series, 200, body).fault


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"ok", b'{"status": "FAILED", "cached": false}'])
def test_a_200_that_is_no_answer_is_a_failure(body: bytes, made: Any, payloads: ModuleType) -> None:
    assert payloads.judged(made.next("synthetic"), made.series, 200, body).fault


def test_another_status_is_a_failure_with_its_body_told(made: Any, payloads: ModuleType) -> None:
    found = payloads.judged(made.next("synthetic"), made.series, 400, b'{"code": "too_few_rows"}')
    assert found.fault == '400: {"code": "too_few_rows"}'


def test_a_series_too_short_for_the_model_is_told(payloads: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_text("time,temp\n2013-01-01T00:00:00Z,1\n2013-01-01T01:00:00Z,2\n")
    with pytest.raises(ValueError, match="2 rows; 72"):
        payloads.Payloads(payloads.observed(path), 72, (1,))
    path.write_text("time,temp\n")
    with pytest.raises(ValueError, match="two rows at least"):
        payloads.observed(path)
