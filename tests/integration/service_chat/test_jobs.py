"""Questions that outlive their connections: resume, take back, ask once, and what becomes of them at SIGTERM."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.processes import ServiceProcess, descendants, eventually
from tests.integration.service_chat.conftest import Start
from tests.models.tiny_gguf import SLOW, build_tiny_gguf

QUESTION = {"patient_mrn": "P000123", "query": "Can I take ibuprofen?"}
Told = tuple[int, str, dict[str, Any]]


def lengthy(gguf: Path, **extra: str) -> dict[str, str]:
    """A model that takes its time, one question after the other."""
    return {"GGUF_PATH": str(gguf), "GGUF_N_CTX": "8192", "GGUF_MAX_TOKENS": "4000", "GGUF_SLOTS": "1", **extra}


def events(answer: httpx.Response) -> Iterator[Told]:
    assert answer.status_code == 200, answer.read()
    number, name = 0, ""
    for line in answer.iter_lines():
        field, _, value = line.partition(": ")
        match field:
            case "id":
                number = int(value)
            case "event":
                name = value
            case "data":
                yield number, name, json.loads(value)


@contextmanager
def stream(service: ServiceProcess, **headers: str) -> Iterator[Iterator[Told]]:
    asked = {"Accept": "text/event-stream", **headers}
    with service.client() as client, client.stream("POST", "/triage", json=QUESTION, headers=asked) as answer:
        yield events(answer)


@contextmanager
def resumed(service: ServiceProcess, job_id: str, last_id: int) -> Iterator[Iterator[Told]]:
    headers = {"Last-Event-ID": str(last_id)}
    with service.client() as client, client.stream("GET", f"/triage/{job_id}/events", headers=headers) as answer:
        yield events(answer)


def promised(service: ServiceProcess) -> str:
    with service.client() as client:
        answer = client.post("/triage", json=QUESTION, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202, answer.text
    return str(answer.headers["location"])


def state(service: ServiceProcess, location: str) -> str:
    return str(service.get(location).json()["state"])


def test_a_stream_that_breaks_off_goes_on_where_it_was_and_loses_nothing(start: Start, tmp_path: Path) -> None:
    # It is heard to its end: not slower than it takes to leave it in the middle.
    model = build_tiny_gguf(tmp_path / "slow.gguf", "slow", width=SLOW // 4)
    with start(lengthy(model)) as service:
        service.until_ready()
        heard: list[Told] = []
        with stream(service) as told:
            for event in told:
                heard.append(event)
                if event[1] == "delta":
                    break
        job_id = heard[0][2]["job_id"]
        for _ in range(2):  # and twice more in the middle, between one sentence and the next
            with resumed(service, job_id, heard[-1][0]) as told:
                for event in told:
                    heard.append(event)
                    if event[1] == "delta":
                        break
        assert state(service, f"/triage/{job_id}") == "generating"
        with resumed(service, job_id, heard[-1][0]) as told:
            heard.extend(told)
        ids = [number for number, _, _ in heard]
        assert ids == sorted(set(ids))
        result = next(data for _, name, data in heard if name == "result")
        said = [data["text"] for _, name, data in heard if name == "delta"]
        assert len(said) > 3
        assert "".join(said) in result["response"]
        assert service.get(f"/triage/{job_id}").json()["text"] == "".join(said)
        assert result["degraded"] == []
        assert [name for _, name, _ in heard][-2:] == ["result", "done"]
        assert service.events("request_abandoned") == []


def test_who_does_not_come_back_within_the_grace_has_left(start: Start, slow_gguf: Path) -> None:
    with start(lengthy(slow_gguf, TRIAGE_GRACE_SECONDS="2")) as service:
        service.until_ready()
        with stream(service) as told:
            _, _, accepted = next(told)
            next(told)
        time.sleep(0.1)
        assert state(service, f"/triage/{accepted['job_id']}") != "cancelled"  # a look: the grace begins anew
        eventually(lambda: len(service.events("request_abandoned")) == 1, 20)
        eventually(lambda: service.get("/health/model").json()["running"] == 0, 5)
        job = service.get(f"/triage/{accepted['job_id']}").json()
        assert (job["state"], job["problem"]["code"]) == ("cancelled", "caller_gone")
        assert 'triage_requests_total{outcome="abandoned"} 1' in service.get("/metrics").text


def test_a_question_is_taken_back_while_it_waits_and_while_it_is_answered(start: Start, slow_gguf: Path) -> None:
    with start(lengthy(slow_gguf)) as service, service.client() as client:
        service.until_ready()
        running = promised(service)
        eventually(lambda: state(service, running) == "generating", 20)
        waiting = promised(service)
        eventually(lambda: state(service, waiting) == "queued", 20)
        for location in (waiting, running):
            begun = time.monotonic()
            gone = client.delete(location)
            assert (gone.status_code, gone.json()["state"]) == (200, "cancelled")
            assert time.monotonic() - begun < 3
        eventually(lambda: service.get("/health/model").json()["running"] == 0, 5)
        last = promised(service)
        eventually(lambda: state(service, last) == "generating", 20)  # the slot is free again
        client.delete(last)


def test_who_waits_in_the_queue_hears_its_place_at_once_and_every_five_seconds(start: Start, slow_gguf: Path) -> None:
    with start(lengthy(slow_gguf)) as service:
        service.until_ready()
        for _ in range(4):
            promised(service)
        with stream(service) as told:
            begun = time.monotonic()
            times, names = list[float](), list[str]()
            for _, name, data in told:
                times.append(time.monotonic() - begun)
                names.append(name)
                if name == "status":
                    assert data["state"] == "queued"
                    assert 0 <= data["position"] <= 3
                if times[-1] > 8:
                    break
        assert times[0] < 3
        # A sign at least every 5 s, as it leaves; a busy machine may be late to look.
        assert max(after - before for before, after in pairwise(times)) <= 6.5
        # What the rules hold of the question, and of it beside the record; then its place, and two signs of life.
        assert names == ["accepted", "acuity", "acuity", "status", "status", "status"]


def test_a_stream_that_outlasts_the_grace_of_a_shutdown_ends_with_an_error_event(start: Start, slow_gguf: Path) -> None:
    with start(lengthy(slow_gguf, UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN="1")) as service:
        service.until_ready()
        heard: list[Told] = []
        with stream(service) as told:
            for event in told:
                heard.append(event)
                if len(heard) == 10:
                    service.process.send_signal(signal.SIGTERM)
        _, name, problem = heard[-1]
        assert (name, problem["code"], problem["status"]) == ("error", "draining", 503)
        assert problem["job_id"] == heard[0][2]["job_id"]
        assert service.process.wait(10) == 0


def test_a_shutdown_waits_for_a_question_that_nobody_listens_to(start: Start, slow_gguf: Path) -> None:
    with start(lengthy(slow_gguf, GGUF_MAX_TOKENS="400")) as service:
        service.until_ready()
        location = promised(service)
        eventually(lambda: state(service, location) == "generating", 20)
        assert service.stop(signal.SIGTERM) == 0
        # To its end, which is where its tokens ran out: a form that is cut off there is no answer.
        assert [event["degraded"] for event in service.events("request_completed")] == [["model_invalid"]]


def test_every_stream_in_an_engine_that_is_killed_ends_with_a_typed_error(start: Start, slow_gguf: Path) -> None:
    with start(lengthy(slow_gguf, GGUF_SLOTS="4", GGUF_MAX_TOKENS="800")) as service:
        service.until_ready()
        jobs = [promised(service) for _ in range(4)]
        eventually(lambda: {state(service, location) for location in jobs} == {"generating"}, 20)
        (engine,) = descendants(service.process.pid)
        os.kill(engine, signal.SIGKILL)
        for location in jobs:
            with resumed(service, location.rsplit("/", 1)[1], 0) as told:
                _, name, problem = list(told)[-1]
            assert (name, problem["code"], problem["status"]) == ("error", "worker_died", 503)
            assert state(service, location) == "failed"
        with stream(service) as told:
            assert any(name == "delta" for _, name, _ in told)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_a_retry_with_the_same_key_does_not_ask_the_model_again(service: ServiceProcess, accept: str) -> None:
    headers = {"Idempotency-Key": f"retry-{accept}"}
    with service.client() as client:
        first = client.post("/triage", json=QUESTION, headers=headers).json()
        again = client.post("/triage", json=QUESTION, headers={**headers, "Accept": accept})
        assert again.headers["idempotency-replayed"] == "true"
        result = again.json() if accept == "application/json" else {n: d for _, n, d in events(again)}["result"]
        assert result == first
        assert service.get(f"/triage/{first['job_id']}").json()["result"] == first
