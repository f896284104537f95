"""`SPEC.json` of `bundle import`: what a network that was trained elsewhere reads and answers.

`importer` reads it and asks it for the manifest's parts; `bundle schema` prints its JSON schema for whoever writes one
by hand or by program. The keys are the words of PyTorch and scikit-learn, since that is where such networks come from.
"""

import contextlib
import json
import math
from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias, cast, get_args

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from inference_container.bundles.manifest_parts import ColumnScale, Input, Name, Output, RecurrentHyper, RecurrentModel
from inference_container.bundles.manifest_parts import ScalerEntry as ManifestScaler
from inference_container.errors import ImportRefused
from inference_container.forecasting.plan import TIME_COLUMNS, CalendarName, GapPolicy, NanPolicy

#: Most steps that feeding forecasts back may reach, unless the import says less: the contract's `inference_length`.
MAX_STEPS = 10_000

#: As the predecessor's models spell it.
_ALIASES = {"min_of_day": "minute_of_day"}
#: A name stands for its sine and its cosine; both may be spelled out instead, one after the other.
CalendarEntry: TypeAlias = Literal[
    "minute_of_day",
    "day_of_week",
    "day_of_year",
    "min_of_day",
    "minute_of_day_sin",
    "minute_of_day_cos",
    "min_of_day_sin",
    "min_of_day_cos",
    "day_of_week_sin",
    "day_of_week_cos",
    "day_of_year_sin",
    "day_of_year_cos",
]


class _Part(BaseModel):
    # Strict: "64" is not 64 and true is not 1, whatever wrote the file.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class MinMax(_Part):
    min: float
    max: float


class MeanStd(_Part):
    mean: float
    std: float = Field(ge=0)


class MedianIqr(_Part):
    median: float
    iqr: float = Field(ge=0)


class MinMaxScaler(_Part):
    kind: Literal["minmax"]
    columns: dict[Name, MinMax]


class StandardScaler(_Part):
    kind: Literal["standard"]
    columns: dict[Name, MeanStd]


class RobustScaler(_Part):
    kind: Literal["robust"]
    columns: dict[Name, MedianIqr]


class NoScaler(_Part):
    kind: Literal["none"]
    columns: dict[Name, MinMax] = Field(default={}, max_length=0, description="Empty, or left out.")


class ImportSpec(_Part):
    """A recurrent network whose last state a linear layer turns into the scaled targets of all steps."""

    arch: Literal["gru", "lstm"]
    hidden_size: int = Field(ge=1, le=4096)
    num_layers: int = Field(ge=1, le=16)
    input_len: int = Field(ge=1, le=100_000, description="Rows of the window.")
    output_len: int = Field(ge=1, le=10_000, description="Steps of one forward pass.")
    input_columns: list[Name] = Field(min_length=1, description="In the order of the network's inputs.")
    target_columns: list[Name] = Field(min_length=1, description="In the order of the network's answers in a step.")
    calendar: list[CalendarEntry] = Field(description="Inputs after the columns: a sine and a cosine for each name.")
    freq_seconds: int = Field(ge=1, le=366 * 86_400, description="Seconds between two rows.")
    scaler: Annotated[
        MinMaxScaler | StandardScaler | RobustScaler | NoScaler,
        Field(discriminator="kind", description="A column for each input and target: scaled = (raw - center) / scale."),
    ]

    @field_validator("input_columns", "target_columns")
    @classmethod
    def _distinct(cls, names: list[str]) -> list[str]:
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"repeats {', '.join(repeated)}")
        return names

    @field_validator("calendar")
    @classmethod
    def _paired(cls, entries: list[CalendarEntry]) -> list[CalendarEntry]:
        calendar_names(entries)
        return entries

    @property
    def features(self) -> int:
        """Width of a row of the network's input."""
        return len(self.input_columns) + 2 * len(calendar_names(self.calendar))

    def model(self) -> RecurrentModel:
        """The manifest's `model`: the last layer answers the target itself, not its change."""
        hyper = RecurrentHyper(hidden=self.hidden_size, layers=self.num_layers)
        return RecurrentModel(kind="direct", predicts="level", arch=self.arch, hyper=hyper)

    def input(self, nan_policy: NanPolicy, gap_policy: GapPolicy) -> Input:
        """The manifest's `input`."""
        taken = {*self.input_columns, *self.target_columns}
        times = tuple(name for name in TIME_COLUMNS if name not in taken)
        if not times:
            raise ImportRefused(f"Columns use up every name of a time column: {', '.join(TIME_COLUMNS)}.")
        return Input(
            time_column=times,
            freq_seconds=self.freq_seconds,
            columns=tuple(self.input_columns),
            calendar=calendar_names(self.calendar),
            input_len=self.input_len,
            nan_policy=nan_policy,
            gap_policy=gap_policy,
        )

    def output(self, max_steps: int | None) -> Output:
        """The manifest's `output`; forecasts are fed back whenever there is an input for each of them."""
        recursive = set(self.target_columns) <= set(self.input_columns)
        others = tuple(name for name in self.input_columns if name not in self.target_columns)
        if max_steps is not None and not self.output_len <= max_steps <= (MAX_STEPS if recursive else self.output_len):
            reach = f"{self.output_len} to {MAX_STEPS}" if recursive else f"exactly {self.output_len}"
            reason = "" if recursive else ": a target that is no input can not be fed back"
            raise ImportRefused(f"max_steps can be {reach} for this network{reason}.")
        return Output(
            targets=tuple(self.target_columns),
            horizon=self.output_len,
            recursive=recursive,
            held=others if recursive else (),
            max_steps=max_steps or (MAX_STEPS if recursive else self.output_len),
        )

    def manifest_scaler(self) -> ManifestScaler:
        """The manifest's `scaler`.

        A column that never changed has the scale 1, as scikit-learn has it: it maps to 0 instead of dividing by 0.

        Raises:
            ImportRefused: a column is missing or too many, or its numbers leave no scale; all are named.
        """
        wanted = [*self.input_columns, *(name for name in self.target_columns if name not in self.input_columns)]
        if isinstance(self.scaler, NoScaler):
            return ManifestScaler(kind="none", columns={name: ColumnScale(center=0.0, scale=1.0) for name in wanted})
        missing = [name for name in wanted if name not in self.scaler.columns]
        if missing:
            raise ImportRefused(f"scaler.columns lacks {', '.join(missing)}.", columns=missing)
        unknown = sorted(set(self.scaler.columns) - set(wanted))
        if unknown:
            raise ImportRefused(
                f"scaler.columns holds what is neither an input nor a target: {', '.join(unknown)}.", columns=unknown
            )
        numbers = {name: _center_and_range(self.scaler.columns[name]) for name in wanted}
        broken = [name for name, (_, width) in numbers.items() if not 0.0 <= width < math.inf]
        if broken:
            raise ImportRefused(f"scaler.columns has a max below the min, or too far: {', '.join(broken)}.")
        columns = {name: ColumnScale(center=center, scale=width or 1.0) for name, (center, width) in numbers.items()}
        return ManifestScaler(kind=self.scaler.kind, columns=columns)


def read_spec(content: bytes) -> ImportSpec:
    """Decode `SPEC.json`.

    Raises:
        ImportRefused: not JSON, an unknown or missing key, a value out of bounds; each by its name.
    """
    # The last of two equal keys would win in silence. What is no JSON at all is told below, with everything else.
    with contextlib.suppress(ValueError):
        json.loads(content, object_pairs_hook=_each_key_once)
    try:
        return ImportSpec.model_validate_json(content)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}" for fault in error.errors()]
        raise ImportRefused(f"The specification is not valid: {'; '.join(faults[:20])}.") from error


def _each_key_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    repeated = sorted({name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1})
    if repeated:
        raise ImportRefused(f"The specification is not valid: {', '.join(repeated)}: given more than once.")
    return dict(pairs)


def encoded_schema() -> bytes:
    """The JSON schema of `SPEC.json`, as it is published in docs/bundle-import.schema.json."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **ImportSpec.model_json_schema(),
        "title": "SPEC.json of `python -m inference_container bundle import`",
    }
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def calendar_names(entries: Sequence[CalendarEntry]) -> tuple[CalendarName, ...]:
    """Our names for a list that may hold older ones and pairs of `_sin` and `_cos`.

    Raises:
        ValueError: half a pair, a pair in the other order, or a name twice.
    """
    found: list[CalendarName] = []
    rest = list[str](entries)
    while rest:
        entry = rest.pop(0)
        base, _, wave = entry.rpartition("_") if entry.endswith(("_sin", "_cos")) else (entry, "", "")
        if wave == "cos" or (wave == "sin" and (not rest or rest.pop(0) != f"{base}_cos")):
            raise ValueError(f"{entry} must be one of a pair: {base}_sin, then {base}_cos")
        name = _ALIASES.get(base, base)
        if name in found:
            raise ValueError(f"repeats {name}")
        assert name in get_args(CalendarName)
        found.append(cast(CalendarName, name))
    return tuple(found)


def _center_and_range(numbers: MinMax | MeanStd | MedianIqr) -> tuple[float, float]:
    match numbers:
        case MinMax():
            return numbers.min, numbers.max - numbers.min
        case MeanStd():
            return numbers.mean, numbers.std
        case MedianIqr():
            return numbers.median, numbers.iqr
