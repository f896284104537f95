"""Load on the forecast service: real weather in, and every forecast checked for length, time and value.

    locust --locustfile locust/inference.py --host http://127.0.0.1:8000

80 % forecasts, 10 % liveness, 10 % readiness and metrics. LOAD_PREDICT_P95_MS and LOAD_HEALTH_P95_MS move the limits.
Every request carries rows of its own, so that nothing can answer it from a cache.
"""

import csv
import json
import math
import random
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from judge import judge_at_the_end, refused
from verdict import Limit, milliseconds

from locust import FastHttpUser, between, task

DATA = Path(__file__).parent.parent / "inference_container" / "defaults" / "jfk-hourly-2013.csv"
COLUMNS = ("temp", "dewp", "humid", "wind_speed")
TARGET = "temp"
STEP = timedelta(hours=1)
LENGTHS = (1, 6, 24)
#: Hours sent: more than the default bundle's window, as a caller who does not count would.
ROWS = 72
#: Degrees Fahrenheit. Outside of it a forecast of New York's weather is a mistake and not a surprise.
PLAUSIBLE = (-40.0, 130.0)

with DATA.open(newline="") as _file:
    OBSERVED = list(csv.DictReader(_file))
#: Where a stretch may begin: a hole is filled from the row before it, and the first row has none.
STARTS = [first for first in range(len(OBSERVED) - ROWS) if all(OBSERVED[first].values())]

judge_at_the_end(
    [
        Limit("POST /predict", p95_ms=milliseconds("LOAD_PREDICT_P95_MS", 500)),
        Limit("GET /healthz", p95_ms=milliseconds("LOAD_HEALTH_P95_MS", 250)),
        Limit("GET /ready", p95_ms=milliseconds("LOAD_HEALTH_P95_MS", 250)),
        Limit("GET /metrics", p95_ms=milliseconds("LOAD_HEALTH_P95_MS", 250)),
    ]
)


class Caller(FastHttpUser):
    wait_time = between(0.01, 0.1)
    network_timeout = 60.0

    @task(8)
    def predict(self) -> None:
        asked = some_hours()
        wait: float | None
        with self.client.post("/predict", json=asked, name="POST /predict", catch_response=True) as answer:
            if (wait := refused(answer)) is None and (wrong := fault(asked, answer.status_code, answer.text)):
                answer.failure(wrong)
        if wait:
            time.sleep(wait)  # gevent's by now: only this user waits

    @task(1)
    def healthz(self) -> None:
        with self.client.get("/healthz", name="GET /healthz", catch_response=True) as answer:
            if answer.status_code != 200 or answer.json().get("status") != "ok":
                answer.failure(f"{answer.status_code}: {answer.text[:200]}")

    @task(1)
    def operations(self) -> None:
        path, word = random.choice((("/ready", '"ready"'), ("/metrics", "inference_jobs_outcome_total")))
        with self.client.get(path, name=f"GET {path}", catch_response=True) as answer:
            if answer.status_code != 200 or word not in answer.text:
                answer.failure(f"{answer.status_code}: {answer.text[:200]}")


def some_hours() -> dict[str, Any]:
    """A request with a random stretch of the observations, holes included."""
    first = random.choice(STARTS)
    rows = OBSERVED[first : first + ROWS]
    data: dict[str, list[str] | list[float | None]] = {"time": [row["time"] for row in rows]}
    data |= {column: [float(row[column]) if row[column] else None for row in rows] for column in COLUMNS}
    return {"data": data, "inference_length": random.choice(LENGTHS)}


def fault(asked: dict[str, Any], status: int, text: str) -> str | None:
    """What is wrong with an answer, None when nothing is."""
    if status != 200:
        return f"{status}: {text[:200]}"
    body = json.loads(text)
    if body.get("status") != "SUCCESS":
        return f"status {body.get('status')!r}"
    steps = body.get("predictions", [])
    last = datetime.fromisoformat(asked["data"]["time"][-1]).replace(tzinfo=None)
    if [step["ts"] for step in steps] != [
        (last + STEP * (number + 1)).isoformat() for number in range(asked["inference_length"])
    ]:
        return "the forecast is not the hours after the last row"
    low, high = PLAUSIBLE
    if not all(math.isfinite(step[TARGET]) and low < step[TARGET] < high for step in steps):
        return f"implausible values: {[step[TARGET] for step in steps][:3]}"
    return None
