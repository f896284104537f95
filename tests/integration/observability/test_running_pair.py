"""A real Prometheus scrapes both services and their claims under load: everything that is asked has an answer, nothing
fires without a reason, and what breaks is told and is over when it is mended."""

import math
import signal
import time
from collections.abc import Iterator

import pytest

from scripts.dashboards.__main__ import DASHBOARDS
from scripts.dashboards.panels import Dashboard
from tests.integration.object_servers import versitygw, versitygw_program
from tests.integration.observability.pair import Load, Pair, running_pair
from tests.integration.observability.server import SCRAPE_S, Prometheus, prometheus, quicker
from tests.integration.processes import eventually
from tests.observability.promtool import program
from tests.observability.queries import plain
from tests.observability.rules import records

pytestmark = pytest.mark.timeout(200)

#: On a machine that does nothing else each takes a few seconds.
PATIENCE_S = 60

#: Of a machine without cgroups, or a cgroup without a quota or a limit, nobody can say anything.
OF_A_CONTAINER = ("cgroup_",)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Pair]:
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")

    def say(word: str) -> None:
        if reporter is not None:
            reporter.write_line(f"\n{word}")

    program("prometheus")
    folder = tmp_path_factory.mktemp("pair")
    with versitygw(versitygw_program(say), folder / "store") as store, running_pair(folder, store) as found:
        yield found


@pytest.fixture(scope="module")
def watched(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Under load since it looks."""
    with Load(pair) as load, prometheus(tmp_path_factory.mktemp("prometheus"), pair.targets) as found:
        yield found
        assert load.answers.get(200, 0) > 0


def has_data(watched: Prometheus, expression: str) -> bool:
    return any(not math.isnan(value) for _, value in watched.query(expression))


def until_all_have_data(watched: Prometheus, expressions: dict[str, str]) -> None:
    left, end = dict(expressions), time.monotonic() + PATIENCE_S
    while left := {name: expression for name, expression in left.items() if not has_data(watched, expression)}:
        assert time.monotonic() < end, "\n".join(f"no data: {name}: {text}" for name, text in left.items())
        time.sleep(SCRAPE_S)  # asked more often, Prometheus would have nothing new to say


def test_all_targets_are_up_and_no_rule_breaks(watched: Prometheus) -> None:
    eventually(lambda: set(watched.targets().values()) == {"up"}, PATIENCE_S, lambda: str(watched.targets()))
    assert set(watched.targets()) == {"chat", "inference", "prometheus"}
    assert watched.broken_rules() == []


def test_every_recording_rule_returns_data_under_load(watched: Prometheus) -> None:
    of_a_container = {rule.name for rule in records() if any(part in rule.expression for part in OF_A_CONTAINER)}
    until_all_have_data(watched, {rule.name: rule.name for rule in records() if rule.name not in of_a_container})
    for name in of_a_container:
        watched.query(name)  # it can be asked


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_every_query_of_a_dashboard_returns_data_under_load(watched: Prometheus, dashboard: Dashboard) -> None:
    asked = {
        f"{title} ({number})": plain(query, "10s")
        for number, (title, query) in enumerate(dashboard.queries)
        if not any(part in query.written for part in OF_A_CONTAINER)
    }
    until_all_have_data(watched, asked)


def test_nothing_fires_while_all_is_well(watched: Prometheus) -> None:
    assert watched.firing() == set()


def test_a_store_that_goes_away_is_told_and_is_over_when_it_is_back(watched: Prometheus, pair: Pair) -> None:
    pair.store.stop(signal.SIGKILL)
    try:
        eventually(lambda: "ClaimsHeld" in watched.firing(), PATIENCE_S, lambda: str(watched.firing()))
    finally:
        pair.store.start()
    eventually(lambda: "ClaimsHeld" not in watched.firing(), PATIENCE_S, lambda: str(watched.firing()))


def test_a_service_that_hangs_is_told_and_is_over_when_it_goes_on(watched: Prometheus, pair: Pair) -> None:
    pair.chat.process.send_signal(signal.SIGSTOP)
    try:
        eventually(lambda: {"ChatDown", "TargetDown"} <= watched.firing(), PATIENCE_S, lambda: str(watched.firing()))
        assert "ForecastDown" not in watched.firing()
    finally:
        pair.chat.process.send_signal(signal.SIGCONT)
    eventually(lambda: not {"ChatDown", "TargetDown"} & watched.firing(), PATIENCE_S, lambda: str(watched.firing()))


def test_durations_of_rules_are_divided_and_other_numbers_stay() -> None:
    text = "expr: rate(a[5m]) > 0.5 and b[1h] == 30\nfor: 2m\nsummary: 15 minutes"
    assert quicker(text) == "expr: rate(a[10000ms]) > 0.5 and b[120000ms] == 30\nfor: 4000ms\nsummary: 15 minutes"
