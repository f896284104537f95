"""What a dashboard is made of, and its JSON: rows of panels on Grafana's grid of 24 columns, one query or more in each.

A query says `S` where the chosen jobs and instances belong. Grafana's own layout is too long to be kept by hand: a
panel that moves would move the coordinates of all below it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

_COLUMNS = 24
#: What `S` in a query stands for.
SELECTED = 'job=~"$job",instance=~"$instance"'
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
#: Of Grafana 10: later ones migrate it when they load it.
_SCHEMA_VERSION = 38


@dataclass(frozen=True, slots=True)
class Query:
    written: str
    legend: str = "{{instance}}"

    @property
    def expression(self) -> str:
        return self.written.replace("{S}", f"{{{SELECTED}}}").replace("{S,", f"{{{SELECTED},")


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    queries: Sequence[Query]
    unit: str = "short"  #: in Grafana's words: s, bytes, reqps, percentunit …
    description: str = ""
    kind: Literal["timeseries", "stat"] = "timeseries"
    stacked: bool = False
    #: Red from there on; a stat is coloured, a graph gets a line.
    red_from: float | None = None
    #: A stat's words for its values.
    words: Mapping[str, str] | None = None

    @property
    def width(self) -> int:
        return 4 if self.kind == "stat" else 8

    @property
    def height(self) -> int:
        return 4 if self.kind == "stat" else 8


@dataclass(frozen=True, slots=True)
class Row:
    title: str  #: a question that whoever looks has at that moment
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Dashboard:
    uid: str
    title: str
    description: str
    anchor: str  #: a metric that each replica has: whose jobs and instances can be chosen
    rows: Sequence[Row]

    @property
    def queries(self) -> Iterator[tuple[str, Query]]:
        """With the title of their panel."""
        return ((panel.title, query) for row in self.rows for panel in row.panels for query in panel.queries)


def grafana_json(dashboard: Dashboard) -> dict[str, Any]:
    """Raises ValueError for two panels of one title: people speak of panels by their titles."""
    titles = [panel.title for row in dashboard.rows for panel in row.panels]
    if twice := {title for title in titles if titles.count(title) > 1}:
        raise ValueError(f"{dashboard.uid}: {sorted(twice)}")
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["sluice"],
        "schemaVersion": _SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "title": "Sluice", "tags": ["sluice"], "keepTime": True}],
        "templating": {"list": _variables(dashboard.anchor)},
        "panels": [{"id": number, **panel} for number, panel in enumerate(_laid_out(dashboard.rows), start=1)],
    }


def _laid_out(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    y = 0
    for row in rows:
        yield {"type": "row", "title": row.title, "collapsed": False, "panels": [], "gridPos": _place(0, y, 24, 1)}
        x, y, tallest = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > _COLUMNS or panel.height != (tallest or panel.height):
                x, y, tallest = 0, y + tallest, 0
            yield {**_panel(panel), "gridPos": _place(x, y, panel.width, panel.height)}
            x, tallest = x + panel.width, panel.height
        y += tallest


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.red_from is not None:
        steps.append({"color": "red", "value": panel.red_from})
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.words is not None:
        said = {value: {"text": word} for value, word in panel.words.items()}
        defaults["mappings"] = [{"type": "value", "options": said}]
    if panel.kind == "timeseries":
        custom: dict[str, Any] = {"fillOpacity": 10, "showPoints": "never", "stacking": {"mode": "none"}}
        if panel.stacked:
            custom |= {"fillOpacity": 40, "stacking": {"mode": "normal", "group": "A"}}
        if panel.red_from is not None:
            custom["thresholdsStyle"] = {"mode": "line"}
        defaults |= {"min": 0, "custom": custom}
        options: dict[str, Any] = {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi"},
        }
    else:
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "textMode": "auto"}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "targets": [_target(reference, query) for reference, query in zip("ABCDEFGH", panel.queries, strict=False)],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
    }


def _target(reference: str, query: Query) -> dict[str, Any]:
    return {"refId": reference, "datasource": _SOURCE, "expr": query.expression, "legendFormat": query.legend}


def _variables(anchor: str) -> list[dict[str, Any]]:
    def chosen(name: str, query: str) -> dict[str, Any]:
        return {
            "type": "query",
            "name": name,
            "label": name,
            "datasource": _SOURCE,
            "query": {"query": query, "refId": name},
            "definition": query,
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".+",
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        }

    return [
        {"type": "datasource", "name": "datasource", "label": "source", "query": "prometheus", "hide": 0},
        chosen("job", f"label_values({anchor}, job)"),
        chosen("instance", f'label_values({anchor}{{job=~"$job"}}, instance)'),
    ]
