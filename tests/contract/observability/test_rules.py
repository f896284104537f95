"""Prometheus's rules: promtool takes them, tests cover each alert both ways, and an operator finds what to do."""

import re
from pathlib import Path

import pytest
import yaml

from inference_container.claims.refusals import Reason
from scripts.dashboards.__main__ import DASHBOARDS
from serving.errors import every_error
from serving.events import DECLARED
from tests.observability.known import known_metrics
from tests.observability.promtool import PROMETHEUS, ROOT, promtool
from tests.observability.rules import RULES, TESTS, Coverage, Rule, alerts, coverage, records, rules

#: Prometheus's convention: what is left of the labels, the metric, what was done with it.
RECORD = re.compile(r"^[a-z]+(_[a-z]+)*:[a-z0-9_]+:[a-z0-9_]+$")
PAGE = ROOT / "docs" / "operations.md"
#: Reasons in `degraded` and in a refusal, which no list in the code holds together.
REASONS = {"model_unavailable", "model_silent", "model_invalid", "model_disabled", "rate_limited"}
#: Words of Kubernetes and of the file system.
OF_OTHERS = {"OOMKilled", "Liveness probe failed", "Evicted", "DiskPressure", "no space left", "not now"}


def headings(text: str) -> set[str]:
    """As they are linked to."""
    return {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def test_promtool_takes_the_configuration_and_the_rules_it_names() -> None:
    status, said = promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert (status, said.count("rules found")) == (0, len(RULES)), said


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_promtool_finds_nothing_to_say_about_the_rules(path: Path) -> None:
    status, said = promtool("check", "rules", "--lint=all", "--lint-fatal", path)
    assert status == 0, said


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_the_tests_of_the_rules_pass(path: Path) -> None:
    status, said = promtool("test", "rules", path)
    assert status == 0, said


def test_a_rule_that_is_wrong_fails_its_test(tmp_path: Path) -> None:
    """The tests above are able to fail: a threshold that nobody reaches is found."""
    for folder in ("rules", "tests"):
        (tmp_path / folder).mkdir()
    text = (PROMETHEUS / "rules" / "claims.yml").read_text()
    (tmp_path / "rules" / "claims.yml").write_text(
        text.replace("inference_claims_held == 1\n", "inference_claims_held == 2\n")
    )
    (tmp_path / "tests" / "claims_test.yml").write_text((PROMETHEUS / "tests" / "claims_test.yml").read_text())
    status, said = promtool("test", "rules", tmp_path / "tests" / "claims_test.yml")
    assert status != 0
    assert "ClaimsHeld" in said


def test_every_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    known = {rule.name for rule in alerts()}
    seen = [coverage(yaml.safe_load(path.read_text())) for path in TESTS]
    assert known - frozenset().union(*(each.fire for each in seen)) == set()
    assert known - frozenset().union(*(each.do_not for each in seen)) == set()


def test_a_moment_before_it_fires_is_no_test_of_an_alert_that_does_not() -> None:
    before = {"alertname": "A", "exp_alerts": []}
    fires = {"alertname": "A", "exp_alerts": [{}]}
    both = coverage({"tests": [{"alert_rule_test": [before, fires]}]})
    assert both == Coverage(frozenset({"A"}), frozenset())
    apart = coverage({"tests": [{"alert_rule_test": [fires]}, {"alert_rule_test": [before]}]})
    assert apart == Coverage(frozenset({"A"}), frozenset({"A"}))


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule.name)
def test_an_alert_says_what_it_is_how_bad_and_where_to_read_on(rule: Rule) -> None:
    assert rule.labels["severity"] in ("critical", "warning")
    assert set(rule.annotations) == {"summary", "description", "runbook_url"}
    assert rule.annotations["runbook_url"] == f"docs/operations.md#{rule.name.lower()}"
    assert rule.name.lower() in headings(PAGE.read_text())


def test_the_runbook_knows_no_alert_that_is_gone() -> None:
    told = re.findall(r"^#### (\w+)$", PAGE.read_text(), re.MULTILINE)
    assert sorted(told) == sorted(rule.name for rule in alerts())


def test_the_runbook_names_only_what_there_is() -> None:
    """Metrics, events and their fields, error codes, reasons; and panels, in italics, by their titles."""
    text = PAGE.read_text()
    runbook = "".join(text.split(f"\n## {title}\n")[1].split("\n## ")[0] for title in ("Runbook", "Alerts"))
    named = set(re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)`", runbook))
    metrics = {name.removesuffix("_count") for name in known_metrics()}  # a histogram by its own name
    events = {event.name for event in DECLARED.values()} | {f for event in DECLARED.values() for f in event.fields}
    codes = {error.code for error in every_error()} | {reason.value for reason in Reason}
    assert named - metrics - events - codes - REASONS == set()
    titles = {panel.title for dashboard in DASHBOARDS for row in dashboard.rows for panel in row.panels}
    assert set(re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", runbook)) - titles - OF_OTHERS == set()


@pytest.mark.parametrize("rule", records(), ids=lambda rule: rule.name)
def test_a_recording_rule_is_named_by_level_metric_and_operation(rule: Rule) -> None:
    assert RECORD.match(rule.name)


def test_no_two_rules_have_one_name() -> None:
    named = [rule.name for rule in rules()]
    assert len(set(named)) == len(named)
