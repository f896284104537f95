"""Golden windows: a few requests with the answers the trainer got, replayed before a bundle may serve.

Each window is a request body as a client would send it, so the check covers the whole road: columns, order, grid,
scaling, weights and calendar. `training` records them from the tail of the data; `loader` checks them at every load.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inference_container.errors import BundleRefused, GoldenMismatch
from inference_container.forecasting.arrays import FloatArray
from inference_container.forecasting.frame import frame_from_columns
from inference_container.forecasting.inferencer import Inferencer
from inference_container.forecasting.plan import OutputPlan
from serving.errors import SluiceError

#: Largest error allowed, in units of the target's scale. float32 kernels of other machines differ by some 1e-6.
TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two backends may differ over the same weights: `atol + rtol * |forecast|`, scaled units."""

    rtol: float
    atol: float


#: Rounding, and nothing else: a wrong gate or a stale graph is off by orders of magnitude more.
SAME_NETWORK = Agreement(rtol=1e-5, atol=1e-6)
#: Allowed where it is more, as a share of the forecast: without a scaler both it and its rounding are many scales big.
ROUNDING = 1e-5

#: A value of a request column.
Cell: TypeAlias = float | str | None


class GoldenWindow(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    #: Columns as in the `data` of a request, the time column included, raw units.
    data: dict[str, list[Cell]]
    #: Target name to the forecast of each native step, raw units.
    expected: dict[str, list[float]]


class Golden(BaseModel):
    """`golden.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    windows: tuple[GoldenWindow, ...] = Field(min_length=2, max_length=8)
    #: In units of the target's scale.
    tolerance: float = Field(gt=0, le=0.01)

    def encode(self) -> bytes:
        """The bytes of the file; the same windows give the same bytes, which the bundle's identity rests on."""
        return orjson.dumps(self.model_dump(mode="json"), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def decode_golden(encoded: bytes) -> Golden:
    """Read `golden.json`.

    Raises:
        BundleRefused: the file does not hold golden windows.
    """
    try:
        return Golden.model_validate_json(encoded)
    except ValidationError as error:
        raise BundleRefused(f"golden.json is not valid: {error.errors()[0]['msg']}.") from error


def record_golden(inferencer: Inferencer, windows: Sequence[Mapping[str, list[Cell]]]) -> Golden:
    """Forecast each window and write down the answers."""
    recorded = []
    for data in windows:
        values = _replay(inferencer, data)
        expected = {name: values[:, at].tolist() for at, name in enumerate(inferencer.plan.output.targets)}
        recorded.append(GoldenWindow(data=dict(data), expected=expected))
    return Golden(windows=tuple(recorded), tolerance=TOLERANCE)


def check_golden(golden: Golden, inferencer: Inferencer, agreement: Agreement | None = None) -> float:
    """Replay every window; the largest error found, in units of the target's scale.

    Raises:
        GoldenMismatch: a window can not be forecast, or its forecast differs by more than the bundle's tolerance, or by
            more than `agreement` where that is stricter.
    """
    scaling = inferencer.plan.target_scaling
    worst = 0.0
    for number, window in enumerate(golden.windows):
        expected = _expected(number, window, inferencer.plan.output)
        try:
            found = _replay(inferencer, window.data)
        except SluiceError as error:
            raise GoldenMismatch(f"Golden window {number} can not be forecast: {error.message}") from error
        errors = np.abs(found - expected) / scaling.scale
        wanted = np.abs(expected - scaling.center) / scaling.scale
        allowed = np.maximum(golden.tolerance, ROUNDING * wanted)
        if agreement is not None:
            allowed = np.minimum(allowed, agreement.atol + agreement.rtol * wanted)
        worst = max(worst, float(errors.max()))
        if bool(np.any(errors > allowed)):
            excess = np.unravel_index(np.argmax(errors - allowed), errors.shape)
            off, limit = float(errors[excess]), float(allowed[excess])
            raise GoldenMismatch(
                f"Golden window {number} is off by {off:.3g} of the target's scale; {limit:.3g} is allowed.",
                max_rel_err=off,
                tolerance=limit,
            )
    return worst


def _expected(number: int, window: GoldenWindow, output: OutputPlan) -> FloatArray:
    """(horizon, targets), raw units."""
    if set(window.expected) != set(output.targets):
        raise GoldenMismatch(f"Golden window {number} does not expect the targets of the manifest.")
    if {len(steps) for steps in window.expected.values()} != {output.horizon}:
        raise GoldenMismatch(f"Golden window {number} does not expect {output.horizon} steps.")
    return np.array([window.expected[name] for name in output.targets]).T


def _replay(inferencer: Inferencer, data: Mapping[str, list[Cell]]) -> FloatArray:
    frame = frame_from_columns(data, inferencer.plan.input)
    return inferencer.forecast(frame, inferencer.plan.output.horizon).values
