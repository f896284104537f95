"""The forecasts served are those that the files mean: compared with a second computation that shares no code with ours.

Relative 1e-4 in raw units, on 200 windows of each kind of network; and as much in the units of the network, where no
large offset can hide an error.
"""

import csv
import dataclasses
import json
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from inference_container.bundles.golden import record_golden
from inference_container.bundles.golden_windows import made_up_windows
from inference_container.bundles.importer import import_bundle
from inference_container.bundles.loader import load_bundle, open_inferencer
from inference_container.bundles.manifest_parts import (
    ColumnScale,
    Imported,
    Input,
    LinearHyper,
    LinearModel,
    Output,
    ScalerEntry,
)
from inference_container.bundles.manifest_plan import make_plan
from inference_container.bundles.writer import Draft, write_bundle_at
from inference_container.defaults import default_bundle_path, default_data_path
from inference_container.forecasting.backends.choice import BackendChoice, open_backend
from inference_container.forecasting.inferencer import Inferencer
from inference_container.forecasting.messages import ForecastQuery
from inference_container.forecasting.plan import CalendarName, Predicts
from inference_container.training.demo_data import write_demo_data
from tests.integration.inference_container.conftest import MODULE
from tests.integration.inference_container.recomputation import Recomputation, of_bundle, of_files
from tests.integration.processes import running
from tests.ports import free_port
from tests.unit.inference_container.bundles.foreign import foreign_arrays, write_foreign

WINDOWS, BATCH, RTOL = 200, 32, 1e-4
ONE, SEVERAL = ("down",), ("up", "down", "users", "noise")
#: Both that can serve a recurrent network: the one preferred, and the one it falls back to.
RECURRENT: tuple[BackendChoice, ...] = ("onnxruntime", "torch")
DAY: tuple[CalendarName, ...] = ("minute_of_day", "day_of_week", "day_of_year")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@dataclass(frozen=True)
class Series:
    """A window with more rows than the model reads, and where it ends."""

    rows: list[dict[str, float]]
    last: datetime

    def body(self, step: timedelta, steps: int, order: random.Random) -> bytes:
        """As a client would send it: keys in any order, and a column that nobody asked for."""
        count = len(self.rows)
        times = [(self.last - step * (count - 1 - at)).isoformat().replace("+00:00", "Z") for at in range(count)]
        columns: dict[str, Sequence[float | str]] = {name: [row[name] for row in self.rows] for name in self.rows[0]}
        named: list[tuple[str, Sequence[float | str]]] = [*columns.items(), ("ts", times), ("spare", [0.5] * count)]
        order.shuffle(named)
        return orjson.dumps({"data": dict(named), "inference_length": steps})


def series(truth: Recomputation, count: int = WINDOWS) -> list[Series]:
    """Windows of noise around each column's center, ending at any moment of twenty years."""
    generator = np.random.default_rng(11)
    found = []
    for _ in range(count):
        length = truth.window + int(generator.integers(0, 4))
        drawn = {
            name: truth.scaler[name][0] + truth.scaler[name][1] * generator.normal(0.4, 0.6, length)
            for name in truth.inputs
        }
        rows = [{name: float(values[at]) for name, values in drawn.items()} for at in range(length)]
        seconds = int(generator.integers(0, 20 * 366 * 86_400))
        found.append(Series(rows, datetime(2010, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)))
    return found


def assert_true(inferencers: Sequence[Inferencer], truth: Recomputation, windows: Sequence[Series], steps: int) -> None:
    """Answers of whole batches and of single queries are those of the second computation."""
    order = random.Random(steps)
    queries = [ForecastQuery(f"r{at}", each.body(truth.step, steps, order)) for at, each in enumerate(windows)]
    expected = [truth.forecast(each.rows, each.last, steps) for each in windows]
    matrix = np.array([[list(step.values()) for step in window] for window in expected])
    center, scale = (np.array([truth.scaler[name][part] for name in truth.targets]) for part in (0, 1))
    # Windows that all give the same forecast would prove nothing.
    assert bool((((matrix - center) / scale).std(axis=0) > 0.01).all())
    for inferencer, size in product(inferencers, (BATCH, 1)):
        replies = [
            reply for at in range(0, len(queries), size) for reply in inferencer.answer(queries[at : at + size])[0]
        ]
        for window, reply, wanted in zip(windows, replies, expected, strict=True):
            assert isinstance(reply, bytes), reply
            found = answered(orjson.loads(reply)["predictions"], truth, window.last)
            values = np.array([list(step.values()) for step in wanted])
            np.testing.assert_allclose(found, values, rtol=RTOL)
            np.testing.assert_allclose((found - center) / scale, (values - center) / scale, rtol=RTOL, atol=RTOL / 10)


def answered(predictions: Sequence[Mapping[str, Any]], truth: Recomputation, last: datetime) -> np.ndarray[Any, Any]:
    """Values of an answer as (steps, targets), once its times are found to be right."""
    times = [(last + truth.step * ahead).replace(tzinfo=None).isoformat() for ahead in range(1, len(predictions) + 1)]
    assert [row["ts"] for row in predictions] == times
    assert all(list(row) == ["ts", *truth.targets] for row in predictions)
    return np.array([[row[name] for name in truth.targets] for row in predictions])


def scaler_of(kind: str, names: Sequence[str]) -> dict[str, Any]:
    """Another center and another scale for every column."""
    return {
        "kind": kind,
        "columns": {} if kind == "none" else {name: _numbers(kind, at) for at, name in enumerate(names)},
    }


def _numbers(kind: str, at: int) -> dict[str, float]:
    center, scale = 40.0 * (at + 1), 9.0 + 5.0 * at
    match kind:
        case "minmax":
            return {"min": center - scale, "max": center + scale}
        case "standard":
            return {"mean": center, "std": scale}
        case _:
            return {"median": center, "iqr": scale}


def imported(
    folder: Path, arch: str, inputs: Sequence[str], native: int, targets: Sequence[str] = ONE, **changes: Any
) -> tuple[Path, Recomputation]:
    spec = {
        "arch": arch,
        "hidden_size": 12,
        "num_layers": 1 if len(inputs) == 1 else 2,
        "input_len": 8,
        "output_len": native,
        "input_columns": list(inputs),
        "target_columns": list(targets),
        "calendar": ["min_of_day", "day_of_week", "day_of_year"],
        "freq_seconds": 120,
        "scaler": scaler_of("minmax", sorted({*inputs, *targets})),
    } | changes
    # Twice as wide as PyTorch draws them, and an offset: gates work in their curved part, forecasts are not around 0.
    arrays = {name: 2 * array for name, array in foreign_arrays(spec, seed=native).items()}
    arrays["fc.bias"] += np.float32(1.0)
    order = write_foreign(folder, spec, arrays)
    import_bundle(order)
    return order.out, of_files(order.arrays, order.spec)


def linear(
    folder: Path, inputs: Sequence[str], native: int, predicts: Predicts = "level"
) -> tuple[Path, Recomputation]:
    """A linear bundle written with the writer; nothing else makes one without training."""
    draft = Draft(
        name="linear",
        created_at=datetime(2025, 5, 1, tzinfo=UTC),
        model=LinearModel(kind="direct", predicts=predicts, arch="linear", hyper=LinearHyper(ridge=0.0)),
        input=Input(
            time_column=("ts",),
            freq_seconds=120,
            columns=tuple(inputs),
            calendar=DAY,
            input_len=8,
            nan_policy="reject",
            gap_policy="reject",
        ),
        output=Output(
            targets=ONE,
            horizon=native,
            recursive=True,
            held=tuple(name for name in inputs if name not in ONE),
            max_steps=50,
        ),
        scaler=ScalerEntry(
            kind="standard",
            columns={name: ColumnScale(center=50.0 + at, scale=7.0 + at) for at, name in enumerate(inputs)},
        ),
        imported=Imported(arrays_sha256="0" * 64, spec_sha256="0" * 64, cli="by hand", versions={}),
    )
    plan = make_plan("", draft.model, draft.input, draft.output, draft.scaler)
    generator = np.random.default_rng(native)
    width = plan.network.input_len * plan.network.features
    weights = {
        "weight": generator.normal(0.0, 0.4 / width**0.5, (native, width)).astype(np.float32),
        "bias": generator.normal(0.5, 0.1, native).astype(np.float32),
    }
    windows = made_up_windows(plan, [(40.0, 60.0)] * len(inputs))
    golden = record_golden(Inferencer(plan, open_backend(plan.network, weights)), windows)
    path = write_bundle_at(draft, weights, golden, folder / "linear")
    return path, of_bundle(path)


def opened(path: Path, *backends: BackendChoice) -> list[Inferencer]:
    """What serves the bundle by default, or on each of the backends named."""
    bundle = load_bundle(path)
    return [open_inferencer(bundle, backend=backend).inferencer for backend in backends or ("auto",)]


_CASES = [(1, 1), (1, 10), (10, 1), (10, 10), (10, 25)]


@pytest.mark.parametrize("inputs", [ONE, SEVERAL], ids=["univariate", "multivariate"])
@pytest.mark.parametrize("arch", ["gru", "lstm"])
def test_a_recurrent_network_is_served_as_its_arrays_and_specification_mean(
    tmp_path: Path, arch: str, inputs: Sequence[str]
) -> None:
    for native, steps in _CASES:
        path, truth = imported(tmp_path / str(native), arch, inputs, native)
        assert_true(opened(path, *RECURRENT), truth, series(truth), steps)


@pytest.mark.parametrize("inputs", [ONE, SEVERAL], ids=["univariate", "multivariate"])
@pytest.mark.parametrize("predicts", ["level", "change"])
def test_a_linear_network_is_served_as_its_bundle_means(
    tmp_path: Path, inputs: Sequence[str], predicts: Predicts
) -> None:
    for native, steps in _CASES:
        path, truth = linear(tmp_path / str(native), inputs, native, predicts)
        assert_true(opened(path), truth, series(truth), steps)


@pytest.mark.parametrize("calendar", [[], ["day_of_year", "min_of_day_sin", "min_of_day_cos"]], ids=["none", "two"])
@pytest.mark.parametrize("kind", ["minmax", "standard", "robust", "none"])
@pytest.mark.parametrize("arch", ["gru", "lstm"])
def test_every_scaler_and_calendar_means_what_it_says(
    tmp_path: Path, arch: str, kind: str, calendar: list[str]
) -> None:
    scaler = scaler_of(kind, sorted(SEVERAL))
    changes: dict[str, Any] = {"scaler": scaler, "calendar": calendar, "num_layers": 3}
    path, truth = imported(tmp_path, arch, SEVERAL, 2, **changes)
    assert_true(opened(path), truth, series(truth, 40), 7)


def test_targets_in_another_order_than_the_inputs_are_fed_back_into_their_own_places(tmp_path: Path) -> None:
    path, truth = imported(tmp_path, "gru", SEVERAL, 3, targets=("users", "up"))
    assert_true(opened(path), truth, series(truth), 11)


def test_a_target_that_is_no_input_comes_back_in_its_own_units(tmp_path: Path) -> None:
    path, truth = imported(tmp_path, "lstm", ("up", "users"), 10, targets=("down", "up"))
    assert_true(opened(path), truth, series(truth), 10)


def test_a_trained_linear_bundle_is_served_as_its_files_mean(tmp_path: Path) -> None:
    write_demo_data(tmp_path / "rows.csv", days=30, freq_seconds=3600, seed=4)
    command = (
        f"train {tmp_path / 'rows.csv'} --target down --columns users,down --input-len 24 --horizon 6 --max-steps 30"
    )
    subprocess.run(
        [sys.executable, "-m", "inference_container", *command.split(), "--model", "linear", "--out", str(tmp_path)],
        check=True,
        capture_output=True,
        cwd=Path(__file__).parents[3],
    )
    (path,) = (each.parent for each in tmp_path.glob("*/manifest.json"))
    truth = of_bundle(path)
    for steps in (1, 6, 10):
        assert_true(opened(path), truth, series(truth), steps)


def test_the_default_bundle_is_served_as_its_files_mean() -> None:
    truth = of_bundle(default_bundle_path())
    assert_true(opened(default_bundle_path()), truth, list(observed(truth)), 10)


def observed(truth: Recomputation) -> Iterator[Series]:
    """The first hours of the default data without a gap or a hole, one window after the other."""
    with default_data_path().open(newline="") as source:
        table = list(csv.DictReader(source))
    times = [datetime.fromisoformat(row["time"]).replace(tzinfo=UTC) for row in table]
    count = 0
    for end in range(truth.window - 1, len(table), 7):
        rows = table[end - truth.window + 1 : end + 1]
        whole = times[end] - times[end - truth.window + 1] == truth.step * (truth.window - 1)
        if count < WINDOWS and whole and all(row[name] for row in rows for name in truth.inputs):
            count += 1
            yield Series([{name: float(row[name]) for name in truth.inputs} for row in rows], times[end])


def test_over_http_a_process_that_serves_an_import_answers_the_same(tmp_path: Path) -> None:
    path, truth = imported(tmp_path, "gru", SEVERAL, 1)
    port = free_port()
    command = (*MODULE, "--bundle", str(path), "--port", str(port))
    with running(command, "INFERENCE_API_PORT", tmp_path, {}) as service:
        # The option wins over the variable, which names another port.
        service.port = port
        service.until_ready()
        with service.client() as client:
            for window in series(truth, 20):
                body = window.body(truth.step, 10, random.Random(1))
                reply: httpx.Response = client.post("/predict", content=body)
                assert reply.status_code == 200, reply.text
                found = answered(reply.json()["predictions"], truth, window.last)
                wanted = [list(step.values()) for step in truth.forecast(window.rows, window.last, 10)]
                np.testing.assert_allclose(found, np.array(wanted), rtol=RTOL)
                assert reply.json()["run_id"] == json.loads((path / "manifest.json").read_text())["bundle_id"]


def test_the_comparison_notices_what_it_is_there_for(tmp_path: Path) -> None:
    path, truth = imported(tmp_path, "gru", SEVERAL, 1)
    inferencers, windows = opened(path), series(truth, 40)
    gates = {**truth.tensors, "weight_ih_l0": np.roll(truth.tensors["weight_ih_l0"], 12, axis=0)}
    center, scale = truth.scaler["users"]
    mistakes = [
        dataclasses.replace(truth, tensors=gates),
        dataclasses.replace(truth, inputs=["down", "up", "users", "noise"]),
        dataclasses.replace(truth, calendar=["day_of_week", "minute_of_day", "day_of_year"]),
        dataclasses.replace(truth, scaler={**truth.scaler, "users": (center, 1.01 * scale)}),
        dataclasses.replace(truth, change=True),
    ]
    for mistaken in mistakes:
        with pytest.raises(AssertionError, match="Not equal to tolerance"):
            assert_true(inferencers, mistaken, windows, 1)
