from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from types import ModuleType
from typing import Any

import pytest
from typing_extensions import override


@pytest.fixture
def report(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("report")


@pytest.fixture
def told(report: ModuleType, verdict: ModuleType, scaling: ModuleType) -> Any:
    evidence = verdict.Evidence(
        [verdict.Figures("POST /predict", 900, 0, 8.4, 7, 21, 35, 60)],
        [verdict.Figures("triage: first token", 12, 0, 200, 199, 220, 230, 231)],
        rate=123.4,
        statuses={("POST /predict", 200): 900, ("POST /predict", 0): 1},
    )
    promise = verdict.Promise([verdict.Limit("POST /predict", p95_ms=100)])
    stage = scaling.StageResult(50, 400.0, 820.0, 800.0, 9, 30, 0, 0.5)
    found = scaling.Scaling(400.0, 14, 3000, True)
    config = {"payload": "a|b <c>"}
    return report.Told("users200", "200 users", "now", config, evidence, promise, [], ["a note"], [stage], found)


def test_the_verdict_comes_first_and_is_the_same_everywhere(report: ModuleType, told: Any) -> None:
    for broken, word in (([], "passed"), (["POST /predict: p95 688 ms, 100 ms are allowed"], "failed")):
        this = replace(told, broken=broken)
        assert report.markdown(this).splitlines()[0] == f"# Load `users200`: {word}"
        assert f'<span class="{word}">{word}</span>' in report.page(this)
        assert report.spoken(this).splitlines()[-1] == f"  verdict: {word}"
        assert all(sentence in report.markdown(this) and sentence in report.page(this) for sentence in broken)


def test_a_summary_has_all_that_the_verdict_rests_on(report: ModuleType, told: Any) -> None:
    said = report.markdown(told)
    for part in (
        "| POST /predict | 900 | 0 | 8 | 7 | 21 | 35 | 60 | p95 100 |",
        "| triage: first token | 12 | 0 | 200 | 199 | 220 | 230 | 231 |  |",
        "| 50 | 400.0 | 820.0 | 800.0 | 9 | 30 | 0 | 50% |",
        "| POST /predict | none | 1 |",
        "123.4 requests/s over all endpoints after the ramp.",
        "One replica: at least 400 requests/s; add one at 14 requests in flight each, or at lagThreshold 3000",
        "- a note",
    ):
        assert part in said


def test_what_others_wrote_can_not_break_the_page_or_the_table(report: ModuleType, told: Any) -> None:
    class Reader(HTMLParser):
        tags: tuple[str, ...] = ()

        @override
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.tags += (tag,)

    reader = Reader()
    reader.feed(report.page(replace(told, broken=["<script>alert(1)</script>"])))
    assert "script" not in reader.tags
    assert "c" not in reader.tags
    assert "| payload | a\\|b <c> |" in report.markdown(told)
