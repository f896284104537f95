"""`manifest.json` of a bundle/1: every field, its bounds, and the relations between them.

`sealing` reads it, `writer` makes it, `bundle show` prints it. Unknown keys are refused by name: a manifest of a newer
trainer may ask for something this version would silently leave out. `Manifest.plan` is what the pure rooms get.

A bundle says where it comes from in one of two ways: `training`, with the scores of its back-test in `metrics`, or
`imported`, which vouches for nothing but the two files it was made of.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from inference_container.bundles.files import GOLDEN, QUANTILES, WEIGHTS
from inference_container.forecasting.plan import (
    CalendarName,
    ForecastPlan,
    GapPolicy,
    InputPlan,
    NanPolicy,
    NetworkPlan,
    OutputPlan,
    Predicts,
    QuantilePlan,
    ScalerKind,
    ScalingPlan,
)

FORMAT = "bundle/1"
_FILE_SETS = ({WEIGHTS, GOLDEN}, {WEIGHTS, GOLDEN, QUANTILES})

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
#: Also the name of its directory.
BundleName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())


class FileEntry(_Part):
    sha256: Sha256
    bytes: int = Field(ge=1)


class RecurrentHyper(_Part):
    hidden: int = Field(ge=1, le=4096)
    layers: int = Field(ge=1, le=16)


class LinearHyper(_Part):
    #: The ridge penalty the weights were solved with; for the record.
    ridge: float = Field(ge=0)


class RecurrentModel(_Part):
    #: One forward pass gives all native steps.
    kind: Literal["direct"]
    predicts: Predicts = Field(description="Changes since the last row, or the targets themselves.")
    arch: Literal["gru", "lstm"]
    hyper: RecurrentHyper


class LinearModel(_Part):
    kind: Literal["direct"]
    predicts: Predicts
    arch: Literal["linear"]
    hyper: LinearHyper


class Input(_Part):
    time_column: tuple[Name, ...] = Field(min_length=1, description="Names the time column may have, in order.")
    freq_seconds: int = Field(ge=1, le=366 * 86_400)
    columns: tuple[Name, ...] = Field(min_length=1, description="In the order of the network's inputs.")
    calendar: tuple[CalendarName, ...]
    input_len: int = Field(ge=1, le=100_000)
    nan_policy: NanPolicy
    gap_policy: GapPolicy


class Output(_Part):
    targets: tuple[Name, ...] = Field(min_length=1)
    horizon: int = Field(ge=1, le=10_000)
    recursive: bool
    held: tuple[Name, ...] = Field(description="Inputs that keep their last value while a forecast is fed back.")
    max_steps: int = Field(ge=1, le=10_000)


class ColumnScale(_Part):
    center: float
    scale: float = Field(gt=0)


class ScalerEntry(_Part):
    kind: ScalerKind
    columns: dict[Name, ColumnScale]


class Split(_Part):
    """Grid rows of each chronological part."""

    train: int = Field(ge=1)
    validation: int = Field(ge=1)
    test: int = Field(ge=1)


class Training(_Part):
    data_sha256: Sha256
    rows: int = Field(ge=1)
    split: Split
    seed: int
    cli: str
    versions: dict[str, str]


class Imported(_Part):
    """Of a network that was trained elsewhere: nothing is known of its data or of how good it is."""

    #: The files as they were given, so that a bundle can be traced to them.
    arrays_sha256: Sha256
    spec_sha256: Sha256
    #: The command that made the bundle, and the versions whose forecasts its golden windows hold.
    cli: str
    versions: dict[str, str]


class Coverage(_Part):
    """What share of the back-test's truths an interval of the bundle's quantiles held, 0 to 1."""

    #: What it promises: 0.8 lies between the levels 0.1 and 0.9.
    interval: float = Field(gt=0, lt=1)
    mean: float = Field(ge=0, le=1)
    #: One per native step.
    by_step: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(min_length=1)


class TargetMetrics(_Part):
    """Means over the horizons of the back-test, raw units."""

    rmse: float = Field(ge=0)
    mae: float = Field(ge=0)
    persistence_rmse: float = Field(ge=0)
    seasonal_naive_rmse: float = Field(ge=0)
    #: Empty without quantiles.
    coverage: tuple[Coverage, ...] = ()


class Metrics(_Part):
    targets: dict[Name, TargetMetrics]
    n_windows: int = Field(ge=1)


class Manifest(_Part):
    format: Literal["bundle/1"]
    bundle_id: Sha256
    name: BundleName
    created_at: datetime
    files: dict[str, FileEntry]
    model: Annotated[RecurrentModel | LinearModel, Field(discriminator="arch")]
    input: Input
    output: Output
    scaler: ScalerEntry
    training: Training | None = None
    imported: Imported | None = None
    metrics: Metrics | None = None

    @model_validator(mode="after")
    def _relations(self) -> Self:
        columns, targets = set(self.input.columns), set(self.output.targets)
        claims = (
            (
                set(self.files) in _FILE_SETS,
                f"files must be exactly {WEIGHTS} and {GOLDEN}, with or without {QUANTILES}",
            ),
            (
                set(self.scaler.columns) == columns | targets,
                "scaler.columns must be exactly the input columns and the targets",
            ),
            ((self.training is None) != (self.imported is None), "exactly one of training and imported must be there"),
            (
                (self.metrics is None) == (self.training is None),
                "metrics must be there when training is, and only then: they are the scores of its back-test",
            ),
            (
                self.metrics is None or set(self.metrics.targets) == targets,
                "metrics.targets must be exactly output.targets",
            ),
            (self.created_at.utcoffset() is not None, "created_at needs a time zone"),
        )
        broken = [sentence for holds, sentence in claims if not holds]
        broken += broken_relations(self.model, self.input, self.output)
        if broken:
            raise ValueError("; ".join(broken))
        return self

    def plan(self, quantiles: QuantilePlan | None = None) -> ForecastPlan:
        """What the forecast computes with; `quantiles` come from the bundle's file of that name."""
        return make_plan(self.bundle_id, self.model, self.input, self.output, self.scaler, quantiles)

    def encode(self) -> bytes:
        """The bytes of the file. Absent parts are left out rather than null."""
        fields = self.model_dump(mode="json", exclude_none=True)
        return orjson.dumps(fields, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


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
