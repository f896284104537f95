"""The values of a triage: what is asked, what waits in the engine's lane, and what happens until the answer. Pure.

`triage` makes them, `routers.triage` renders them.
"""

import asyncio
from dataclasses import dataclass, field
from typing import TypeAlias

from service_chat.engines.protocol import Completion, Engine, SamplingParams, StreamEvent
from service_chat.records.ports import PatientRecord
from serving.admission import BoundedQueue


@dataclass(frozen=True, slots=True)
class Question:
    patient_mrn: str
    query: str
    llm_mode: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What waits in the lane. The engine's events go into `steps`, then None when the ticket is settled."""

    engine: Engine
    record: PatientRecord
    query: str
    params: SamplingParams
    steps: asyncio.Queue[StreamEvent | None] = field(default_factory=asyncio.Queue)


TriageLane: TypeAlias = BoundedQueue[Job, Completion]


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of every triage that is not an error."""

    text: str
    llm_mode: str
    model: str | None
    model_sha256: str | None
    inference_time_ms: float  #: the wait for the engine included
    degraded: tuple[str, ...] = ()
    completion: Completion | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """Where the request is: `queued`, `prefill` or `generating`."""

    state: str
    elapsed_ms: float
    position: int | None = None  #: tickets before this one, while queued
    prompt_done: int | None = None
    prompt_total: int | None = None
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Text:
    """More of the answer."""

    text: str


#: What happens to a question, in order; an Answer is the last.
Step: TypeAlias = Status | Text | Answer
