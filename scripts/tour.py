"""The two stations of the tour: ask, show, check. `demo` starts the services that they ask."""

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from inference_container.bundles.loader import load_bundle, open_inferencer
from inference_container.defaults import default_bundle_path, default_data_path
from inference_container.forecasting.messages import ForecastQuery
from inference_container.routers.schemas import PredictAnswer
from service_chat.routers.schemas import AcuityBody, TriageAnswer

PATIENT = "P000123"
QUERY = "I have had a sore knee since yesterday. Can I take ibuprofen with the medicines in my record?"
STEPS = 24
HISTORY = 120
SHOWN = 44  #: hours of history in the chart: with the forecast and the axis it fits 80 columns
TOLERANCE = 1e-3  #: °F; a batch of one and a batch of many differ in the last bits
TARGET = "temp"

Body = TypeVar("Body", bound=BaseModel)
Steps = Sequence[dict[str, str | float]]
_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


class TourFailed(Exception):
    """What was shown is not what was promised. The message is a sentence for the person who started the tour."""


def triage_tour(url: str, sha256: str, console: Console) -> None:
    """Raises TourFailed unless the model with this hash filled in its form for the patient asked about."""
    console.rule("POST /triage, as a stream of what happens")
    console.print(f"[bold]{PATIENT}[/bold] asks: {QUERY}\n")
    result: TriageAnswer | None = None
    for name, data in server_sent_events(f"{url}/triage", {"patient_mrn": PATIENT, "query": QUERY}):
        match name:
            case "accepted":
                console.print(f"[dim]accepted     trace {data.get('trace_id')}[/dim]")
            case "status" if data.get("state") == "prefill":
                progress = f"{data.get('done')} of {data.get('total')} tokens"
                console.print(f"[dim]{'reading':12} {progress}, {data.get('elapsed_ms', 0):.0f} ms[/dim]")
            case "status" if data.get("state") == "queued":
                console.print(f"[dim]{'queued':12} position {data.get('position', 0)}[/dim]")
            case "acuity":
                console.print(f"[dim]{'the rules':12} at least[/dim] [bold]{data.get('acuity')}[/bold]")
                for flag in understood(AcuityBody, json.dumps(data)).red_flags:
                    console.print(f"[dim]{'':12} {escape(flag.label)}[/dim]")
            case "status" if data.get("state") == "generating":
                console.print(f"[dim]{'writing':12}[/dim] ", end="")
            case "delta":
                console.print(data.get("text", ""), end="", markup=False, soft_wrap=True)
            case "result":
                result = understood(TriageAnswer, json.dumps(data))
            case "error":
                raise TourFailed(f"{data.get('code')}: {data.get('detail')}")
    if result is None:
        raise TourFailed("the answer broke off before its result")
    check_triage(result, sha256)
    console.print("\n")
    console.print(Panel(escape(result.response), title=result.acuity, expand=False))
    usage, timings = result.usage, result.timings
    if usage is not None:
        read = f"{usage.prompt_tokens} tokens read in {timings.prefill_ms / 1000:.1f} s"
        written = f"{usage.completion_tokens} written in {timings.decode_ms / 1000:.1f} s"
        console.print(f"[dim]{result.versions.model}: {read}, {written}[/dim]")
    if result.degraded:
        console.print("[dim]Its words made no sense and were left out; the rules and the record answered.[/dim]")
    console.print(Panel(result.disclaimer, style="yellow", expand=False))


def check_triage(result: TriageAnswer, sha256: str) -> None:
    """Raises TourFailed unless the llama.cpp engine wrote text for PATIENT with the model file of this hash."""
    if result.patient_mrn != PATIENT:
        raise TourFailed(f"the answer is for {result.patient_mrn}, not for the patient asked about")
    if result.llm_mode != "gguf":
        raise TourFailed(f"the answer comes from the {result.llm_mode} engine, not from a model on this machine")
    if result.versions.model_sha256 != sha256:
        raise TourFailed(f"another model answered than the one chosen: its sha256 is {result.versions.model_sha256}")
    # A small model may write what no patient should read. It was asked and it wrote; that its words are left out is the
    # service at work.
    lacking = [why for why in result.degraded if why != "model_incoherent"]
    if lacking:
        raise TourFailed(f"the answer is degraded: {', '.join(lacking)}")
    if result.usage is None or not result.usage.completion_tokens:
        raise TourFailed("the model was not asked, or wrote nothing: the words are the rules' own")
    if not result.response.strip():
        raise TourFailed("the answer has no text")


def server_sent_events(url: str, body: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, data) of each event. Raises TourFailed for a refusal, and for data that is no JSON object."""
    with (
        httpx.Client(trust_env=False, timeout=600) as client,
        client.stream("POST", url, json=body, headers={"Accept": "text/event-stream"}) as answer,
    ):
        if answer.status_code != 200:
            raise TourFailed(f"{answer.status_code}: {answer.read().decode(errors='replace')}")
        name = ""
        for line in answer.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                yield name, _object(value, url)


def forecast_tour(url: str, console: Console) -> None:
    """Raises TourFailed unless the forecast starts one step after the last row and equals a recomputation."""
    console.rule(f"POST /predict: JFK's temperature, the next {STEPS} hours")
    with default_data_path().open(newline="") as source:
        rows = list(csv.DictReader(source))[-HISTORY:]
    times = [row["time"] for row in rows]
    columns = [name for name in rows[0] if name != "time"]
    data = {"time": times, **{name: [float(row[name]) if row[name] else None for row in rows] for name in columns}}
    body = json.dumps({"data": data, "inference_length": STEPS}).encode()
    with httpx.Client(trust_env=False, timeout=60) as client:
        answer = client.post(f"{url}/predict", content=body, headers={"Content-Type": "application/json"})
    if answer.status_code != 200:
        raise TourFailed(f"{answer.status_code}: {answer.text}")
    served = understood(PredictAnswer, answer.text)
    steps = steps_of(served)
    check_forecast(times[-1], steps, recomputed(served.req_id, body))
    observed = [float(row[TARGET]) for row in rows if row[TARGET]]
    for line in plot(observed[-SHOWN:], [float(each[TARGET]) for each in steps]):
        console.print(line, markup=False)
    first = served.predictions[0]["ts"]
    console.print(f"[dim]● the last {SHOWN} hours that were sent, ○: forecast from {first} UTC, °F[/dim]")
    console.print("The first step is one hour after the last row, and a recomputation from the bundle gives the same.")


def recomputed(req_id: str, body: bytes) -> Steps:
    """The forecast of the default bundle, made in this process."""
    inferencer = open_inferencer(load_bundle(default_bundle_path())).inferencer
    (again,) = inferencer.answer([ForecastQuery(req_id, body)]).replies
    if not isinstance(again, bytes):
        raise TourFailed(f"the recomputation failed: {again}")
    return steps_of(understood(PredictAnswer, again))


def steps_of(answer: PredictAnswer) -> Steps:
    """Its rows without the quantiles, which the tour does not ask for."""
    return [{name: value for name, value in row.items() if not isinstance(value, dict)} for row in answer.predictions]


def check_forecast(last: str, served: Steps, computed: Steps) -> None:
    """Raises TourFailed unless `served` has STEPS hours, begins one hour after `last` and equals `computed`."""
    if len(served) != STEPS or len(computed) != STEPS:
        raise TourFailed(f"the forecast has {len(served)} steps, the recomputation {len(computed)}, asked: {STEPS}")
    expected_first = (datetime.fromisoformat(last) + timedelta(hours=1)).replace(tzinfo=None).isoformat()
    if served[0].get("ts") != expected_first:
        raise TourFailed(f"the forecast starts at {served[0].get('ts')}, not one step after the last row")
    for here, there in zip(served, computed, strict=True):
        # `not <=`, because a NaN is neither near nor far.
        if here.get("ts") != there.get("ts") or not abs(_value(here) - _value(there)) <= TOLERANCE:
            raise TourFailed(f"the forecast differs from the bundle's at {here.get('ts')}")


def _value(step: dict[str, str | float]) -> float:
    value = step.get(TARGET)
    if not isinstance(value, float | int):
        raise TourFailed(f"the forecast has no {TARGET} at {step.get('ts')}")
    return float(value)


def understood(kind: type[Body], text: str | bytes) -> Body:
    """`text` as the service documents it. Raises TourFailed when it is something else."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise TourFailed(f"the answer is not as documented: {where}: {first['msg']}") from None


def json_object(answer: httpx.Response) -> dict[str, Any]:
    """The body. Raises TourFailed when it is no JSON object: something else may listen on that port."""
    return _object(answer.text, str(answer.url))


def _object(text: str, url: str) -> dict[str, Any]:
    try:
        return _OBJECT.validate_json(text)
    except ValidationError:
        raise TourFailed(f"{url} answered something that is no JSON object: {text[:80]}") from None


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
