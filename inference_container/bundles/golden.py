"""Golden windows: a few requests with the answers the trainer got, replayed before a bundle may serve.

Each window is a request body as a client would send it, so the check covers the whole road: columns, order, grid,
scaling, weights and calendar. `training` records them from the tail of the data; `opener` checks them at every load.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from inference_container.bundles.sealed import Cell, Golden, GoldenWindow
from inference_container.errors import GoldenMismatch
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


def record_golden(inferencer: Inferencer, windows: Sequence[Mapping[str, list[Cell]]]) -> Golden:
    """Forecast each window and write down the answers."""
    recorded = []
    for data in windows:
        values = _replay(inferencer, data)
        expected = {name: values[:, at].tolist() for at, name in enumerate(inferencer.plan.output.targets)}
        recorded.append(GoldenWindow(dict(data), expected))
    return Golden(tuple(recorded), TOLERANCE)


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
