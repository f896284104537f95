from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from inference_container.bundles.manifest import Manifest
from inference_container.bundles.writer import make_manifest
from inference_container.forecasting.plan import NetworkPlan
from tests.unit.inference_container.bundles.samples import sample_draft

IMPORTED = {"arrays_sha256": "1" * 64, "spec_sha256": "2" * 64, "cli": "bundle import", "versions": {"numpy": "2"}}


def _whole() -> dict[str, object]:
    manifest = make_manifest(sample_draft(), {"model.safetensors": b"w", "golden.json": b"g"})
    return manifest.model_dump(mode="json")


def _changed(path: str, value: object) -> dict[str, object]:
    manifest = _whole()
    *parents, name = path.split(".")
    part: dict[str, object] = manifest
    for parent in parents:
        step = part[parent]
        assert isinstance(step, dict)
        part = step
    if value is ...:
        del part[name]
    else:
        part[name] = value
    return manifest


def _faults(manifest: Mapping[str, object]) -> str:
    with pytest.raises(ValidationError) as caught:
        Manifest.model_validate(manifest)
    return str(caught.value)


def test_a_manifest_survives_the_file() -> None:
    manifest = Manifest.model_validate(_whole())
    assert Manifest.model_validate_json(manifest.encode()) == manifest


def test_an_imported_model_has_no_scores_and_says_what_it_was_made_of() -> None:
    manifest = _changed("training", ...) | {"imported": IMPORTED}
    assert "metrics must be there when training is" in _faults(manifest)
    del manifest["metrics"]
    imported = Manifest.model_validate(manifest)
    assert imported.imported is not None
    assert imported.imported.arrays_sha256 == "1" * 64
    assert Manifest.model_validate_json(imported.encode()) == imported
    assert b"training" not in imported.encode()


def test_quantiles_are_the_one_file_more_that_a_bundle_may_have() -> None:
    contents = {"model.safetensors": b"w", "golden.json": b"g"}
    with_quantiles = make_manifest(sample_draft(), contents | {"quantiles.json": b"q"})
    assert with_quantiles.bundle_id != make_manifest(sample_draft(), contents).bundle_id
    with pytest.raises(ValidationError, match="files must be exactly"):
        make_manifest(sample_draft(), contents | {"notes.txt": b"n"})


@pytest.mark.parametrize("path", ["surprise", "input.surprise", "model.hyper.surprise", "output.surprise", "scaler.x"])
def test_an_unknown_key_is_refused_by_name(path: str) -> None:
    faults = _faults(_changed(path, 1))
    assert path.split(".")[-1] in faults


@pytest.mark.parametrize(
    "path",
    [
        "format",
        "bundle_id",
        "created_at",
        "model.arch",
        "model.hyper.ridge",
        "input.freq_seconds",
        "input.gap_policy",
        "output.max_steps",
        "scaler.columns",
        "training.seed",
        "metrics.n_windows",
    ],
)
def test_a_missing_key_is_refused_by_name(path: str) -> None:
    assert path.split(".")[-1] in _faults(_changed(path, ...))


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("input.columns", ["load", "load", "heat"], "repeats a name"),
        ("output.targets", ["cold"], "output.targets must be input.columns"),
        ("input.time_column", ["load"], "name of the time column"),
        ("input.calendar", ["day_of_week", "day_of_week"], "input.calendar repeats"),
        ("scaler.columns", {"load": {"center": 0, "scale": 1}}, "scaler.columns must be exactly"),
        ("output.max_steps", 9, "output.max_steps must equal"),
        ("output.recursive", True, "output.held must name exactly the inputs that are no targets"),
        ("metrics.targets", {}, "metrics.targets must be exactly"),
        ("files", {}, "files must be exactly"),
        ("training", ..., "exactly one of training and imported"),
        ("imported", IMPORTED, "exactly one of training and imported"),
        ("metrics", ..., "metrics must be there when training is"),
        ("created_at", "2025-05-01T00:00:00", "needs a time zone"),
    ],
)
def test_parts_that_contradict_each_other_are_refused_with_a_sentence(path: str, value: object, sentence: str) -> None:
    assert sentence in _faults(_changed(path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("format", "bundle/2"),
        ("bundle_id", "xyz"),
        ("name", "../elsewhere"),
        ("model.arch", "transformer"),
        ("input.freq_seconds", 0),
        ("input.calendar", ["moon_phase"]),
        ("scaler.columns", {"load": {"center": 0, "scale": 0}, "heat": {"center": 0, "scale": 1}}),
        ("scaler.columns", {"load": {"center": float("nan"), "scale": 1}, "heat": {"center": 0, "scale": 1}}),
    ],
)
def test_values_out_of_bounds_are_refused(path: str, value: object) -> None:
    _faults(_changed(path, value))


def test_the_plan_follows_the_columns_order_and_not_that_of_the_scaler() -> None:
    manifest = Manifest.model_validate(
        _changed("scaler.columns", {"heat": {"center": 9, "scale": 2}, "load": {"center": 8, "scale": 3}})
    )
    plan = manifest.plan()
    assert plan.scaling.center == (8, 9)
    assert plan.scaling.scale == (3, 2)
    assert plan.network == NetworkPlan(
        "linear", input_len=6, features=4, horizon=3, targets=1, predicts="change", target_positions=(0,)
    )
