"""One training run, told in order: read, report, split, scale, fit, calibrate, back-test, judge, write.

`python -m inference_container train` calls `train` and prints what it returns. A model that loses to persistence is not
written unless the caller insists.
"""

import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from inference_container.bundles.golden import record_golden
from inference_container.bundles.golden_windows import cut_golden_windows
from inference_container.bundles.manifest_parts import ColumnScale, ScalerEntry, Split, Training
from inference_container.bundles.manifest_plan import make_plan
from inference_container.bundles.quantiles import quantiles_file
from inference_container.bundles.writer import Draft, write_bundle
from inference_container.forecasting.backends.choice import open_backend
from inference_container.forecasting.inferencer import Inferencer
from inference_container.forecasting.plan import Architecture
from inference_container.forecasting.scaling import fit_scaling
from inference_container.training.backtest import Backtest
from inference_container.training.data import GridReport, common_step, grid_report, read_csv, regularise
from inference_container.training.evaluation import evaluate
from inference_container.training.fit import Progress, fit
from inference_container.training.plot import Panel, panels
from inference_container.training.spec import TrainSpec, check, input_of, model_of, output_of
from inference_container.training.windows import cut_parts, split_rows


@dataclass(frozen=True, slots=True, eq=False)
class TrainResult:
    report: GridReport
    #: One per target.
    scores: tuple[Backtest, ...]
    #: Validation windows behind the quantiles; 0 when they were too few for any.
    calibrated_on: int
    #: What a picture of the back-test shows.
    panels: tuple[Panel, ...]
    #: The bundle; None when the model lost to persistence and that was not allowed.
    path: Path | None


@dataclass(frozen=True, slots=True, eq=False)
class Listener:
    """Who watches a run."""

    report: Callable[[GridReport], None] = lambda report: None
    progress: Callable[[Progress], None] = lambda progress: None


def train(spec: TrainSpec, listener: Listener | None = None) -> TrainResult:
    """Run it.

    Raises:
        InvalidInput: the specification contradicts itself; its subclass InvalidSeries: the file can not be trained on.
        BundleRefused: the parts do not make a bundle, or what was written does not pass its own check.
        OSError: the file can not be read or the bundle not written.
    """
    listener = listener or Listener()
    check(spec)
    table = read_csv(spec.csv, spec.time_column, spec.columns)
    freq = spec.freq_seconds or common_step(table.frame.times)
    report = grid_report(table.frame, spec.columns, freq)
    listener.report(report)

    source = input_of(spec, freq)
    output = output_of(spec)
    model = model_of(spec)
    # A plan before there is a scaler: the grid is needed to fit one.
    unscaled = ScalerEntry(kind="none", columns={name: ColumnScale(center=0.0, scale=1.0) for name in spec.columns})
    series = regularise(table.frame, make_plan("", model, source, output, unscaled).input)
    split = split_rows(len(series.grid.times))
    scaling = fit_scaling(series.grid.values[: split.train_end], spec.scaler)
    scaler = ScalerEntry(
        kind=spec.scaler,
        columns={
            name: ColumnScale(center=center, scale=scale)
            for name, center, scale in zip(spec.columns, scaling.center, scaling.scale, strict=True)
        },
    )
    plan = make_plan("", model, source, output, scaler)
    parts = cut_parts(series, plan.input, plan.output, plan.scaling)
    weights = fit(plan.network, parts.train, parts.validation, spec.options, listener.progress)

    # As it was fitted: what another backend makes of the weights is checked when a bundle is opened.
    backend = open_backend(plan.network, weights, "auto" if spec.arch == "linear" else "torch")
    evaluation = evaluate(plan, backend, series, parts, spec.season)
    calibration, scores = evaluation.calibration, evaluation.scores
    result = TrainResult(
        report=report,
        scores=scores,
        calibrated_on=calibration.windows if calibration else 0,
        panels=panels(plan, series, parts.test, evaluation),
        path=None,
    )
    if not spec.allow_worse and not all(each.beats_persistence for each in scores):
        return result
    draft = Draft(
        name=spec.name,
        created_at=spec.created_at,
        model=model,
        input=source,
        output=output,
        scaler=scaler,
        training=Training(
            data_sha256=table.sha256,
            rows=report.rows,
            split=Split(
                train=split.train_end,
                validation=split.validation_end - split.train_end,
                test=split.rows - split.validation_end,
            ),
            seed=spec.options.seed,
            cli=spec.cli,
            versions=_versions(spec.arch),
        ),
        metrics=evaluation.metrics,
    )
    golden = record_golden(Inferencer(plan, backend), cut_golden_windows(table.frame, plan))
    quantiles = quantiles_file(calibration.quantiles, spec.targets, calibration.windows) if calibration else None
    path = write_bundle(draft, weights, golden, spec.out, quantiles.encode() if quantiles else None)
    return replace(result, path=path)


def _versions(arch: Architecture) -> dict[str, str]:
    names = ["numpy"] if arch == "linear" else ["numpy", "torch"]
    return {"python": platform.python_version()} | {name: version(name) for name in names}
