import hashlib
from datetime import timedelta

import orjson
import pytest

from inference_container.bundles.loader import load_bundle, open_inferencer
from inference_container.defaults import default_bundle_path, default_data_path
from inference_container.errors import TooFewRows
from inference_container.forecasting.inferencer import Inferencer
from inference_container.forecasting.messages import ForecastQuery, QueryOptions
from inference_container.forecasting.windows import MAX_GAP_STEPS
from inference_container.training.data import Table, grid_report, read_csv

_COLUMNS = ["temp", "dewp", "humid", "wind_speed"]


@pytest.fixture(scope="module")
def inferencer() -> Inferencer:
    opened = open_inferencer(load_bundle(default_bundle_path()))
    assert opened.golden_max_rel_err < 1e-4
    return opened.inferencer


@pytest.fixture(scope="module")
def table() -> Table:
    return read_csv(default_data_path(), "time", _COLUMNS)


def _query(table: Table, rows: int, steps: int = 1) -> ForecastQuery:
    data: dict[str, object] = {"ts": [f"{moment.isoformat()}Z" for moment in table.frame.times[:rows].tolist()]}
    for position, name in enumerate(_COLUMNS):
        data[name] = table.frame.values[:rows, position].tolist()
    return ForecastQuery("r", orjson.dumps({"data": data}), options=QueryOptions(steps))


def test_the_data_is_the_year_its_readme_describes(table: Table) -> None:
    report = grid_report(table.frame, _COLUMNS, 3600)
    assert (report.rows, report.missing_steps, report.longest_gap_steps) == (8706, 24, 5)
    assert report.nan == {"wind_speed": 3}
    assert report.longest_gap_steps < MAX_GAP_STEPS


def test_the_bundle_was_trained_on_the_file_beside_it() -> None:
    training = load_bundle(default_bundle_path()).manifest.training
    assert training is not None
    assert training.data_sha256 == hashlib.sha256(default_data_path().read_bytes()).hexdigest()


def test_it_beats_both_rules_without_a_model() -> None:
    scores = load_bundle(default_bundle_path()).manifest.metrics
    assert scores is not None
    metrics = scores.targets["temp"]
    assert metrics.rmse < metrics.persistence_rmse < metrics.seasonal_naive_rmse


def test_its_readme_tells_every_horizon_and_the_command_the_manifest_records() -> None:
    manifest = load_bundle(default_bundle_path()).manifest
    assert manifest.training is not None
    assert manifest.metrics is not None
    readme = (default_bundle_path() / "README.md").read_text()
    rows = [line for line in readme.splitlines() if line.startswith("| ") and line.split("|")[1].strip().isdigit()]
    assert [int(row.split("|")[1]) for row in rows] == list(range(1, 25))
    mean = sum(float(row.split("|")[3].split("/")[0]) for row in rows) / 24
    assert mean == pytest.approx(manifest.metrics.targets["temp"].rmse, abs=0.001)
    assert manifest.training.cli in " ".join(readme.replace("\\\n", "").split())


def test_five_rows_are_too_few_and_the_answer_says_how_many_it_takes(inferencer: Inferencer, table: Table) -> None:
    (reply,) = inferencer.answer([_query(table, 5)]).replies
    assert isinstance(reply, TooFewRows)
    assert reply.details == {"min_rows": 48, "rows": 5}


def test_a_day_ahead_starts_one_hour_after_the_last_row(inferencer: Inferencer, table: Table) -> None:
    (reply,) = inferencer.answer([_query(table, 60, steps=24)]).replies
    assert isinstance(reply, bytes)
    predictions = orjson.loads(reply)["predictions"]
    last = table.frame.times[59].item()
    assert [row["ts"] for row in predictions] == [(last + timedelta(hours=step)).isoformat() for step in range(1, 25)]
    assert all(-10 < row["temp"] < 80 for row in predictions)
