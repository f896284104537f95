"""What the chat service is asked, and what is a right answer to it: as one JSON and as a stream. Pure."""

import json
import random

from payloads import Outcome

QUESTIONS = (
    "I have had a headache since yesterday, what can I do?",
    "Can I take ibuprofen with my medication?",
    "My child has a fever of 38.5, should I worry?",
    "I feel dizzy when I stand up. What may that be?",
    "How much water should I drink on a hot day?",
)
#: The synthetic patients that a fresh record store is filled with.
PATIENTS = tuple(f"P{number:06d}" for number in range(1, 51))


def a_question() -> dict[str, str]:
    return {"patient_mrn": random.choice(PATIENTS), "query": random.choice(QUESTIONS)}


def answered(asked: dict[str, str], status: int, body: bytes) -> Outcome:
    if status != 200:
        return Outcome(_refusal(status, body))
    try:
        return Outcome(_fault(asked, json.loads(body)))
    except ValueError as error:
        return Outcome(f"no JSON: {error}")


def streamed(asked: dict[str, str], status: int, body: bytes) -> Outcome:
    """A stream is right when it ends, and its result is."""
    if status != 200:
        return Outcome(_refusal(status, body))
    events = [_parted(block) for block in body.split(b"\n\n") if block.strip()]
    results = [data for name, data in events if name == "result"]
    if len(results) != 1 or not events or events[-1][0] != "done":
        told = next((data for name, data in events if name == "error"), b"")
        return Outcome(f"a stream without its result and end: {[name for name, _ in events][-3:]} {told[:200]!r}")
    try:
        return Outcome(_fault(asked, json.loads(results[0])))
    except ValueError as error:
        return Outcome(f"no JSON: {error}")


def _parted(block: bytes) -> tuple[str, bytes]:
    lines = dict(line.split(b": ", 1) for line in block.splitlines() if b": " in line)
    return lines.get(b"event", b"").decode(), lines.get(b"data", b"")


def _fault(asked: dict[str, str], body: object) -> str | None:
    if not isinstance(body, dict) or any(body.get(key) != value for key, value in asked.items()):
        return "the answer belongs to another question"
    if not str(body.get("response", "")).strip():
        return "the answer is empty"
    if body.get("degraded"):
        return f"degraded: {body['degraded']}"
    return None


def _refusal(status: int, body: bytes) -> str:
    return f"{status}: {body[:200].decode(errors='replace')}"
