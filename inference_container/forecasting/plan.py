"""What a forecast needs to know about its model: plain values, the part of a bundle's manifest that computes.

`bundles.manifest` makes a plan and has checked every relation in it; the rooms beside this one only read it. It stands
here so that they need no validation library and no file. No numpy either: the API process makes plans and holds none.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np

CalendarName: TypeAlias = Literal["minute_of_day", "day_of_week", "day_of_year"]
GapPolicy: TypeAlias = Literal["reject", "resample"]
NanPolicy: TypeAlias = Literal["reject", "ffill"]
Architecture: TypeAlias = Literal["gru", "lstm", "linear"]
ScalerKind: TypeAlias = Literal["minmax", "standard", "robust", "none"]
#: What the last layer means: the change of each target since the last row, or the target itself, scaled.
Predicts: TypeAlias = Literal["change", "level"]

#: Where a client that names no `index_col` may have put its times; the order matters.
TIME_COLUMNS = ("ts", "timestamp", "time", "date")


@dataclass(frozen=True, slots=True)
class InputPlan:
    """Which series the model reads, and on which grid."""

    #: Names the time column may have, tried in this order.
    time_columns: tuple[str, ...]
    freq_seconds: int
    #: The order of the model's inputs. A client's own order means nothing.
    columns: tuple[str, ...]
    calendar: tuple[CalendarName, ...]
    #: Rows of the window.
    input_len: int
    nan_policy: NanPolicy
    gap_policy: GapPolicy

    @property
    def features(self) -> int:
        """Width of a window row: the columns, then a sine and a cosine for each calendar name."""
        return len(self.columns) + 2 * len(self.calendar)


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """What the model answers."""

    targets: tuple[str, ...]
    #: Steps of one forward pass.
    horizon: int
    #: Whether a forecast may be fed back to reach further; every target is an input column then.
    recursive: bool
    #: The input columns that are no targets: beyond the horizon they keep the value of the last row. Empty unless
    #: recursive.
    held: tuple[str, ...]
    #: Most steps a caller may ask for; `horizon` unless recursive.
    max_steps: int


@dataclass(frozen=True, slots=True)
class ScalingPlan:
    """scaled = (raw - center) / scale, a number of each per column, in their order."""

    center: tuple[float, ...]
    scale: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """A member of the closed list of architectures. `hidden` and `layers` are 0 for `linear`."""

    arch: Architecture
    input_len: int
    features: int
    horizon: int
    #: How many series each step of the forecast has.
    targets: int
    predicts: Predicts
    #: Where the targets stand among the features, as many as targets; empty when one of them is no input.
    target_positions: tuple[int, ...]
    hidden: int = 0
    layers: int = 0


@dataclass(frozen=True, slots=True)
class QuantilePlan:
    """How far the truth lay from the forecast in windows that the network was not fitted to."""

    #: Rising, each between 0 and 1.
    levels: tuple[float, ...]
    #: Raw units to add to the forecast: step of the native horizon, then target, then level.
    offsets: tuple[tuple[tuple[float, ...], ...], ...]


@dataclass(frozen=True, slots=True)
class ForecastPlan:
    """Everything but the weights. `bundle_id` names the bundle it came from and is the `run_id` of answers."""

    bundle_id: str
    input: InputPlan
    output: OutputPlan
    #: Of the input columns.
    scaling: ScalingPlan
    #: Of the targets.
    target_scaling: ScalingPlan
    network: NetworkPlan
    #: None when the bundle carries none.
    quantiles: QuantilePlan | None = None

    @property
    def step(self) -> "np.timedelta64":
        """Time between two rows of the grid."""
        import numpy as np

        return np.timedelta64(self.input.freq_seconds * 1_000_000, "us")
