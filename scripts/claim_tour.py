"""The tour's third station: a claim goes in, its result comes out, on a broker in memory and a folder for a store.

The same consumer, desk and recorder that run on Kafka and S3. `demo` starts the service with `claim_settings`.
"""

import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import orjson
import pandas as pd
from rich.console import Console

from inference_container.defaults import default_data_path
from inference_container.routers.claims import ClaimsState
from scripts.tour import HISTORY, STEPS, TARGET, TourFailed, json_object, recomputed, understood

BUCKET, KEY, TOPIC = "processed-data", "jfk.parquet", "inference-data"
LOG_BUCKET = "inference-logs"
ANSWERED_WITHIN_S = 30.0
#: °F; see `tour.TOLERANCE`.
TOLERANCE = 1e-3


def claim_settings(objects: Path) -> tuple[Mapping[str, str], str]:
    """What the forecast service needs for this station, and the token that lets publish. What an earlier tour left in
    the folder is removed: a broker in memory begins at offset 0 each time."""
    shutil.rmtree(objects, ignore_errors=True)
    token = secrets.token_urlsafe(16)
    return {
        "KAFKA_BOOTSTRAP_SERVERS": "memory",
        "USE_KAFKA": "1",
        **dict.fromkeys(("S3_ENDPOINT", "MINIO_ENDPOINT"), ""),
        "STORE_PATH": str(objects),
        "PROCESSED_BUCKET": BUCKET,
        "TEST_OBJECT_KEY": KEY,
        "INFERENCE_LOG_BUCKET": LOG_BUCKET,
        "INFERENCE_LENGTH": str(STEPS),
        "INFERENCE_AUTOLOAD_PROMOTED": "0",
        "ENABLE_PUBLISH_API": "1",
        "ADMIN_TOKEN": token,
    }, token


def claim_tour(url: str, objects: Path, token: str, console: Console) -> None:
    """Raises TourFailed unless the claim's row in the log holds what the bundle computes from its object."""
    console.rule("A claim: Kafka's door, with a broker in memory")
    rows = pd.read_csv(default_data_path()).tail(HISTORY)
    place = objects / BUCKET / KEY
    place.parent.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(place, index=False)
    with httpx.Client(trust_env=False, timeout=30) as client:
        _until(lambda: _look(client, url).state == "running", "the consumer of claims does not run")
        order = {"identifier": "tour"}
        answer = client.post(
            f"{url}/publish_inference_claims", json=order, headers={"Authorization": f"Bearer {token}"}
        )
        if answer.status_code != 200:
            raise TourFailed(f"{answer.status_code}: {answer.text}")
        console.print(f"[dim]published    one claim for {BUCKET}/{KEY} to {json_object(answer)['topic']}[/dim]")
        part, row = _result(client, url, objects)
        _until(lambda: not any(each.lag for each in _look(client, url).partitions), "its offset was not committed")
    _check(row, rows)
    steps = row["forecast"]["predictions"]
    console.print(f"[dim]{'answered':12}[/dim] {row['source']}, {row['rows']} steps by {row['model_type']}")
    console.print(f"[dim]{'first, last':12}[/dim] {steps[0]['ts']} {steps[0][TARGET]:.1f} °F, ", end="")
    console.print(f"{steps[-1]['ts']} {steps[-1][TARGET]:.1f} °F")
    console.print(f"[dim]{'recorded in':12}[/dim] {part}", soft_wrap=True)
    console.print("A recomputation from the bundle gives the same, and nothing is left to commit: lag 0.")


def _result(client: httpx.Client, url: str, objects: Path) -> tuple[Path, dict[str, Any]]:
    """The part of the log that holds the claim's row, and the row."""
    _until(lambda: bool(_parts(objects)), "the claim was not answered", lambda: _look(client, url).model_dump_json())
    part = _parts(objects).pop()
    return part.relative_to(objects), orjson.loads(part.read_bytes().splitlines()[0])


def _until(there: Callable[[], bool], otherwise: str, told: Callable[[], str] = str) -> None:
    end = time.monotonic() + ANSWERED_WITHIN_S
    while not there():
        if time.monotonic() > end:
            raise TourFailed(f"{otherwise}: {told()}".removesuffix(": "))
        time.sleep(0.05)


def _parts(objects: Path) -> set[Path]:
    return set((objects / LOG_BUCKET / "results" / f"topic={TOPIC}").rglob("*.jsonl"))


def _look(client: httpx.Client, url: str) -> ClaimsState:
    return understood(ClaimsState, client.get(f"{url}/claims").text)


def _check(row: dict[str, Any], rows: pd.DataFrame) -> None:
    if row["status"] != "ok":
        raise TourFailed(f"the claim became {row['status']}: {row['reason']}")
    data = {name: [None if pd.isna(each) else each for each in column] for name, column in rows.items()}
    again = recomputed(row["source"], orjson.dumps({"data": data, "inference_length": STEPS}))
    for here, there in zip(row["forecast"]["predictions"], again, strict=True):
        if here["ts"] != there["ts"] or not abs(here[TARGET] - float(there[TARGET])) <= TOLERANCE:
            raise TourFailed(f"the claim's forecast differs from the bundle's at {here['ts']}")
