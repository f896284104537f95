"""Writes the dashboards' JSON. `make docs` runs it."""

import json
from pathlib import Path

from scripts.dashboards.chat import CHAT
from scripts.dashboards.claims import CLAIMS
from scripts.dashboards.forecast import FORECAST
from scripts.dashboards.panels import Dashboard, grafana_json

FOLDER = Path(__file__).parents[2] / "infra" / "observability" / "grafana" / "dashboards"
DASHBOARDS = (CHAT, FORECAST, CLAIMS)


def written(dashboard: Dashboard) -> str:
    return json.dumps(grafana_json(dashboard), indent=1, ensure_ascii=False) + "\n"


def file_of(dashboard: Dashboard) -> Path:
    return FOLDER / f"{dashboard.uid.removeprefix('sluice-')}.json"


if __name__ == "__main__":
    for each in DASHBOARDS:
        file_of(each).write_text(written(each))
