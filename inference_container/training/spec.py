"""What a training run is asked for, and the manifest parts that follow from the request alone.

`commands.training` fills a `TrainSpec` from its options, tests fill one by hand; `pipeline` runs it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import get_args

from pydantic import TypeAdapter, ValidationError

from inference_container.bundles.manifest_parts import (
    BundleName,
    Input,
    LinearHyper,
    LinearModel,
    Output,
    RecurrentHyper,
    RecurrentModel,
)
from inference_container.bundles.manifest_plan import broken_relations
from inference_container.forecasting.plan import (
    TIME_COLUMNS,
    Architecture,
    CalendarName,
    GapPolicy,
    NanPolicy,
    ScalerKind,
)
from inference_container.training.fit import FitOptions
from serving.errors import InvalidInput

#: Every calendar feature there is, in the order that training gives them unless told otherwise.
CALENDAR: tuple[CalendarName, ...] = get_args(CalendarName)


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """What to train on what."""

    csv: Path
    time_column: str
    #: The network's inputs, in order; the targets are among them.
    columns: tuple[str, ...]
    targets: tuple[str, ...]
    input_len: int
    horizon: int
    arch: Architecture
    out: Path
    name: str
    #: For the manifest: the command line, and when it ran.
    cli: str
    created_at: datetime
    #: None: the most common step of the file.
    freq_seconds: int | None = None
    gap_policy: GapPolicy = "reject"
    nan_policy: NanPolicy = "reject"
    scaler: ScalerKind = "standard"
    #: In the order of the network's inputs; may be empty.
    calendar: tuple[CalendarName, ...] = CALENDAR
    #: Steps that may be asked for by feeding forecasts back; None: the horizon, no feeding back.
    max_steps: int | None = None
    hidden: int = 64
    layers: int = 1
    #: Steps of the seasonal naive rule; None: a day, or a week where rows are at least half a day apart.
    season: int | None = None
    allow_worse: bool = False
    options: FitOptions = field(default_factory=FitOptions)


def parse_calendar(names: str) -> tuple[CalendarName, ...]:
    """Calendar names from a comma-separated list; an empty text is an empty list.

    Raises:
        InvalidInput: a name that is none of ours, named.
    """
    asked = [name.strip() for name in names.split(",")] if names.strip() else []
    unknown = [name for name in asked if name not in CALENDAR]
    if unknown:
        raise InvalidInput(f"No calendar feature is named {', '.join(unknown)}; there are {', '.join(CALENDAR)}.")
    return tuple(known for name in asked for known in CALENDAR if known == name)


def check(spec: TrainSpec) -> None:
    """Refuse before minutes of training what the manifest would refuse after them.

    Raises:
        InvalidInput: with a sentence for each contradiction.
    """
    try:
        TypeAdapter(BundleName).validate_python(spec.name)
        broken = broken_relations(model_of(spec), input_of(spec, spec.freq_seconds or 1), output_of(spec))
    except ValidationError as error:
        broken = [f"{'.'.join(map(str, fault['loc'])) or 'name'}: {fault['msg']}" for fault in error.errors()]
    if broken:
        raise InvalidInput(f"This can not become a bundle: {'; '.join(broken)}.")


def input_of(spec: TrainSpec, freq_seconds: int) -> Input:
    """The manifest's `input`; the file's own time column joins the names clients may use."""
    names = TIME_COLUMNS if spec.time_column in TIME_COLUMNS else (*TIME_COLUMNS, spec.time_column)
    return Input(
        time_column=tuple(name for name in names if name not in spec.columns),
        freq_seconds=freq_seconds,
        columns=spec.columns,
        calendar=spec.calendar,
        input_len=spec.input_len,
        nan_policy=spec.nan_policy,
        gap_policy=spec.gap_policy,
    )


def output_of(spec: TrainSpec) -> Output:
    """The manifest's `output`."""
    return Output(
        targets=spec.targets,
        horizon=spec.horizon,
        recursive=spec.max_steps is not None,
        held=tuple(n for n in spec.columns if n not in spec.targets) if spec.max_steps is not None else (),
        max_steps=spec.max_steps or spec.horizon,
    )


def model_of(spec: TrainSpec) -> RecurrentModel | LinearModel:
    """The manifest's `model`."""
    if spec.arch == "linear":
        return LinearModel(kind="direct", predicts="change", arch="linear", hyper=LinearHyper(ridge=spec.options.ridge))
    hyper = RecurrentHyper(hidden=spec.hidden, layers=spec.layers)
    return RecurrentModel(kind="direct", predicts="change", arch=spec.arch, hyper=hyper)
