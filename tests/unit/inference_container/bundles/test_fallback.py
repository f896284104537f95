"""The default bundle is a GRU: it is opened in processes of their own, because this one has imported torch long ago."""

import dataclasses
import hashlib
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from inference_container.bundles.loader import load_bundle, open_inferencer, seal_bundle
from inference_container.defaults import default_bundle_path
from inference_container.errors import BundleRefused, GoldenMismatch
from inference_container.forecasting.backends.graph import write_graph
from tests.unit.inference_container.bundles.samples import sample_bundle

_OPEN = """
import os, pickle, sys
from inference_container.bundles.opener import map_bundle, open_inferencer
opened = open_inferencer(map_bundle(pickle.load(sys.stdin.buffer)))
for size in (1, 32):
    opened.inferencer.warm_up(size)
import orjson
heavy = {"onnx", "onnxruntime", "torch", "pandas", "pyarrow", "numpy.random", "pydantic", "pydantic_core"}
held = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
sys.stdout.buffer.write(orjson.dumps({
    "backend": opened.inferencer.backend.name, "fallback": opened.fallback,
    "heavy": sorted(heavy & set(sys.modules)),
    "database": [path for path in held if "onnxruntime" in path], "threads": len(os.listdir("/proc/self/task")),
}))
"""


@dataclass(frozen=True, slots=True)
class Report:
    backend: str
    fallback: str | None
    heavy: list[str]
    database: list[str]
    threads: int


def _open_in_a_process(cache: Path, *hidden: str) -> Report:
    """`hidden` packages can not be imported there, nor in the processes that it starts."""
    blocked = cache / "blocked"
    blocked.mkdir(exist_ok=True)
    for name in hidden:
        (blocked / f"{name}.py").write_text(f"raise ModuleNotFoundError(\"No module named '{name}'\")")
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(blocked), "OPENBLAS_NUM_THREADS": "1"}
    environment.pop("ORT_DISABLE_TELEMETRY", None)  # ours may have set it for this process
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _OPEN],
        input=pickle.dumps(seal_bundle(default_bundle_path())),
        capture_output=True,
        check=False,
        timeout=50,
        env=environment,
    )
    assert done.returncode == 0, done.stderr.decode()
    return Report(**orjson.loads(done.stdout))


def _tamper(cache: Path) -> None:
    """Put the model of other weights into the cache, under a name with the right hash."""
    bundle = load_bundle(default_bundle_path())
    other = {name: tensor * 1.001 for name, tensor in bundle.weights.items()}
    content = write_graph(bundle.manifest.plan().network, other)
    (path,) = (cache / "sluice" / "onnx").iterdir()
    key = path.name.split("-")[0]
    path.unlink()
    (path.parent / f"{key}-{hashlib.sha256(content).hexdigest()}.onnx").write_bytes(content)


def test_neither_a_cold_nor_a_warm_start_imports_onnx_or_torch_or_what_validates(tmp_path: Path) -> None:
    cold = _open_in_a_process(tmp_path)
    assert (cold.backend, cold.fallback, cold.heavy) == ("onnxruntime", None, ["onnxruntime"])
    # Without the package that writes graphs the model can come from the cache alone.
    warm = _open_in_a_process(tmp_path, "onnx", "torch")
    assert (warm.backend, warm.fallback, warm.heavy) == ("onnxruntime", None, ["onnxruntime"])


def test_the_runtime_keeps_no_database_and_no_thread_to_report_with(tmp_path: Path) -> None:
    report = _open_in_a_process(tmp_path)
    assert (report.database, report.threads) == ([], 1)
    assert not (tmp_path / "Microsoft").exists()


@pytest.mark.parametrize("package", ["onnxruntime", "onnx"])
def test_without_a_package_torch_serves_and_the_reason_names_it(tmp_path: Path, package: str) -> None:
    report = _open_in_a_process(tmp_path, package)
    assert report.backend == "torch"
    assert report.fallback is not None
    assert report.fallback.startswith("onnxruntime: ")
    assert f"No module named '{package}'" in report.fallback


def test_a_model_that_forecasts_something_else_is_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    bundle = load_bundle(default_bundle_path())
    assert open_inferencer(bundle).fallback is None
    _tamper(tmp_path)
    opened = open_inferencer(bundle)
    assert opened.inferencer.backend.name == "torch"
    assert opened.golden_max_rel_err < 1e-4
    assert opened.fallback is not None
    assert "Golden window" in opened.fallback
    with pytest.raises(GoldenMismatch):
        open_inferencer(bundle, backend="onnxruntime")


def test_a_linear_bundle_stays_on_numpy_whatever_its_golden_error(tmp_path: Path) -> None:
    bundle = load_bundle(sample_bundle(tmp_path))
    first, *others = bundle.golden.windows
    off = dataclasses.replace(first, expected={"load": [value + 1e-4 for value in first.expected["load"]]})
    golden = dataclasses.replace(bundle.golden, windows=(off, *others))
    opened = open_inferencer(dataclasses.replace(bundle, golden=golden))
    assert opened.golden_max_rel_err > 1e-5
    assert (opened.inferencer.backend.name, opened.fallback) == ("numpy", None)


def test_a_runtime_that_fails_while_it_computes_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("illegal instruction in disguise")

    monkeypatch.setattr("inference_container.forecasting.backends.onnx.OnnxBackend.forward", fail)
    opened = open_inferencer(load_bundle(default_bundle_path()))
    assert (opened.inferencer.backend.name, opened.fallback) == ("torch", "onnxruntime: RuntimeError")


def test_where_nothing_can_serve_the_refusal_says_what_each_backend_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    for room in ("onnx", "torch"):
        monkeypatch.setitem(sys.modules, f"inference_container.forecasting.backends.{room}", None)
    with pytest.raises(BundleRefused) as caught:
        open_inferencer(load_bundle(default_bundle_path()))
    assert "Backend torch" in caught.value.message
    assert "Backend onnxruntime" in caught.value.message
