"""FastAPI as its tutorial has it: a typed body, the work in the thread pool, a dictionary back. Argument: PORT."""

import sys

import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from bench.peers.features import Unusable, answer, features
from bench.peers.network import Forecaster

app = FastAPI()
forecast = Forecaster()


class Request(BaseModel):
    data: dict[str, list[float | str | None]]
    index_col: str | None = None
    inference_length: int = Field(1, ge=1, le=10_000)


def work(request: Request) -> dict[str, object]:
    window, time = features({"data": request.data, "index_col": request.index_col})
    return answer(time, forecast(window[None])[0])


@app.post("/predict")
async def predict(request: Request) -> dict[str, object]:
    try:
        return await run_in_threadpool(work, request)
    except Unusable as error:
        raise HTTPException(400, str(error)) from error


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning")
