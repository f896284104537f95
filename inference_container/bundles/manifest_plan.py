"""From the parts of a manifest to the plan that the pure rooms compute with, and whether the parts fit each other.

`manifest` asks both when it is read; the trainer and the importer ask before there is a manifest.
"""

from collections.abc import Sequence

from inference_container.bundles.manifest_parts import Input, LinearModel, Output, RecurrentModel, ScalerEntry
from inference_container.forecasting.plan import (
    ForecastPlan,
    InputPlan,
    NetworkPlan,
    OutputPlan,
    QuantilePlan,
    ScalingPlan,
)


def broken_relations(model: RecurrentModel | LinearModel, source: Input, output: Output) -> list[str]:
    """What does not fit between model, input and output, a sentence each; the trainer asks before it trains."""
    columns, targets = source.columns, output.targets
    others = set(columns) - set(targets)
    claims = (
        (len(set(columns)) == len(columns), "input.columns repeats a name"),
        (len(set(targets)) == len(targets), "output.targets repeats a name"),
        (
            model.predicts == "level" or set(targets) <= set(columns),
            "output.targets must be input.columns when the model predicts their change",
        ),
        (not set(columns) & set(source.time_column), "input.columns holds a name of the time column"),
        ("ts" not in targets, "output.targets holds ts, which is the time in every answer"),
        (len(set(source.calendar)) == len(source.calendar), "input.calendar repeats a name"),
        (
            not output.recursive or set(targets) <= set(columns),
            "output.recursive needs every target to be an input column: there is nowhere to feed it back to",
        ),
        (
            set(output.held) == (others if output.recursive else set()) and len(set(output.held)) == len(output.held),
            "output.held must name exactly the inputs that are no targets when recursive, and nothing otherwise",
        ),
        (
            output.max_steps >= output.horizon if output.recursive else output.max_steps == output.horizon,
            "output.max_steps must equal output.horizon, or be at least that when recursive",
        ),
    )
    return [sentence for holds, sentence in claims if not holds]


def make_plan(
    bundle_id: str,
    model: RecurrentModel | LinearModel,
    source: Input,
    output: Output,
    scaler: ScalerEntry,
    quantiles: QuantilePlan | None = None,
) -> ForecastPlan:
    """The plan of manifest parts that belong together; the trainer needs one before there is a manifest."""
    inputs = InputPlan(
        time_columns=source.time_column,
        freq_seconds=source.freq_seconds,
        columns=source.columns,
        calendar=source.calendar,
        input_len=source.input_len,
        nan_policy=source.nan_policy,
        gap_policy=source.gap_policy,
    )
    recurrent = model.hyper if isinstance(model, RecurrentModel) else None
    return ForecastPlan(
        bundle_id=bundle_id,
        input=inputs,
        output=OutputPlan(
            targets=output.targets,
            horizon=output.horizon,
            recursive=output.recursive,
            held=output.held,
            max_steps=output.max_steps,
        ),
        scaling=_scaling(scaler, source.columns),
        target_scaling=_scaling(scaler, output.targets),
        network=NetworkPlan(
            arch=model.arch,
            input_len=source.input_len,
            features=inputs.features,
            horizon=output.horizon,
            targets=len(output.targets),
            predicts=model.predicts,
            target_positions=tuple(source.columns.index(name) for name in output.targets)
            if set(output.targets) <= set(source.columns)
            else (),
            hidden=recurrent.hidden if recurrent else 0,
            layers=recurrent.layers if recurrent else 0,
        ),
        quantiles=quantiles,
    )


def _scaling(scaler: ScalerEntry, names: Sequence[str]) -> ScalingPlan:
    entries = [scaler.columns[name] for name in names]
    return ScalingPlan(tuple(each.center for each in entries), tuple(each.scale for each in entries))
