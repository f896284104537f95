"""The names that queries may use: every metric of both services as it is exported, and what the rules record."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from inference_container.settings import InferenceSettings
from inference_container.wiring import Runtime as InferenceRuntime
from service_chat.settings import ChatSettings
from service_chat.wiring import Runtime as ChatRuntime
from serving.described import Described
from tests.observability.promql import names
from tests.observability.rules import records

PINNED = Path(__file__).parents[1] / "contract" / "pinned"
#: What Prometheus itself adds.
_TARGET = frozenset({"job", "instance"})


@dataclass(frozen=True, slots=True)
class Labels:
    names: frozenset[str]
    values: Mapping[str, frozenset[str]] = field(default_factory=dict)  #: of those that have a list of them


@cache
def known_metrics() -> Mapping[str, Labels]:
    """By the names that a query uses: a histogram has three."""
    known = {"up": Labels(_TARGET), "ALERTS": Labels(_TARGET | {"alertname", "alertstate"})}
    for described in _described():
        own = frozenset(label.name for label in described.labels)
        values = {label.name: frozenset(label.values) for label in described.labels if label.values}
        if described.kind == "histogram":
            known[f"{described.name}_bucket"] = Labels(own | _TARGET | {"le"}, values)
            known |= {f"{described.name}_{end}": Labels(own | _TARGET, values) for end in ("sum", "count")}
        else:
            known[described.name] = Labels(own | _TARGET, values)
    for rule in records():
        level = rule.name.split(":")[0]
        known[rule.name] = Labels(frozenset(part for part in _parts(level, names(rule.expression).labels)))
    return known


def misnamed(expression: str, known: Mapping[str, Labels]) -> set[str]:
    """Metrics, labels and values of labels in it that there are not."""
    found = names(expression)
    wrong = set(found.metrics - set(known))
    mine = [known[metric] for metric in found.metrics & set(known)]
    wrong |= found.labels - frozenset().union(*(labels.names for labels in mine)) if not wrong else set()
    for label, sign, text in re.findall(r'(\w+)\s*(=~|=|!=|!~)\s*"([^"]*)"', expression):
        listed = [labels.values[label] for labels in mine if label in labels.values]
        if listed and sign in ("=", "!="):
            wrong |= {text} - frozenset().union(*listed)
        elif listed and not any(re.fullmatch(text, value) for value in frozenset().union(*listed)):
            wrong.add(text)
    return wrong


def _parts(level: str, candidates: frozenset[str]) -> set[str]:
    """The labels that a level is made of: `job_endpoint` is two, `bundle_id` one."""
    left, found = f"_{level}_", set[str]()
    for label in sorted(candidates | _TARGET, key=len, reverse=True):
        if f"_{label}_" in left:
            left = left.replace(f"_{label}_", "_")
            found.add(label)
    assert left == "_", f"{level}: {left} is no label"
    return found


def _described() -> list[Described]:
    with TemporaryDirectory() as store:
        chat = ChatRuntime(ChatSettings(llm_mode="mock")).metrics
        forecast = InferenceRuntime(InferenceSettings(kafka_bootstrap_servers="memory", store_path=store)).metrics
    return [*chat.described, *forecast.described]
