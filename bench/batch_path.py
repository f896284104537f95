"""What a request costs a worker beside the network: the batch road against the careful one, at batches of 1, 8 and 32.

    python -m bench.batch_path

Both roads answer the same bodies in turns, with a network that costs nothing, so the ratio means something on a busy
machine too. Figures are microseconds per request, the best of all rounds.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import orjson
from typing_extensions import override

from inference_container.forecasting.arrays import Float32Array
from inference_container.forecasting.backends.protocol import Backend
from inference_container.forecasting.inferencer import Inferencer
from inference_container.forecasting.messages import ForecastQuery, QueryOptions
from inference_container.forecasting.plan import (
    TIME_COLUMNS,
    ForecastPlan,
    InputPlan,
    NetworkPlan,
    OutputPlan,
    ScalingPlan,
)

BATCHES = (1, 8, 32)
ROUNDS = 40
ROWS, WINDOW, STEP_S = 30, 10, 120
COLUMNS = tuple(f"series_{at}" for at in range(11))

#: Naming the time column in the head asks for nothing new, and keeps a query off the batch road.
CAREFULLY = QueryOptions(index_col="ts")


class Nothing(Backend):
    """A network that answers 0 at once."""

    @property
    @override
    def name(self) -> str:
        return "nothing"

    @override
    def forward(self, features: Float32Array) -> Float32Array:
        return np.zeros((len(features), 1, 1), dtype=np.float32)


def plan() -> ForecastPlan:
    inputs = InputPlan(
        TIME_COLUMNS, STEP_S, COLUMNS, ("minute_of_day", "day_of_week", "day_of_year"), WINDOW, "reject", "reject"
    )
    return ForecastPlan(
        bundle_id="0" * 64,
        input=inputs,
        output=OutputPlan((COLUMNS[0],), 1, False, (), 1),
        scaling=ScalingPlan((100.0,) * len(COLUMNS), (15.0,) * len(COLUMNS)),
        target_scaling=ScalingPlan((100.0,), (15.0,)),
        network=NetworkPlan("gru", WINDOW, inputs.features, 1, 1, "level", (0,), 128, 2),
    )


def body(seed: int) -> bytes:
    """30 rows of 11 columns, different for each seed."""
    generator = np.random.default_rng(seed)
    begin = datetime(2018, 2, 5, 23, 40)
    data: dict[str, object] = {"ts": [(begin + timedelta(seconds=STEP_S * row)).isoformat() for row in range(ROWS)]}
    for name in COLUMNS:
        data[name] = generator.normal(100.0, 15.0, ROWS).round(6).tolist()
    return orjson.dumps({"index_col": "ts", "data": data, "inference_length": 1})


def microseconds(inferencer: Inferencer, queries: Sequence[ForecastQuery], times: int) -> float:
    """Per request, over so many batches."""
    begun = time.perf_counter()
    for _ in range(times):
        inferencer.answer(queries)
    return (time.perf_counter() - begun) / times / len(queries) * 1e6


def main() -> None:
    inferencer = Inferencer(plan(), Nothing())
    print("batch   batch road   careful road   ratio")
    for size in BATCHES:
        plain = [ForecastQuery("0a1b2c3d", body(seed)) for seed in range(size)]
        careful = [query._replace(options=CAREFULLY) for query in plain]
        times = max(2, 64 // size)
        rounds = [
            (microseconds(inferencer, plain, times), microseconds(inferencer, careful, times)) for _ in range(ROUNDS)
        ]
        quick, slow = (min(column) for column in zip(*rounds, strict=True))
        print(f"{size:5}   {quick:7.1f} us   {slow:9.1f} us   {slow / quick:5.2f}")


if __name__ == "__main__":
    main()
