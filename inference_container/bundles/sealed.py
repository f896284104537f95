"""A bundle whose papers have been read once and found in order, as plain values.

`sealing` makes one when a bundle is activated, and each worker gets it by pickle, after every restart the same. So a
worker needs no validation library, and nothing can change between the load of one worker and that of the next.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from inference_container.forecasting.plan import ForecastPlan

#: A value of a request column.
Cell: TypeAlias = float | str | None


@dataclass(frozen=True, slots=True)
class FileSeal:
    """What a file must be, to the byte."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class GoldenWindow:
    #: Columns as in the `data` of a request, the time column included, raw units.
    data: Mapping[str, list[Cell]]
    #: Target name to the forecast of each native step, raw units.
    expected: Mapping[str, list[float]]


@dataclass(frozen=True, slots=True)
class Golden:
    """What a bundle must forecast before it may serve."""

    windows: tuple[GoldenWindow, ...]
    #: In units of the target's scale.
    tolerance: float


@dataclass(frozen=True, slots=True)
class SealedBundle:
    """Everything but the weights, which lie in `folder` and are mapped by whoever computes."""

    folder: str
    name: str
    plan: ForecastPlan
    golden: Golden
    weights: FileSeal
    #: The manifest's descriptive parts, plain JSON.
    card: Mapping[str, object]
    #: Tells two bundles apart that hold the same files and say different things of them: policies, scaler, reach.
    manifest_sha256: str
