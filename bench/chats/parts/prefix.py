"""Part `prefix`: what has been read once need not be read again. How soon does the first token come then?

Called by `bench.triage`. Three questions in a row, of an idle service: one whose system text nobody has read yet, one
under the same system text, and a second one about the same patient, whose record stands before the question.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bench.chats.client import Answer, Json, ask
from bench.chats.figures import middle, over
from bench.chats.parts import Effort, Part
from bench.chats.stage import Stage
from bench.chats.words import text
from bench.contest import ContestFailed, Running
from bench.stage import say
from bench.verdict import Line, markdown

#: Words, each about a token. A patient's record and question together are as long as anybody's own text.
SYSTEM, OWN, RECORD = 590, 95, 70
#: Of the time without anything kept.
KEPT, SAME_PATIENT = 0.18, 0.12


@dataclass(frozen=True, slots=True)
class Firsts:
    """One round: seconds to the first token."""

    cold_s: float
    kept_s: float
    record_s: float  #: the first question about a patient, under a kept system text
    same_patient_s: float
    prompt_tokens: tuple[int, ...]
    cached_tokens: tuple[int, ...]


def measure(stage: Stage, effort: Effort) -> Part:
    """Each round under a system text of its own.

    Raises:
        ContestFailed: The service did not start, or did not answer.
    """
    say(f"Prefixes, {effort.rounds} round(s)")
    with stage.ours(slots=4) as server:
        rounds = [asyncio.run(_round(server, number)) for number in range(effort.rounds)]
    cold = over(rounds, lambda each: each.cold_s)
    kept, again = over(rounds, lambda each: each.kept_s), over(rounds, lambda each: each.same_patient_s)
    lines = [
        Line("TTFT, a 600-token prefix kept and 100 of one's own, against cold", kept / cold, "x", KEPT, None, False),
        Line("TTFT, second question about a patient, against cold", again / cold, "x", SAME_PATIENT, None, False),
    ]
    return Part((table(rounds),), lines, {"rounds": [asdict(each) for each in rounds]})


async def _round(server: Running, number: int) -> Firsts:
    system = text(SYSTEM, 100 + number)
    record, patient = text(RECORD, 200 + number), {"prompt_cache_key": f"patient-{number}"}
    questions = [text(OWN - RECORD, 300 + 2 * number + turn) for turn in (0, 1)]
    asked: list[dict[str, Json]] = [
        _body(system, f"a{number}: {text(OWN, 400 + number)}"),
        _body(system, f"b{number}: {text(OWN, 500 + number)}"),
        *({**_body(system, f"Record {number}: {record}\n\nQuestion: {question}"), **patient} for question in questions),
    ]
    answers = [await _one(server, body) for body in asked]
    cold, kept, first, second = (answer.first_s for answer in answers)
    return Firsts(
        *(cold, kept, first, second),
        prompt_tokens=tuple(answer.prompt_tokens for answer in answers),
        cached_tokens=tuple(answer.cached_tokens for answer in answers),
    )


def _body(system: str, user: str) -> dict[str, Json]:
    return {
        "model": "default",
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
        "max_tokens": 4,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def _one(server: Running, body: dict[str, Json]) -> Answer:
    answer = await ask(server.port, body)
    if not answer.whole:
        raise ContestFailed(f"{server.contestant.name} answered {answer.status}: {answer.error}")
    return answer


def table(rounds: Sequence[Firsts]) -> str:
    cases = ("cold", "system text kept", "first question about a patient", "second question about the patient")
    seconds = [(each.cold_s, each.kept_s, each.record_s, each.same_patient_s) for each in rounds]
    rows = [["case", "prompt tokens", "of them kept", "TTFT s", "of cold"]]
    cold = over(rounds, lambda each: each.cold_s)
    for number, case in enumerate(cases):
        took = middle(each[number] for each in seconds)
        tokens = f"{rounds[0].prompt_tokens[number]}", f"{rounds[0].cached_tokens[number]}"
        rows.append([case, *tokens, f"{took:.2f}", f"{took / cold:.3f} x"])
    return markdown(rows)
