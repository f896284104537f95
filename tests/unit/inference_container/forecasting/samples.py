"""A small plan, a network to which every input matters, and bodies: for the tests of forecasts and bundles."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import orjson
from typing_extensions import override

from inference_container.forecasting.arrays import Float32Array
from inference_container.forecasting.backends.linear import LinearBackend
from inference_container.forecasting.backends.protocol import Backend, Weights
from inference_container.forecasting.backends.tensors import tensor_shapes
from inference_container.forecasting.inferencer import Inferencer
from inference_container.forecasting.plan import (
    TIME_COLUMNS,
    ForecastPlan,
    GapPolicy,
    InputPlan,
    NanPolicy,
    NetworkPlan,
    OutputPlan,
    ScalingPlan,
)

START = datetime(2025, 3, 1, 22)
BUNDLE_ID = "b" * 64


def sample_plan(
    *,
    columns: tuple[str, ...] = ("load", "heat"),
    targets: tuple[str, ...] = ("load",),
    input_len: int = 6,
    horizon: int = 3,
    max_steps: int | None = None,
    nan_policy: NanPolicy = "reject",
    gap_policy: GapPolicy = "reject",
    freq_seconds: int = 3600,
) -> ForecastPlan:
    inputs = InputPlan(
        time_columns=TIME_COLUMNS,
        freq_seconds=freq_seconds,
        columns=columns,
        calendar=("minute_of_day", "day_of_week", "day_of_year"),
        input_len=input_len,
        nan_policy=nan_policy,
        gap_policy=gap_policy,
    )
    return ForecastPlan(
        bundle_id=BUNDLE_ID,
        input=inputs,
        output=OutputPlan(
            targets,
            horizon,
            recursive=max_steps is not None,
            held=tuple(name for name in columns if name not in targets) if max_steps is not None else (),
            max_steps=max_steps or horizon,
        ),
        scaling=_scaling(range(len(columns))),
        target_scaling=_scaling([columns.index(name) for name in targets]),
        network=NetworkPlan(
            "linear",
            input_len,
            inputs.features,
            horizon,
            targets=len(targets),
            predicts="change",
            target_positions=tuple(columns.index(name) for name in targets),
        ),
    )


def _scaling(positions: Sequence[int]) -> ScalingPlan:
    return ScalingPlan(tuple(10.0 * at + 5.0 for at in positions), tuple(2.0 + at for at in positions))


def sample_weights(network: NetworkPlan, seed: int = 7) -> Weights:
    """Weights that let every input matter, so that a swapped column or row can not go unnoticed."""
    generator = np.random.default_rng(seed)
    return {
        name: generator.normal(0.0, 0.1, shape).astype(np.float32) for name, shape in tensor_shapes(network).items()
    }


def sample_inferencer(plan: ForecastPlan) -> Inferencer:
    return Inferencer(plan, LinearBackend(plan.network, sample_weights(plan.network)), identifier="unit")


class CountingBackend(Backend):
    """Answers the last target plus 1, 2, 3 ... scaled units, and remembers the batches it was given."""

    def __init__(self, network: NetworkPlan, answer: float | None = None) -> None:
        self.network = network
        self.batches: list[Float32Array] = []
        self._answer = answer

    @property
    @override
    def name(self) -> str:
        return "counting"

    @override
    def forward(self, features: Float32Array) -> Float32Array:
        self.batches.append(features)
        last = features[:, -1:, list(self.network.target_positions)]
        ahead = np.arange(1, self.network.horizon + 1, dtype=np.float32)[np.newaxis, :, np.newaxis]
        forecast: Float32Array = last + ahead if self._answer is None else np.full_like(last + ahead, self._answer)
        return forecast


def moments(rows: int, *, start: datetime = START, freq_seconds: int = 3600) -> list[str]:
    return [(start + timedelta(seconds=freq_seconds * row)).isoformat() for row in range(rows)]


def sample_data(rows: int, columns: Sequence[str] = ("load", "heat"), seed: int = 0) -> dict[str, list[object]]:
    generator = np.random.default_rng(seed)
    data: dict[str, list[object]] = {"ts": list(moments(rows))}
    for name in columns:
        data[name] = generator.normal(8.0, 3.0, rows).round(3).tolist()
    return data


def body(data: Mapping[str, object], **fields: object) -> bytes:
    return orjson.dumps({"data": data, **fields})
