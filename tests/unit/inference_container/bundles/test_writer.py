from pathlib import Path

import numpy as np
import pytest

from inference_container.bundles.loader import load_bundle
from inference_container.bundles.writer import write_bundle, write_bundle_at
from inference_container.errors import BundleRefused, GoldenMismatch
from tests.unit.inference_container.bundles.samples import (
    plan_of,
    sample_bundle,
    sample_draft,
    sample_golden,
)
from tests.unit.inference_container.forecasting.samples import sample_weights


def test_the_same_model_has_the_same_identity_wherever_it_is_written(tmp_path: Path) -> None:
    first, second = sample_bundle(tmp_path / "a"), sample_bundle(tmp_path / "b", name="other")
    assert load_bundle(first).manifest.bundle_id == load_bundle(second).manifest.bundle_id


def test_a_bundle_that_fails_its_own_check_replaces_nothing(tmp_path: Path) -> None:
    bundle = sample_bundle(tmp_path)
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    draft = sample_draft()
    broken = {name: tensor + np.float32(1) for name, tensor in sample_weights(plan_of(draft).network).items()}
    with pytest.raises(GoldenMismatch):
        write_bundle(draft, broken, sample_golden(draft), tmp_path)
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["sample"]


def test_a_new_run_keeps_the_readme_and_leaves_nothing_else_behind(tmp_path: Path) -> None:
    bundle = sample_bundle(tmp_path)
    (bundle / "README.md").write_text("written by a person")
    (bundle / "stale.bin").write_bytes(b"x")
    sample_bundle(tmp_path)
    assert sorted(path.name for path in bundle.iterdir()) == [
        "README.md",
        "golden.json",
        "manifest.json",
        "model.safetensors",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["sample"]


def test_a_directory_that_is_no_bundle_is_never_replaced(tmp_path: Path) -> None:
    precious = tmp_path / "sample"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleRefused, match="not a bundle"):
        sample_bundle(tmp_path)
    assert (precious / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("content", [b'{"name": "a web page"}', b"[]", b"not JSON"])
def test_somebody_elses_manifest_does_not_make_a_directory_a_bundle(tmp_path: Path, content: bytes) -> None:
    page = tmp_path / "sample"
    page.mkdir()
    (page / "manifest.json").write_bytes(content)
    with pytest.raises(BundleRefused, match="not a bundle"):
        sample_bundle(tmp_path)
    assert (page / "manifest.json").read_bytes() == content


def test_a_bundle_may_be_written_into_an_empty_directory_of_any_name(tmp_path: Path) -> None:
    draft = sample_draft()
    weights = sample_weights(plan_of(draft).network)
    (tmp_path / "Here").mkdir()
    for _ in range(2):
        path = write_bundle_at(draft, weights, sample_golden(draft), tmp_path / "Here")
        assert load_bundle(path).manifest.name == "sample"
    assert [path.name for path in tmp_path.iterdir()] == ["Here"]
