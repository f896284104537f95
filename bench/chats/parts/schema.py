"""Part `schema`: does it cost anything to be held to a form? Four streams of JSON beside four of free text.

Called by `bench.triage`. Only the time in which all four write counts; reading the prompts is the same for both.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from bench.chats.client import Json
from bench.chats.crowd import at_once
from bench.chats.figures import decode_rate, over
from bench.chats.parts import Effort, Part
from bench.chats.stage import Stage
from bench.chats.words import chat
from bench.contest import ContestFailed, Running
from bench.stage import say
from bench.verdict import Line, markdown

STREAMS, SHARED, OWN, TOKENS = 4, 100, 20, 96
FLOOR = 0.95
_TEXTS: dict[str, Json] = {"type": "array", "items": {"type": "string"}}
SCHEMA: dict[str, Json] = {
    "type": "object",
    "properties": {
        "urgency": {"enum": ["emergency", "urgent", "routine", "self-care"]},
        "advice": {"type": "string"},
        "red_flags": _TEXTS,
    },
    "required": ["urgency", "advice", "red_flags"],
    "additionalProperties": False,
}
HELD: Mapping[str, Json] = {
    "response_format": {"type": "json_schema", "json_schema": {"name": "advice", "schema": SCHEMA}}
}
#: The order of the members is the server's to choose.
_BEGINNING = re.compile(
    r'\s*\{\s*"(?:urgency"\s*:\s*"(?:emergency|urgent|routine|self-care)"|advice"\s*:\s*"|red_flags"\s*:\s*\[)'
)


@dataclass(frozen=True, slots=True)
class Rates:
    """One round: tokens a second of all four together."""

    free: float
    held: float
    held_tokens: int  #: of all four; an answer may come to its end before the limit


def measure(stage: Stage, effort: Effort) -> Part:
    """Both in one start of the service, in turns.

    Raises:
        ContestFailed: The service did not start, or did not answer.
    """
    say(f"JSON beside free text, {effort.rounds} round(s)")
    with stage.ours(slots=STREAMS) as server:
        rounds = [asyncio.run(_round(server, number)) for number in range(effort.rounds)]
    free, held = over(rounds, lambda each: each.free), over(rounds, lambda each: each.held)
    lines = [Line("JSON by schema, 4 streams: tokens/s against free text", held / free, "x", FLOOR, None, True)]
    rows = [["4 streams", "tok/s"], ["free text", f"{free:.1f}"], ["held to a JSON schema", f"{held:.1f}"]]
    return Part((markdown(rows),), lines, {"rounds": [asdict(each) for each in rounds]})


async def _round(server: Running, number: int) -> Rates:
    def bodies(more: Mapping[str, Json]) -> list[dict[str, Json]]:
        numbers = range(STREAMS * number, STREAMS * (number + 1))
        return [chat(each, SHARED, OWN, TOKENS, more=more) for each in numbers]

    free = await at_once(server.port, bodies({}))
    held = await at_once(server.port, bodies(HELD))
    for answer in (*free.answers, *held.answers):
        if not answer.whole:
            raise ContestFailed(f"{server.contestant.name} answered {answer.status}: {answer.error}")
        # A server that ignores the schema would win by that.
        if answer in held.answers and not fits(answer.text):
            raise ContestFailed(f"{server.contestant.name} was asked for JSON and wrote {answer.text[:80]!r}")
    tokens = sum(answer.tokens for answer in held.answers)
    return Rates(decode_rate(free.answers), decode_rate(held.answers), tokens)


def fits(text: str) -> bool:
    """Whether it begins as such an object must. Noise that nobody holds to a form never does."""
    return _BEGINNING.match(text) is not None
