"""Load on the chat service: ten triage questions for every look at /health, each answer read and checked.

    locust --locustfile locust/chat.py --host http://127.0.0.1:8002

LOAD_TRIAGE_P95_MS and LOAD_HEALTH_P95_MS move the limits; a large model needs minutes rather than seconds.
"""

import json
import random
import time

from judge import judge_at_the_end, refused
from verdict import Limit, milliseconds

from locust import FastHttpUser, between, task

QUESTIONS = (
    "I have had a headache since yesterday, what can I do?",
    "Can I take ibuprofen with my medication?",
    "My child has a fever of 38.5, should I worry?",
    "I feel dizzy when I stand up. What may that be?",
    "How much water should I drink on a hot day?",
)
#: The synthetic patients that a fresh record store is filled with.
PATIENTS = tuple(f"P{number:06d}" for number in range(1, 51))

judge_at_the_end(
    [
        Limit("POST /triage", p95_ms=milliseconds("LOAD_TRIAGE_P95_MS", 15_000)),
        Limit("GET /health", p95_ms=milliseconds("LOAD_HEALTH_P95_MS", 250)),
    ]
)


class Patient(FastHttpUser):
    wait_time = between(0.1, 0.5)
    network_timeout = 600.0

    def on_start(self) -> None:
        self.health()  # so that a short run against a slow model has looked at least once

    @task(1)
    def health(self) -> None:
        with self.client.get("/health", name="GET /health", catch_response=True) as answer:
            if answer.status_code != 200 or answer.json().get("status") != "ok":
                answer.failure(f"{answer.status_code}: {answer.text[:200]}")

    @task(10)
    def triage(self) -> None:
        asked = {"patient_mrn": random.choice(PATIENTS), "query": random.choice(QUESTIONS)}
        wait: float | None
        with self.client.post("/triage", json=asked, name="POST /triage", catch_response=True) as answer:
            if (wait := refused(answer)) is None and (wrong := fault(asked, answer.status_code, answer.text)):
                answer.failure(wrong)
        if wait:
            time.sleep(wait)  # gevent's by now: only this user waits


def fault(asked: dict[str, str], status: int, text: str) -> str | None:
    """What is wrong with an answer, None when nothing is."""
    if status != 200:
        return f"{status}: {text[:200]}"
    body = json.loads(text)
    if any(body.get(key) != value for key, value in asked.items()):
        return "the answer belongs to another question"
    if not body.get("response", "").strip():
        return "the answer is empty"
    if body.get("degraded"):
        return f"degraded: {body['degraded']}"
    return None
