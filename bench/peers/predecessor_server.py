"""The predecessor's way of one request, without its prints, its trackers and its mistakes: pandas from end to end.

The body becomes a data frame on the event loop; one thread then windows every row of it and forecasts from the last.
Its answers were wrong (no scaling, columns permuted, the forecast inside the data); here they are right, at its price.
Argument: PORT.
"""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from bench.peers.features import MEANS, STDS, answer
from bench.peers.network import Forecaster
from bench.peers.workload import COLUMNS, FEATURES, TARGET, WINDOW

app = FastAPI()
forecast = Forecaster()
one_thread = ThreadPoolExecutor(1)


class Request(BaseModel):
    # The predecessor's own type: anything goes in, pandas finds out what it was.
    data: dict[str, list[Any]] | None = None
    index_col: str | None = None
    inference_length: int | None = Field(None, ge=1, le=10_000)


def frame_of(request: Request) -> pd.DataFrame:
    """Columns and calendar over time, as its preprocessing builds them."""
    frame = pd.DataFrame(request.data)
    moments = pd.to_datetime(frame.pop(request.index_col or "ts"), errors="coerce")
    if moments.isna().any():
        raise ValueError("times")
    frame = frame.set_index(pd.DatetimeIndex(moments)).sort_index()
    for name in frame.columns:
        frame[name] = pd.to_numeric(frame[name], errors="raise")
    frame = frame[list(COLUMNS)].copy()
    index = pd.DatetimeIndex(frame.index)
    parts = {
        "min_of_day": (index.hour * 60 + index.minute, 1440.0),
        "day_of_week": (index.dayofweek, 7.0),
        "day_of_year": (index.dayofyear, 365.25),
    }
    for name, (counted, period) in parts.items():
        frame = frame.assign(**{name: counted})
        angle = frame[name] * (2 * np.pi / period)
        frame[f"{name}_sin"], frame[f"{name}_cos"] = np.sin(angle), np.cos(angle)
        frame = frame.drop(columns=[name])
    return frame


def work(frame: pd.DataFrame) -> dict[str, object]:
    gaps = frame.index.to_series().diff()
    step = pd.Timedelta(gaps.mode().iloc[0])
    gaps.value_counts().sort_index()  # its check of the grid looked at the whole distribution
    inputs = np.zeros((len(frame) - WINDOW + 1, WINDOW, FEATURES), np.float32)
    labels = np.zeros((len(frame) - WINDOW + 1, 1, len(COLUMNS)), np.float32)
    targets = frame[list(COLUMNS)]
    for row in range(len(inputs)):  # all windows, though only the last one is wanted
        inputs[row] = frame.iloc[row : row + WINDOW].values
        inputs[row, :, : len(COLUMNS)] = (frame.iloc[row : row + WINDOW, : len(COLUMNS)].values - MEANS) / STDS
        if row + WINDOW < len(frame):
            labels[row] = targets.iloc[row + WINDOW : row + WINDOW + 1].values
    ahead = pd.date_range(frame.index[-1] + step, periods=1, freq=step)
    found = pd.DataFrame(index=ahead, columns=[TARGET], dtype=float)
    found.loc[ahead[0], TARGET] = forecast(inputs[-1:])[0]
    return answer(ahead[0].isoformat(), float(found[TARGET].iloc[0]))


@app.post("/predict")
async def predict(request: Request) -> dict[str, object]:
    try:
        frame = frame_of(request)
        return await asyncio.get_running_loop().run_in_executor(one_thread, work, frame)
    except (ValueError, KeyError, TypeError) as error:
        raise HTTPException(400, str(error)) from error


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning")
