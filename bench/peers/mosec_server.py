"""Mosec: a Rust front that batches, Python workers that compute. The strongest peer.

Decoding and features run in the worker, request by request, as its `deserialize` hook is meant to be used; the
network sees the batch. Arguments: PORT and the number of workers.
"""

import os
import sys
from collections.abc import Sequence

import numpy as np
import orjson
from mosec import Server, Worker  # type: ignore[import-not-found]  # only in the peers' environment
from mosec.errors import ValidationError  # type: ignore[import-not-found]  # as above

from bench.peers.features import Unusable, answer, features
from bench.peers.workload import FloatArray

Item = tuple[FloatArray, str]


class ForecastWorker(Worker):  # type: ignore[misc]  # the project's own environment has no mosec to take types from
    def __init__(self) -> None:
        from bench.peers.network import Forecaster  # here: the front has no use for torch

        self._forecast = Forecaster()

    def deserialize(self, data: bytes) -> Item:
        try:
            return features(orjson.loads(data))
        except (Unusable, orjson.JSONDecodeError) as error:
            raise ValidationError(str(error)) from error

    def forward(self, data: Sequence[Item]) -> list[tuple[str, float]]:
        values = self._forecast(np.stack([window for window, _ in data]))
        return [(time, value) for (_, time), value in zip(data, values, strict=True)]

    def serialize(self, data: tuple[str, float]) -> bytes:
        return orjson.dumps(answer(*data))


if __name__ == "__main__":
    port, workers = sys.argv[1], int(sys.argv[2])
    # Mosec reads its own options from here; its request time-out of 3 s would end answers the others still give.
    os.environ.update(MOSEC_ADDRESS="127.0.0.1", MOSEC_PORT=port, MOSEC_TIMEOUT="30000", MOSEC_LOG_LEVEL="warning")
    server = Server()
    server.append_worker(ForecastWorker, num=workers, max_batch_size=32, max_wait_time=2, route="/predict")
    server.run()
