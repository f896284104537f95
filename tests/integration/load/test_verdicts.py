"""A short run on a real service passes, the same on a slow one fails, and a service that flatters is not believed."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.houses import ROOT
from scripts.load import LOCUSTFILE, forecast_settings
from tests.integration.load.flatterer import FIRST_TOKEN_S, KEY, REST_S, SLOW_ONES, SLOW_S, flatterer
from tests.integration.processes import running

pytestmark = pytest.mark.timeout(120)
TOKEN = "a-token"


@dataclass(frozen=True, slots=True)
class Ended:
    status: int
    said: str
    folder: Path

    @property
    def summary(self) -> str:
        return (self.folder / "summary.md").read_text()

    def row(self, name: str) -> list[str]:
        """Its cells: requests, failed, average, p50, p95, p99, most."""
        line = next(line for line in self.summary.splitlines() if line.startswith(f"| {name} |"))
        return [cell.strip() for cell in line.split("|")[2:-1]]

    @property
    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.folder / "requests.jsonl").read_text().splitlines()]


def load(tmp_path: Path, environ: Mapping[str, str], *arguments: str) -> Ended:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    command = [sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--headless", "--only-summary"]
    ended = subprocess.run(
        [*command, *arguments],
        cwd=ROOT,
        env={**kept, "LOAD_REPORT_DIR": str(tmp_path), "LOCUST_RUN_ID": "run", **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    return Ended(ended.returncode, ended.stdout, tmp_path / "run")


@pytest.mark.parametrize("planted", [False, True], ids=["as it ships", "with 300 ms of sleep planted"])
def test_the_same_run_passes_as_it_ships_and_fails_with_a_sleep_in_the_hot_path(tmp_path: Path, planted: bool) -> None:
    module = ("tests.load.planted",) if planted else ("inference_container", "serve")
    settings = forecast_settings(tmp_path, TOKEN)
    with running(module, "INFERENCE_API_PORT", tmp_path, settings) as service:
        ended = load(
            tmp_path,
            # Health is not what this is about, and a machine may be busy with other tests.
            {"TARGET_HOST": service.url, "ADMIN_TOKEN": TOKEN, "KAFKA_BURST": "1", "KAFKA_BURST_COUNT": "20"}
            | {"LOAD_PREDICT_P95_MS": "299", "LOAD_HEALTH_P99_MS": "2000"}
            | {"PREDICT_USER_WAIT_MIN": "0.1", "PREDICT_USER_WAIT_MAX": "0.2"},
            *("--users", "8", "--run-time", "3s"),
        )
        service.stop()
    assert ended.status == int(planted), ended.said
    assert (f"verdict: {'failed' if planted else 'passed'}") in ended.said
    assert ("broken: POST /predict: p95" in ended.said) == planted
    assert int(ended.row("POST /predict")[0]) > 10
    assert "20 claims before the users: worked in" in ended.summary
    assert TOKEN not in "".join(path.read_text() for path in ended.folder.iterdir())


def test_two_workers_on_a_service_that_flatters_are_not_deceived(tmp_path: Path) -> None:
    with flatterer() as service:
        ended = load(
            tmp_path,
            {"TARGET_HOST": service.url, "CHAT_URL": service.url, "API_KEY": KEY, "LOG_PREDICT_ALL": "1"}
            | {"PREDICT_USER_WAIT_MIN": "0.05", "PREDICT_USER_WAIT_MAX": "0.1", "DOWNLOAD_WARMUP_ATTEMPTS": "1"},
            *("--processes", "2", "--users", "7", "--run-time", "5s"),
        )
        keys = service.keys
    assert ended.status == 1, ended.said
    # Every forecast came from a cache: that is a row of its own, and no forecast was made.
    assert "broken: POST /predict: not one request was made" in ended.said
    assert int(ended.row("POST /predict (cached)")[0]) > 20
    # A refusal has to say when to come back, in whole seconds.
    assert ended.row("GET download_processed (429)")[0] == ended.row("GET download_processed (429)")[1]
    assert "429 without a whole Retry-After: '0.1'" in (ended.folder / "locust_failures.csv").read_text()
    # The slow first requests are in no sum, and the summary has them beside it.
    with (ended.folder / "locust_stats.csv").open(newline="") as file:
        rows = {row["Name"]: row for row in csv.DictReader(file)}
    assert float(ended.row("warm-up GET /healthz")[4]) >= SLOW_S * 1000
    assert int(ended.row("warm-up GET /healthz")[0]) == SLOW_ONES
    assert float(rows["/healthz"]["Max Response Time"]) < SLOW_S * 1000
    counted = sum(int(row["Request Count"]) for name, row in rows.items() if name != "Aggregated")
    assert int(rows["Aggregated"]["Request Count"]) == counted
    # The first token is what somebody waits for: not the first byte, not the end.
    assert FIRST_TOKEN_S * 1000 <= float(ended.row("triage: first token")[3]) < (FIRST_TOKEN_S + REST_S) * 1000
    assert float(ended.row("POST /triage (stream)")[3]) >= (FIRST_TOKEN_S + REST_S) * 1000
    assert keys.keys() == {f"Bearer {KEY}"}
    assert KEY not in ended.summary
    # One file, three processes, whole lines.
    requests = [line for line in ended.lines if line["event"] == "request"]
    assert len(requests) >= counted
    assert len({line["pid"] for line in requests}) == 2
    assert {"session_start", "gate_passed", "verdict", "session_end"} <= {str(line["event"]) for line in ended.lines}


def test_a_service_without_a_model_ends_the_run_before_it_begins(tmp_path: Path) -> None:
    nowhere = {"TARGET_HOST": "http://127.0.0.1:9", "LOCUST_WAIT_FOR_MODEL_TIMEOUT": "1"}
    ended = load(tmp_path, nowhere)
    assert ended.status == 1
    assert "not begun: http://127.0.0.1:9/predict_ping told of no model within 1 s" in ended.said


def test_a_retired_name_ends_the_run_with_what_replaces_it(tmp_path: Path) -> None:
    ended = load(tmp_path, {"LOCUST_ENABLE_PREDICT_CACHE": "1"})
    assert ended.status == 2
    assert "LOCUST_ENABLE_PREDICT_CACHE: The service's ENABLE_PREDICT_CACHE decides" in ended.said
