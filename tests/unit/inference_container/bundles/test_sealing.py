import pickle
import shutil
from pathlib import Path

import pytest

from inference_container.bundles.loader import load_bundle, map_bundle, open_inferencer, seal_bundle
from inference_container.bundles.snapshot import drop_snapshot, seal_snapshot
from inference_container.errors import BundleRefused
from tests.unit.inference_container.bundles.samples import edit_manifest, sample_bundle

_FILES = ["golden.json", "manifest.json", "model.safetensors"]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return sample_bundle(tmp_path)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def test_what_was_sealed_is_what_the_loader_reads_and_crosses_to_a_process_whole(bundle: Path) -> None:
    sealed, loaded = seal_bundle(bundle), load_bundle(bundle)
    assert (sealed.plan, sealed.golden, sealed.name) == (loaded.plan, loaded.golden, loaded.manifest.name)
    assert pickle.loads(pickle.dumps(sealed)) == sealed


def test_the_card_describes_the_model_and_leaves_out_hashes_and_scales(bundle: Path) -> None:
    card = seal_bundle(bundle).card
    assert {"name", "bundle_id", "created_at", "model", "input", "output", "training", "metrics"} <= set(card)
    assert not {"files", "scaler", "format"} & set(card)


@pytest.mark.parametrize("name", _FILES)
def test_a_worker_needs_the_papers_no_more_once_they_are_sealed(bundle: Path, name: str) -> None:
    sealed = seal_bundle(bundle)
    (bundle / name).write_bytes(b"{}")
    if name == "model.safetensors":
        with pytest.raises(BundleRefused, match="bytes"):
            map_bundle(sealed)
    else:
        assert open_inferencer(map_bundle(sealed)).golden_max_rel_err < 1e-6


def test_weights_that_changed_since_they_were_sealed_are_refused(bundle: Path) -> None:
    sealed = seal_bundle(bundle)
    content = bytearray((bundle / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (bundle / "model.safetensors").write_bytes(content)
    for refuse in (lambda: map_bundle(sealed), lambda: seal_bundle(bundle)):
        with pytest.raises(BundleRefused, match=r"sha256 of model\.safetensors"):
            refuse()


def test_a_snapshot_holds_the_bundle_alone_and_survives_the_original(bundle: Path, scratch: Path) -> None:
    (bundle / "README.md").write_text("where this comes from")
    (bundle / "backtest.png").write_bytes(b"a picture")
    sealed = seal_snapshot(bundle)
    assert sorted(file.name for file in Path(sealed.folder).iterdir()) == _FILES
    shutil.rmtree(bundle)
    assert open_inferencer(map_bundle(sealed)).golden_max_rel_err < 1e-6
    drop_snapshot(sealed)
    assert list(scratch.iterdir()) == []


def test_a_snapshot_that_is_refused_leaves_nothing_behind(bundle: Path, scratch: Path) -> None:
    edit_manifest(bundle, lambda manifest: manifest.update(surprise=1))
    with pytest.raises(BundleRefused, match=r"manifest\.json of sample is not valid: surprise"):
        seal_snapshot(bundle)
    with pytest.raises(BundleRefused, match="no bundle directory named nothing"):
        seal_snapshot(bundle / "nothing")
    assert list(scratch.iterdir()) == []
