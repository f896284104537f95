"""The parts of a manifest, with the bounds of each field. `manifest` is made of them, `manifest_plan` relates them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from inference_container.forecasting.plan import CalendarName, GapPolicy, NanPolicy, Predicts, ScalerKind

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
#: Also the name of its directory.
BundleName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())


class FileEntry(Part):
    sha256: Sha256
    bytes: int = Field(ge=1)


class RecurrentHyper(Part):
    hidden: int = Field(ge=1, le=4096)
    layers: int = Field(ge=1, le=16)


class LinearHyper(Part):
    #: The ridge penalty the weights were solved with; for the record.
    ridge: float = Field(ge=0)


class RecurrentModel(Part):
    #: One forward pass gives all native steps.
    kind: Literal["direct"]
    predicts: Predicts = Field(description="Changes since the last row, or the targets themselves.")
    arch: Literal["gru", "lstm"]
    hyper: RecurrentHyper


class LinearModel(Part):
    kind: Literal["direct"]
    predicts: Predicts
    arch: Literal["linear"]
    hyper: LinearHyper


class Input(Part):
    time_column: tuple[Name, ...] = Field(min_length=1, description="Names the time column may have, in order.")
    freq_seconds: int = Field(ge=1, le=366 * 86_400)
    columns: tuple[Name, ...] = Field(min_length=1, description="In the order of the network's inputs.")
    calendar: tuple[CalendarName, ...]
    input_len: int = Field(ge=1, le=100_000)
    nan_policy: NanPolicy
    gap_policy: GapPolicy


class Output(Part):
    targets: tuple[Name, ...] = Field(min_length=1)
    horizon: int = Field(ge=1, le=10_000)
    recursive: bool
    held: tuple[Name, ...] = Field(description="Inputs that keep their last value while a forecast is fed back.")
    max_steps: int = Field(ge=1, le=10_000)


class ColumnScale(Part):
    center: float
    scale: float = Field(gt=0)


class ScalerEntry(Part):
    kind: ScalerKind
    columns: dict[Name, ColumnScale]


class Split(Part):
    """Grid rows of each chronological part."""

    train: int = Field(ge=1)
    validation: int = Field(ge=1)
    test: int = Field(ge=1)


class Training(Part):
    data_sha256: Sha256
    rows: int = Field(ge=1)
    split: Split
    seed: int
    cli: str
    versions: dict[str, str]


class Imported(Part):
    """Of a network that was trained elsewhere: nothing is known of its data or of how good it is."""

    #: The files as they were given, so that a bundle can be traced to them.
    arrays_sha256: Sha256
    spec_sha256: Sha256
    #: The command that made the bundle, and the versions whose forecasts its golden windows hold.
    cli: str
    versions: dict[str, str]


class Coverage(Part):
    """What share of the back-test's truths an interval of the bundle's quantiles held, 0 to 1."""

    #: What it promises: 0.8 lies between the levels 0.1 and 0.9.
    interval: float = Field(gt=0, lt=1)
    mean: float = Field(ge=0, le=1)
    #: One per native step.
    by_step: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(min_length=1)


class TargetMetrics(Part):
    """Means over the horizons of the back-test, raw units."""

    rmse: float = Field(ge=0)
    mae: float = Field(ge=0)
    persistence_rmse: float = Field(ge=0)
    seasonal_naive_rmse: float = Field(ge=0)
    #: Empty without quantiles.
    coverage: tuple[Coverage, ...] = ()


class Metrics(Part):
    targets: dict[Name, TargetMetrics]
    n_windows: int = Field(ge=1)
