"""Grafana's dashboards are what their description makes, and every query of theirs can be answered."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from scripts.dashboards.__main__ import DASHBOARDS, FOLDER, file_of, written
from scripts.dashboards.panels import Dashboard
from tests.observability.known import known_metrics, misnamed
from tests.observability.promql import Names, names
from tests.observability.promtool import promtool
from tests.observability.queries import plain
from tests.observability.rules import Rule, rules


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_the_file_is_what_the_description_makes(dashboard: Dashboard) -> None:
    assert file_of(dashboard).read_text() == written(dashboard)


def test_there_is_no_dashboard_beside_the_described_ones() -> None:
    assert sorted(FOLDER.iterdir()) == sorted(file_of(dashboard) for dashboard in DASHBOARDS)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_a_dashboard_asks_the_source_that_is_chosen_and_shows_the_chosen_replicas(dashboard: Dashboard) -> None:
    made = json.loads(written(dashboard))
    assert [variable["name"] for variable in made["templating"]["list"]] == ["datasource", "job", "instance"]
    graphs = [panel for panel in made["panels"] if panel["type"] != "row"]
    targets = [target for panel in graphs for target in panel["targets"]]
    assert {each["datasource"]["uid"] for each in (*graphs, *targets)} == {"${datasource}"}
    assert [each["expr"] for each in targets if "$job" not in each["expr"] and "ALERTS" not in each["expr"]] == []


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_no_two_panels_lie_on_one_another(dashboard: Dashboard) -> None:
    taken = set[tuple[int, int]]()
    for panel in json.loads(written(dashboard))["panels"]:
        place: Mapping[str, int] = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_every_query_of_a_dashboard_parses(dashboard: Dashboard, tmp_path: Path) -> None:
    """As a recording rule each, since promtool reads rules only."""
    asked = [{"record": f"query:number_{at}:asked", "expr": plain(q)} for at, (_, q) in enumerate(dashboard.queries)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": asked}]}))
    status, said = promtool("check", "rules", path)
    assert status == 0, said


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_a_dashboard_names_only_metrics_and_labels_that_there_are(dashboard: Dashboard) -> None:
    known = known_metrics()
    assert {title: wrong for title, query in dashboard.queries if (wrong := misnamed(plain(query), known))} == {}


@pytest.mark.parametrize("rule", list(rules()), ids=lambda rule: rule.name)
def test_a_rule_names_only_metrics_and_labels_that_there_are(rule: Rule) -> None:
    assert misnamed(rule.expression, known_metrics()) == set()


def test_a_name_or_a_label_that_is_wrong_is_found() -> None:
    known = known_metrics()
    assert misnamed('sum by (job) (rate(triage_requests_totals{outcome="x"}[5m]))', known) == {"triage_requests_totals"}
    assert misnamed('sum by (outcom) (rate(triage_requests_total{job="x"}[5m]))', known) == {"outcom"}
    assert misnamed('triage_requests_total{outcome="x"} / on (job) group_left up offset 5m > bool 1', known) == set()


@pytest.mark.parametrize(
    ("expression", "metrics", "labels"),
    [
        ('a_total{x="b_total", y=~"c{d}"}', {"a_total"}, {"x", "y"}),
        ("sum by (le, z) (rate(a[5m])) unless on (j) b:c:d", {"a", "b:c:d"}, {"le", "z", "j"}),
        ("sum(a) by (z) or vector(0) # then c", {"a"}, {"z"}),
        ("histogram_quantile(0.95, a) > 1e3", {"a"}, set()),
    ],
)
def test_names_are_read_off_an_expression(expression: str, metrics: set[str], labels: set[str]) -> None:
    assert names(expression) == Names(frozenset(metrics), frozenset(labels))
