"""The two stations of the tour: ask, show, check. `demo` starts the services that they ask."""

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
from rich.console import Console
from rich.panel import Panel

from inference_container.bundles.loader import load_bundle, open_inferencer
from inference_container.defaults import default_bundle_path, default_data_path
from inference_container.forecasting.messages import ForecastQuery

PATIENT = "P000123"
QUERY = "I have had a sore knee since yesterday. Can I take ibuprofen with the medicines in my record?"
STEPS = 24
HISTORY = 120
SHOWN = 44  #: hours of history in the chart: with the forecast and the axis it fits 80 columns


class TourFailed(Exception):
    """What was shown is not what was promised."""


def triage_tour(url: str, console: Console) -> None:
    """Raises TourFailed unless the model wrote a non-empty answer for the patient asked about."""
    console.rule("POST /triage, as a stream of what happens")
    console.print(f"[bold]{PATIENT}[/bold] asks: {QUERY}\n")
    result: dict[str, Any] | None = None
    for name, data in server_sent_events(f"{url}/triage", {"patient_mrn": PATIENT, "query": QUERY}):
        match name:
            case "accepted":
                console.print(f"[dim]accepted     trace {data['trace_id']}[/dim]")
            case "status" if data["state"] == "prefill":
                progress = f"{data['prompt_done']} of {data['prompt_total']} tokens"
                console.print(f"[dim]{'reading':12} {progress}, {data['elapsed_ms']:.0f} ms[/dim]")
            case "status" if data["state"] == "queued":
                console.print(f"[dim]{'queued':12} position {data.get('position', 0)}[/dim]")
            case "delta":
                console.print(data["text"], end="", markup=False, soft_wrap=True)
            case "result":
                result = data
            case "error":
                raise TourFailed(f"{data['code']}: {data['detail']}")
    if result is None or result["patient_mrn"] != PATIENT or not result["response"].strip() or result["degraded"]:
        raise TourFailed("the model wrote no answer for the patient asked about")
    usage, timings, versions = result["usage"], result["timings"], result["versions"]
    console.print(
        f"\n\n[dim]{versions['model']}: {usage['prompt_tokens']} tokens read in {timings['prefill_ms'] / 1000:.1f} s, "
        f"{usage['completion_tokens']} written in {timings['decode_ms'] / 1000:.1f} s[/dim]"
    )
    console.print(Panel(result["disclaimer"], style="yellow", expand=False))


def server_sent_events(url: str, body: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    with httpx.stream("POST", url, json=body, headers={"Accept": "text/event-stream"}, timeout=600) as answer:
        if answer.status_code != 200:
            raise TourFailed(f"{answer.status_code}: {answer.read().decode()}")
        name = ""
        for line in answer.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                yield name, json.loads(value)


def forecast_tour(url: str, console: Console) -> None:
    """Raises TourFailed unless the forecast starts one step after the last row and equals a recomputation."""
    console.rule(f"POST /predict: JFK's temperature, the next {STEPS} hours")
    with default_data_path().open(newline="") as source:
        rows = list(csv.DictReader(source))[-HISTORY:]
    times = [row["time"] for row in rows]
    columns = [name for name in rows[0] if name != "time"]
    data = {"time": times, **{name: [float(row[name]) if row[name] else None for row in rows] for name in columns}}
    body = json.dumps({"data": data, "inference_length": STEPS}).encode()
    answer = httpx.post(f"{url}/predict", content=body, headers={"Content-Type": "application/json"}, timeout=60)
    if answer.status_code != 200:
        raise TourFailed(f"{answer.status_code}: {answer.text}")
    predictions = answer.json()["predictions"]
    forecast = [float(each["temp"]) for each in predictions]
    observed = [float(row["temp"]) for row in rows if row["temp"]]
    for line in plot(observed[-SHOWN:], forecast):
        console.print(line, markup=False)
    console.print(
        f"[dim]● the last {SHOWN} hours that were sent, ○: forecast from {predictions[0]['ts']} UTC, °F[/dim]"
    )
    check_forecast(times[-1], body, answer.json())
    console.print("The first step is one hour after the last row, and a recomputation from the bundle gives the same.")


def check_forecast(last: str, body: bytes, answer: dict[str, Any]) -> None:
    expected_first = (datetime.fromisoformat(last) + timedelta(hours=1)).replace(tzinfo=None).isoformat()
    predictions = answer["predictions"]
    if predictions[0]["ts"] != expected_first:
        raise TourFailed(f"the forecast starts at {predictions[0]['ts']}, not one step after the last row")
    inferencer, _ = open_inferencer(load_bundle(default_bundle_path()))
    (again,) = inferencer.answer([ForecastQuery(answer["req_id"], body)])
    if not isinstance(again, bytes):
        raise TourFailed(f"the recomputation failed: {again}")
    for served, computed in zip(predictions, json.loads(again)["predictions"], strict=True):
        if served["ts"] != computed["ts"] or abs(served["temp"] - computed["temp"]) > 1e-3:
            raise TourFailed(f"the forecast differs from the bundle's at {served['ts']}")


def plot(history: Sequence[float], forecast: Sequence[float], height: int = 12) -> Iterator[str]:
    """A chart for a terminal: one character a step, the value axis on the left."""
    values = [*history, *forecast]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    levels = [round((value - low) / span * (height - 1)) for value in values]
    for level in reversed(range(height)):
        marks = ("●" if i < len(history) else "○" for i in range(len(values)))
        cells = "".join(mark if at == level else " " for mark, at in zip(marks, levels, strict=True))
        label = f"{low + span * level / (height - 1):6.1f}" if level % 3 == 0 or level == height - 1 else " " * 6
        yield f"{label} │{cells[: len(history)]}┊{cells[len(history) :]}"
    yield f"{'':6} └{'─' * len(history)}┴{'─' * len(forecast)}"
