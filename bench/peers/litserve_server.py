"""LitServe: a FastAPI front, a worker process that batches up to 32 requests for at most 2 ms. Argument: PORT."""

import sys
from collections.abc import Sequence

import litserve  # type: ignore[import-not-found]  # only in the peers' environment
import numpy as np
from fastapi import HTTPException

from bench.peers.features import Unusable, answer, features
from bench.peers.workload import FloatArray

Item = tuple[FloatArray, str]


class ForecastAPI(litserve.LitAPI):  # type: ignore[misc]  # the project's own environment has no litserve
    def setup(self, device: str) -> None:
        from bench.peers.network import Forecaster  # here: the front has no use for torch

        self._forecast = Forecaster()

    def decode_request(self, request: dict[str, object]) -> Item:
        try:
            return features(request)
        except Unusable as error:
            raise HTTPException(400, str(error)) from error

    def batch(self, inputs: Sequence[Item]) -> Sequence[Item]:
        return inputs

    def predict(self, x: Sequence[Item]) -> list[tuple[str, float]]:
        values = self._forecast(np.stack([window for window, _ in x]))
        return [(time, value) for (_, time), value in zip(x, values, strict=True)]

    def unbatch(self, output: list[tuple[str, float]]) -> list[tuple[str, float]]:
        return output

    def encode_response(self, output: tuple[str, float]) -> dict[str, object]:
        return answer(*output)


if __name__ == "__main__":
    server = litserve.LitServer(
        ForecastAPI(max_batch_size=32, batch_timeout=0.002, api_path="/predict"),
        accelerator="cpu",
        workers_per_device=1,
        healthcheck_path="/healthz",
        timeout=30,
    )
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False, log_level="warning"
    )
