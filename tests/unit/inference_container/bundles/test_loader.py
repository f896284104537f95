import shutil
from pathlib import Path

import numpy as np
import orjson
import pytest
from safetensors.numpy import save

from inference_container.bundles.loader import load_bundle, map_bundle, open_inferencer, seal_bundle
from inference_container.errors import BundleRefused, GoldenMismatch
from inference_container.forecasting.messages import ForecastQuery
from serving.errors import SluiceError
from tests.unit.inference_container.bundles.samples import edit_manifest, golden_data, reseal, sample_bundle

_WEIGHTS, _GOLDEN, _MANIFEST = "model.safetensors", "golden.json", "manifest.json"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return sample_bundle(tmp_path)


def test_a_bundle_answers_queries_under_the_identifier_of_the_deployment(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    opened = open_inferencer(loaded, "site-7")
    assert opened.golden_max_rel_err < 1e-6
    (reply,) = opened.inferencer.answer([ForecastQuery("r1", orjson.dumps({"data": golden_data(3)}))]).replies
    assert isinstance(reply, bytes)
    answer = orjson.loads(reply)
    assert (answer["identifier"], answer["run_id"]) == ("site-7", loaded.manifest.bundle_id)


def test_torch_gives_the_recorded_answers_too(bundle: Path) -> None:
    opened = open_inferencer(load_bundle(bundle), backend="torch")
    assert opened.inferencer.backend.name == "torch"
    assert 0 <= opened.golden_max_rel_err < 1e-5


@pytest.mark.parametrize("name", [_WEIGHTS, _GOLDEN])
@pytest.mark.parametrize("position", [0, -1, 40])
def test_one_flipped_bit_in_any_file_refuses_the_bundle(bundle: Path, name: str, position: int) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[position] ^= 1
    (bundle / name).write_bytes(bytes(content))
    with pytest.raises(BundleRefused, match="sha256"):
        load_bundle(bundle)


def test_a_file_of_another_size_is_named(bundle: Path) -> None:
    with (bundle / _WEIGHTS).open("ab") as file:
        file.write(b"!")
    with pytest.raises(BundleRefused, match=r"model\.safetensors has \d+ bytes"):
        load_bundle(bundle)


@pytest.mark.parametrize("name", [_WEIGHTS, _GOLDEN, _MANIFEST])
def test_an_absent_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(BundleRefused, match=name):
        load_bundle(bundle)


def test_no_bundle_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match="no bundle directory"):
        load_bundle(str(tmp_path / "nothing"))


def test_an_identity_that_is_not_that_of_the_files_is_refused(bundle: Path) -> None:
    edit_manifest(bundle, lambda manifest: manifest.update(bundle_id="a" * 64))
    with pytest.raises(BundleRefused, match="bundle_id"):
        load_bundle(bundle)


def test_an_unknown_manifest_key_is_named_in_the_refusal(bundle: Path) -> None:
    edit_manifest(bundle, lambda manifest: manifest.update(quantiles=[0.1]))
    with pytest.raises(BundleRefused, match="quantiles"):
        load_bundle(bundle)


@pytest.mark.parametrize("content", [b"", b"[]", b"\x80\x04K\x01."])
def test_a_manifest_that_is_no_manifest_is_refused(bundle: Path, content: bytes) -> None:
    (bundle / _MANIFEST).write_bytes(content)
    with pytest.raises(BundleRefused):
        load_bundle(bundle)


def test_files_beside_the_bundle_are_left_alone(bundle: Path) -> None:
    (bundle / "README.md").write_text("where this comes from")
    load_bundle(bundle)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04K\x01.",
        save({"weight": np.full((3, 24), np.nan, dtype=np.float32), "bias": np.zeros(3, dtype=np.float32)}),
        save({"weight": np.zeros((3, 24)), "bias": np.zeros(3)}),
        save({"weight": np.zeros((3, 23), dtype=np.float32), "bias": np.zeros(3, dtype=np.float32)}),
        save({"weight": np.zeros((3, 24), dtype=np.float32)}),
    ],
    ids=["a pickle", "not finite", "float64", "another shape", "a tensor short"],
)
def test_weights_that_are_not_those_of_the_architecture_are_refused(bundle: Path, content: bytes) -> None:
    (bundle / _WEIGHTS).write_bytes(content)
    reseal(bundle)
    with pytest.raises(BundleRefused):
        open_inferencer(load_bundle(bundle))


def test_other_weights_with_matching_hashes_fail_the_golden_check(bundle: Path) -> None:
    other = {"weight": np.full((3, 24), 0.01, dtype=np.float32), "bias": np.zeros(3, dtype=np.float32)}
    (bundle / _WEIGHTS).write_bytes(save(other))
    reseal(bundle)
    with pytest.raises(GoldenMismatch):
        open_inferencer(load_bundle(bundle))


def test_a_changed_scaler_or_column_order_fails_the_golden_check(bundle: Path) -> None:
    scaled, swapped = bundle, bundle.with_name("swapped")
    shutil.copytree(bundle, swapped)
    edit_manifest(scaled, lambda manifest: manifest["scaler"]["columns"]["heat"].update(scale=2.1))  # type: ignore[index]  # plain JSON
    edit_manifest(swapped, lambda manifest: manifest["input"].update(columns=["heat", "load"]))  # type: ignore[attr-defined]  # plain JSON
    for damaged in (scaled, swapped):
        with pytest.raises(GoldenMismatch) as caught:
            open_inferencer(load_bundle(damaged))
        assert isinstance(caught.value, SluiceError)


def test_mapped_weights_are_those_of_the_file_and_lie_in_memory_that_processes_share(bundle: Path) -> None:
    read, mapped = load_bundle(bundle), map_bundle(seal_bundle(bundle))
    for name, tensor in read.weights.items():
        np.testing.assert_array_equal(mapped.weights[name], tensor)
    mappings = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(_WEIGHTS)]
    assert len(mappings) == 1
    opened = open_inferencer(mapped)
    assert opened.golden_max_rel_err == open_inferencer(read).golden_max_rel_err


def test_what_is_written_to_mapped_weights_never_reaches_the_file(bundle: Path) -> None:
    before = (bundle / _WEIGHTS).read_bytes()
    for tensor in map_bundle(seal_bundle(bundle)).weights.values():
        tensor[...] = 0.0
    assert (bundle / _WEIGHTS).read_bytes() == before


def test_read_weights_survive_a_file_that_is_cut_short_afterwards(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    (bundle / _WEIGHTS).write_bytes(b"")
    assert open_inferencer(loaded).golden_max_rel_err < 1e-6
