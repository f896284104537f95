"""A bundle of a small linear model, written in milliseconds, and ways to damage it."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import orjson

from inference_container.bundles.files import MANIFEST
from inference_container.bundles.golden import record_golden
from inference_container.bundles.loader import bundle_id_of
from inference_container.bundles.manifest_parts import (
    ColumnScale,
    FileEntry,
    Input,
    LinearHyper,
    LinearModel,
    Metrics,
    Output,
    ScalerEntry,
    Split,
    TargetMetrics,
    Training,
)
from inference_container.bundles.manifest_plan import make_plan
from inference_container.bundles.sealed import Cell, Golden
from inference_container.bundles.writer import Draft, write_bundle
from inference_container.forecasting.backends.linear import LinearBackend
from inference_container.forecasting.inferencer import Inferencer
from inference_container.forecasting.plan import ForecastPlan
from tests.unit.inference_container.forecasting.samples import sample_data, sample_weights

COLUMNS = ("load", "heat")


def sample_draft(name: str = "sample") -> Draft:
    return Draft(
        name=name,
        created_at=datetime(2025, 5, 1, tzinfo=UTC),
        model=LinearModel(kind="direct", predicts="change", arch="linear", hyper=LinearHyper(ridge=0.1)),
        input=Input(
            time_column=("ts", "time"),
            freq_seconds=3600,
            columns=COLUMNS,
            calendar=("minute_of_day",),
            input_len=6,
            nan_policy="ffill",
            gap_policy="resample",
        ),
        output=Output(targets=("load",), horizon=3, recursive=False, held=(), max_steps=3),
        scaler=ScalerEntry(
            kind="standard",
            columns={"load": ColumnScale(center=8.0, scale=3.0), "heat": ColumnScale(center=9.0, scale=2.0)},
        ),
        training=Training(
            data_sha256="0" * 64,
            rows=100,
            split=Split(train=70, validation=15, test=15),
            seed=1,
            cli="python -m inference_container train",
            versions={"numpy": "2"},
        ),
        metrics=Metrics(
            targets={"load": TargetMetrics(rmse=1.0, mae=1.0, persistence_rmse=2.0, seasonal_naive_rmse=3.0)},
            n_windows=12,
        ),
    )


def plan_of(draft: Draft) -> ForecastPlan:
    return make_plan("", draft.model, draft.input, draft.output, draft.scaler)


def golden_data(seed: int) -> dict[str, list[Cell]]:
    return orjson.loads(orjson.dumps(sample_data(8, COLUMNS, seed)))  # type: ignore[no-any-return]  # plain cells


def sample_golden(draft: Draft) -> Golden:
    plan = plan_of(draft)
    inferencer = Inferencer(plan, LinearBackend(plan.network, sample_weights(plan.network)))
    return record_golden(inferencer, [golden_data(1), golden_data(2)])


def sample_bundle(into: Path, name: str = "sample") -> Path:
    draft = sample_draft(name)
    return write_bundle(draft, sample_weights(plan_of(draft).network), sample_golden(draft), into)


def edit_manifest(bundle: Path, edit: Callable[[dict[str, object]], None]) -> None:
    """Change the manifest's JSON in place."""
    manifest = orjson.loads((bundle / MANIFEST).read_bytes())
    edit(manifest)
    (bundle / MANIFEST).write_bytes(orjson.dumps(manifest))


def reseal(bundle: Path) -> None:
    """Recompute hashes, sizes and identity, as someone would who edits a bundle and hides it."""
    manifest = orjson.loads((bundle / MANIFEST).read_bytes())
    entries = {}
    for name in manifest["files"]:
        content = (bundle / name).read_bytes()
        entries[name] = FileEntry(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    manifest["files"] = {name: entry.model_dump() for name, entry in entries.items()}
    manifest["bundle_id"] = bundle_id_of(entries)
    (bundle / MANIFEST).write_bytes(orjson.dumps(manifest))
