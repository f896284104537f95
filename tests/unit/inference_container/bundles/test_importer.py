import dataclasses
import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from typer.testing import CliRunner

from inference_container.bundles.importer import import_bundle
from inference_container.bundles.loader import load_bundle
from inference_container.bundles.manifest_plan import make_plan
from inference_container.bundles.reference import ReferenceBackend
from inference_container.commands.app import app
from inference_container.errors import BundleRefused, ImportRefused, InvalidSeries
from inference_container.forecasting.backends.choice import open_backend
from inference_container.forecasting.plan import Predicts
from inference_container.training.demo_data import write_demo_data
from tests.unit.inference_container.bundles.foreign import Arrays, foreign_arrays, foreign_spec, write_foreign


class _Bomb:
    """Would leave a mark if anything unpickled it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def _refusal(folder: Path, spec: dict[str, Any], arrays: Arrays | bytes) -> str:
    with pytest.raises(ImportRefused) as caught:
        import_bundle(write_foreign(folder, spec, arrays))
    assert not (folder / "bundle").exists()
    return caught.value.message


def test_an_import_leaves_a_bundle_that_passes_its_own_check_and_says_where_it_comes_from(tmp_path: Path) -> None:
    order = write_foreign(tmp_path, foreign_spec(), foreign_arrays(foreign_spec()), nan_policy="ffill")
    manifest = import_bundle(order)
    assert load_bundle(tmp_path / "bundle").manifest == manifest
    assert (manifest.name, manifest.model.predicts, manifest.input.nan_policy) == ("bundle", "level", "ffill")
    assert manifest.imported is not None
    assert len(manifest.imported.spec_sha256) == 64
    assert (manifest.training, manifest.metrics) == (None, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["arrays.npz", "bundle", "spec.json"]


def test_the_same_files_make_the_same_bundle_twice(tmp_path: Path) -> None:
    order = write_foreign(tmp_path, foreign_spec(), foreign_arrays(foreign_spec()))
    first = import_bundle(order)
    assert import_bundle(order) == first
    assert import_bundle(dataclasses.replace(order, out=tmp_path / "again")).bundle_id == first.bundle_id


@pytest.mark.parametrize("prefix", ["rnn", "lstm"])
def test_the_recurrent_part_may_be_called_what_it_is(tmp_path: Path, prefix: str) -> None:
    spec = foreign_spec(arch="lstm")
    import_bundle(write_foreign(tmp_path, spec, foreign_arrays(spec, prefix=prefix)))
    assert set(load_bundle(tmp_path / "bundle").weights) == {
        "head.weight",
        "head.bias",
        *(f"rnn.{part}_{side}_l{layer}" for part in ("weight", "bias") for side in ("ih", "hh") for layer in (0, 1)),
    }


def test_missing_and_unknown_arrays_are_all_named(tmp_path: Path) -> None:
    arrays = foreign_arrays(foreign_spec())
    del arrays["fc.bias"], arrays["rnn.bias_hh_l1"]
    arrays["rnn.weight_ih_l0_reverse"] = arrays["conv.weight"] = np.zeros(3, np.float32)
    said = _refusal(tmp_path, foreign_spec(), arrays)
    for name in ("lack fc.bias, rnn.bias_hh_l1", "conv.weight, rnn.weight_ih_l0_reverse"):
        assert name in said


def test_arrays_of_another_architecture_are_refused_by_name(tmp_path: Path) -> None:
    gru, lstm = foreign_spec(), foreign_spec(arch="lstm")
    assert "lstm.weight_ih_l0" in _refusal(tmp_path / "a", gru, foreign_arrays(lstm, prefix="lstm"))
    assert "weight_ih_l0 has the shape (20, 7)" in _refusal(tmp_path / "b", gru, foreign_arrays(lstm))


def test_a_wrong_shape_is_told_with_the_right_one(tmp_path: Path) -> None:
    arrays = foreign_arrays(foreign_spec())
    arrays["fc.weight"] = arrays["fc.weight"].T.copy()
    assert _refusal(tmp_path, foreign_spec(), arrays) == (
        "Array fc.weight has the shape (5, 3); the specification makes it (3, 5)."
    )


def test_a_forgotten_calendar_shows_as_a_shape(tmp_path: Path) -> None:
    said = _refusal(tmp_path, foreign_spec(calendar=[]), foreign_arrays(foreign_spec()))
    assert "rnn.weight_ih_l0 has the shape (15, 7); the specification makes it (15, 3)" in said


@pytest.mark.parametrize("kind", ["float64", ">f4", ">f8"])
def test_floats_of_another_width_or_byte_order_are_converted(tmp_path: Path, kind: str) -> None:
    arrays = foreign_arrays(foreign_spec())
    import_bundle(write_foreign(tmp_path, foreign_spec(), {n: a.astype(kind) for n, a in arrays.items()}))
    weights = load_bundle(tmp_path / "bundle").weights
    np.testing.assert_array_equal(weights["head.weight"], arrays["fc.weight"])


@pytest.mark.parametrize("kind", ["float16", "int32", "complex64", "bool", "U4"])
def test_other_types_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    arrays = foreign_arrays(foreign_spec())
    arrays["fc.bias"] = arrays["fc.bias"].astype(kind)
    assert "Array fc.bias is of type" in _refusal(tmp_path, foreign_spec(), arrays)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_a_value_that_float32_can_not_hold_is_refused_by_name(tmp_path: Path, value: float) -> None:
    arrays = foreign_arrays(foreign_spec())
    arrays["rnn.bias_ih_l1"] = arrays["rnn.bias_ih_l1"].astype(np.float64)
    arrays["rnn.bias_ih_l1"][2] = value
    assert "rnn.bias_ih_l1 holds values that are not finite" in _refusal(tmp_path, foreign_spec(), arrays)


def test_nothing_in_the_arrays_is_ever_unpickled(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    _refusal(tmp_path / "a", foreign_spec(), pickle.dumps(_Bomb(mark)))
    arrays = foreign_arrays(foreign_spec())
    arrays["fc.bias"] = np.array([_Bomb(mark)] * 3, dtype=object)
    _refusal(tmp_path / "b", foreign_spec(), arrays)
    assert not mark.exists()


def _stored(name: str, content: bytes) -> bytes:
    arrays = foreign_arrays(foreign_spec())
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for each, array in arrays.items():
            with archive.open(f"{each}.npy", "w") as stream:
                np.lib.format.write_array(stream, array)
        archive.writestr(name, content)
    return whole.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a zip file",
        b"\x93NUMPY\x01\x00",
        _stored("fc.extra.npy", b"")[:-30],
        _stored("readme.txt", b"hello"),
        _stored("fc.bias", b"twice"),
    ],
    ids=["nothing", "text", "npy", "cut short", "another file", "a name twice"],
)
def test_a_file_that_is_no_npz_of_these_arrays_is_refused(tmp_path: Path, content: bytes) -> None:
    _refusal(tmp_path, foreign_spec(), content)


@pytest.mark.parametrize("junk", [b"", b"\x93NUMPY\x01\x00\xff\xff{'descr'", b"\x93NUMPY\x09\x00", b"junk" * 9])
def test_an_array_whose_header_is_junk_is_refused(tmp_path: Path, junk: bytes) -> None:
    arrays = foreign_arrays(foreign_spec())
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as stream:
                if name == "fc.bias":
                    stream.write(junk)
                else:
                    np.lib.format.write_array(stream, array)
    _refusal(tmp_path, foreign_spec(), whole.getvalue())


@pytest.mark.parametrize("arch", ["gru", "lstm"])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("predicts", ["level", "change"])
def test_the_equations_written_here_agree_with_torch(
    tmp_path: Path, arch: str, layers: int, predicts: Predicts
) -> None:
    spec = foreign_spec(arch=arch, num_layers=layers, target_columns=["users", "up"])
    import_bundle(write_foreign(tmp_path, spec, foreign_arrays(spec, seed=layers)))
    bundle = load_bundle(tmp_path / "bundle")
    network = dataclasses.replace(bundle.manifest.plan().network, predicts=predicts)
    rows = np.random.default_rng(1).normal(size=(7, 6, 7)).astype(np.float32)
    found = ReferenceBackend(network, bundle.weights).forward(rows)
    assert found.dtype == np.float32
    expected = open_backend(network, bundle.weights, "torch").forward(rows)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_made_up_golden_windows_stay_within_what_the_scaler_saw(tmp_path: Path) -> None:
    manifest = import_bundle(write_foreign(tmp_path, foreign_spec(), foreign_arrays(foreign_spec())))
    plan = make_plan("", manifest.model, manifest.input, manifest.output, manifest.scaler)
    golden = load_bundle(tmp_path / "bundle").golden
    assert len(golden.windows) == 4
    values = np.array([[window.data[name] for name in plan.input.columns] for window in golden.windows], dtype=float)
    scaled = (values.transpose(0, 2, 1) - np.array(plan.scaling.center)) / np.array(plan.scaling.scale)
    assert 0.0 <= scaled.min() < 0.2
    assert 0.8 < scaled.max() <= 1.0
    assert len({window.data["ts"][0] for window in golden.windows}) == 4


def test_golden_windows_are_cut_from_a_file_when_there_is_one(tmp_path: Path) -> None:
    write_demo_data(tmp_path / "rows.csv", days=2, freq_seconds=3600, seed=1)
    order = write_foreign(tmp_path, foreign_spec(), foreign_arrays(foreign_spec()), golden=tmp_path / "rows.csv")
    import_bundle(order)
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    last = dict(zip(lines[0].split(","), lines[-1].split(","), strict=True))
    window = load_bundle(tmp_path / "bundle").golden.windows[0].data
    assert [window[name][-1] for name in ("up", "down", "users")] == [float(last[n]) for n in ("up", "down", "users")]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"when,up,down,users\n2025-01-01,1,2,3\n", ImportRefused),
        (b"time,up,down\n2025-01-01,1,2\n", InvalidSeries),
        (b"time,up,down,users\n2025-01-01,1,2,3\n", InvalidSeries),
        (b"time,up,down,users\n2025-01-01,\xff,2,3\n", ImportRefused),
        (b"", ImportRefused),
    ],
)
def test_a_file_without_golden_windows_is_refused_before_anything_is_written(
    tmp_path: Path, content: bytes, error: type[Exception]
) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    order = write_foreign(tmp_path, foreign_spec(), foreign_arrays(foreign_spec()), golden=tmp_path / "rows.csv")
    with pytest.raises(error):
        import_bundle(order)
    assert not order.out.exists()


def test_the_name_of_the_directory_becomes_a_name_that_a_bundle_may_have(tmp_path: Path) -> None:
    order = write_foreign(tmp_path, foreign_spec(), foreign_arrays(foreign_spec()))
    assert import_bundle(dataclasses.replace(order, out=tmp_path / "_My Model (2)")).name == "my-model-2-"
    assert import_bundle(dataclasses.replace(order, name="other")).name == "other"
    with pytest.raises(ImportRefused, match="--name"):
        import_bundle(dataclasses.replace(order, name="../up"))
    with pytest.raises(ImportRefused, match="--name"):
        import_bundle(dataclasses.replace(order, out=tmp_path / "模型"))


def test_a_directory_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    order = write_foreign(tmp_path, foreign_spec(), foreign_arrays(foreign_spec()))
    with pytest.raises(BundleRefused, match="not a bundle"):
        import_bundle(dataclasses.replace(order, out=tmp_path))
    assert (tmp_path / "arrays.npz").exists()
    order.out.mkdir()
    import_bundle(order)
    import_bundle(order)


def test_targets_that_are_no_inputs_and_an_empty_calendar_make_a_bundle(tmp_path: Path) -> None:
    spec = foreign_spec(input_columns=["up", "users"], target_columns=["down"], calendar=[], arch="lstm")
    manifest = import_bundle(write_foreign(tmp_path, spec, foreign_arrays(spec)))
    assert (manifest.output.recursive, manifest.output.max_steps) == (False, 3)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e9])
def test_a_network_without_a_scaler_may_answer_numbers_of_any_size(tmp_path: Path, size: float) -> None:
    # float32 rounds 1e9 to multiples of 64: an error allowed in units of the scale alone would refuse every network.
    spec = foreign_spec(scaler={"kind": "none"})
    arrays = foreign_arrays(spec)
    for name in ("fc.weight", "fc.bias"):
        arrays[name] *= np.float32(size)
    import_bundle(write_foreign(tmp_path, spec, arrays))
    expected = [step for window in load_bundle(tmp_path / "bundle").golden.windows for step in window.expected["down"]]
    assert 0.01 * size < max(abs(step) for step in expected) < 10 * size


def test_the_commands_import_verify_and_show_work_one_after_the_other(tmp_path: Path) -> None:
    write_foreign(tmp_path, foreign_spec(), foreign_arrays(foreign_spec()))
    out = str(tmp_path / "bundle")

    def run(*arguments: str, status: int = 0) -> str:
        result = CliRunner().invoke(app, ["bundle", *arguments])
        assert result.exit_code == status, result.output
        return result.output

    files = [str(tmp_path / "arrays.npz"), str(tmp_path / "spec.json")]
    told = run("import", *files, "--out", out, "--max-steps", "48")
    assert "48 at most" in told
    assert "keep their last value beyond step 3: up, users" in told
    assert "4 golden windows" in run("verify", out)
    assert orjson.loads(run("show", out))["output"]["max_steps"] == 48
    (tmp_path / "spec.json").write_text(json.dumps(foreign_spec(epochs=3)))
    assert "import_refused" in run("import", *files, "--out", out, status=2)
    assert "absent.npz" in run("import", "absent.npz", files[1], "--out", out, status=2)
    assert json.loads(run("schema"))["type"] == "object"
