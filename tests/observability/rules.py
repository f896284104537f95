"""The rules and their tests, as they are written in `infra/observability/prometheus`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.observability.promtool import PROMETHEUS

RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    expression: str
    alert: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def rules() -> Iterator[Rule]:
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                yield Rule(
                    name=rule.get("alert") or rule["record"],
                    expression=rule["expr"],
                    alert="alert" in rule,
                    labels=rule.get("labels", {}),
                    annotations=rule.get("annotations", {}),
                )


def alerts() -> list[Rule]:
    return [rule for rule in rules() if rule.alert]


def records() -> list[Rule]:
    return [rule for rule in rules() if not rule.alert]


@dataclass(frozen=True, slots=True)
class Coverage:
    """The alerts that a file of promtool's tests covers."""

    fire: frozenset[str]
    do_not: frozenset[str]  #: in a group of their own, in which they never fire


def coverage(document: Mapping[str, Any]) -> Coverage:
    """What a file of tests asserts. A moment before an alert fires does not count as a case in which it does not."""
    fire, do_not = set[str](), set[str]()
    for group in document["tests"]:
        asserted = group.get("alert_rule_test", ())
        fires = {test["alertname"] for test in asserted if test.get("exp_alerts")}
        fire |= fires
        do_not |= {test["alertname"] for test in asserted} - fires
    return Coverage(frozenset(fire), frozenset(do_not))
