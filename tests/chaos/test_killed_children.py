"""Children killed again and again under load: every answer is typed, health never fails, one good request follows."""

import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.fakes.weather import weather
from tests.integration.processes import ServiceProcess, descendants, eventually, running
from tests.models.tiny_gguf import build_tiny_gguf, form_of

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

KILLS = 10
#: Answers a caller may get while children die: done, not now, or broken off. Anything else is a bug.
TYPED = {200, 429, 503, 504}


class Load:
    """Callers that ask one after another until told to stop, and a probe that never should fail."""

    def __init__(self, service: ServiceProcess, path: str, body: object, health: str, callers: int = 4) -> None:
        self.statuses: Counter[int] = Counter()
        self.codes: Counter[str] = Counter()
        self.health: Counter[int] = Counter()
        self._service, self._path, self._body, self._health = service, path, body, health
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(callers)]
        self._threads.append(threading.Thread(target=self._probe))

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self) -> None:
        with self._service.client(60) as client:
            while not self._over.is_set():
                answer = client.post(self._path, json=self._body)
                self.statuses[answer.status_code] += 1
                if answer.status_code != 200:
                    self.codes[answer.json()["code"]] += 1

    def _probe(self) -> None:
        with self._service.client(5) as client:
            while not self._over.is_set():
                self.health[client.get(self._health).status_code] += 1
                time.sleep(0.02)


def kill_children(service: ServiceProcess, spread_s: float) -> None:
    dice = random.Random(7)
    for _ in range(KILLS):
        time.sleep(dice.uniform(0.2, 1.0) * spread_s)
        for pid in descendants(service.process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def test_forecast_workers_may_die_at_any_moment(tmp_path: Path) -> None:
    module, settings = ("inference_container", "serve"), {"QUEUE_WORKERS": "2", "INFERENCE_TIMEOUT": "30"}
    body = {"data": weather(100)}
    with running(module, "INFERENCE_API_PORT", tmp_path, settings) as service:
        service.until_ready()
        with Load(service, "/predict", body, "/healthz") as load:
            kill_children(service, spread_s=5)
        assert set(load.statuses) <= TYPED, load.codes
        assert set(load.health) == {200}
        eventually(lambda: service.get("/ready").json() == {"status": "ready"}, 60)
        with service.client() as client:
            assert client.post("/predict", json=body).status_code == 200


def test_the_chat_engine_may_die_at_any_moment(tmp_path: Path) -> None:
    gguf = build_tiny_gguf(tmp_path / "script.gguf", "script", form_of())
    body = {"patient_mrn": "P000123", "query": "Can I take ibuprofen?"}
    with running(("service_chat",), "CHAT_API_PORT", tmp_path, {"GGUF_PATH": str(gguf)}) as service:
        service.until_ready()
        with Load(service, "/triage", body, "/health") as load:
            kill_children(service, spread_s=2)
        assert set(load.statuses) <= TYPED, load.codes
        assert set(load.health) == {200}
        eventually(lambda: httpx.get(f"{service.url}/ready").status_code == 200, 60)
        with service.client() as client:
            answer = client.post("/triage", json=body)
        assert (answer.status_code, answer.json()["degraded"]) == (200, [])
