"""Part `decode`: what of the machine's speed reaches the reader? The engine beside llama.cpp with nothing around it.

Called by `bench.triage`. The engine is the one that serves, in its own process and over its own pipe, only the HTTP
door is left out; beside it, in turns and with the same rows, threads, niceness and OpenMP setting, runs
`bench.chats.bare`.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import harmonic_mean

from bench.chats.bare_loop import bare_loop
from bench.chats.engine import configured, joint_rate, running_engine, write
from bench.chats.figures import middle, over
from bench.chats.parts import Effort, Part, drafting
from bench.chats.stage import Stage
from bench.chats.words import text
from bench.stage import say
from bench.verdict import Line, markdown
from service_chat.engines.gguf.process import GgufEngine
from service_chat.engines.protocol import ChatMessage

#: Rows, and how many tokens each writes: enough that the first is still at it when the last has been read.
ROWS = {1: 64, 4: 64, 16: 64}
PROMPT = 40
AGGREGATE, SINGLE = 0.97, 0.95


@dataclass(frozen=True, slots=True)
class Speeds:
    """One round, tokens a second by rows."""

    engine: dict[int, float]
    bare: dict[int, float]
    generate: float


def measure(stage: Stage, effort: Effort) -> Part:
    """Both are loaded all the time and work in turns.

    Raises:
        ContestFailed: One of them did not start, or did not write what was asked for.
    """
    say(f"Decoding at {', '.join(map(str, ROWS))} rows, {effort.rounds} round(s)")
    rounds = asyncio.run(_rounds(stage, effort))
    guesses = asyncio.run(drafting.measure(stage, effort))
    figures = {"rounds": [asdict(each) for each in rounds], "drafting": guesses.figures}
    return Part((table(rounds), *guesses.paragraphs), (*lines(rounds), *guesses.lines), figures)


def lines(rounds: Sequence[Speeds]) -> list[Line]:
    """Of each round its own ratio: what the machine did meanwhile is then in both of its figures."""
    told: list[Line] = []
    for rows in ROWS:
        ratio = middle(each.engine[rows] / each.bare[rows] for each in rounds)
        told.append(
            Line(f"decode, {rows} row(s): tokens/s against bare llama_decode", ratio, "x", AGGREGATE, None, True)
        )
    single = over(rounds, lambda each: each.engine[1] / each.generate)
    return [*told, Line("decode, one stream: tokens/s against Llama.generate", single, "x", SINGLE, None, True)]


def table(rounds: Sequence[Speeds]) -> str:
    rows = [["rows", "engine tok/s", "of one row", "bare tok/s", "of one row"]]

    def cells(pick: Callable[[Speeds], dict[int, float]], count: int) -> list[str]:
        rate = over(rounds, lambda each: pick(each)[count])
        return [f"{rate:.1f}", f"{rate / over(rounds, lambda each: pick(each)[1]):.2f} x"]

    for count in ROWS:
        rows.append([f"{count}", *cells(lambda each: each.engine, count), *cells(lambda each: each.bare, count)])
    rows.append(["1, `Llama.generate`", "", "", f"{over(rounds, lambda each: each.generate):.1f}", ""])
    return markdown(rows)


async def _rounds(stage: Stage, effort: Effort) -> list[Speeds]:
    async with running_engine(configured(stage, stage.model, max(ROWS), "off")) as engine:
        model = engine.status().model
        with bare_loop(stage, (model.spin or "") if model else "", engine.config.nice) as ask:
            return [await _round(engine, ask, number) for number in range(effort.rounds)]


async def _round(engine: GgufEngine, ask: Callable[[str], float], number: int) -> Speeds:
    ours: dict[int, float] = {}
    bare: dict[int, float] = {}
    for rows, tokens in ROWS.items():

        async def engine_at(rows: int = rows, tokens: int = tokens) -> float:
            return await engine_rate(engine, rows, tokens)

        async def bare_at(rows: int = rows, tokens: int = tokens) -> float:
            return await asyncio.to_thread(ask, f"rows {rows} {PROMPT} {tokens}")

        # One between two of the other: a machine that grows slower meanwhile is then slower for both. By turns.
        if number % 2 == 0:
            before, bare[rows], after = await engine_at(), await bare_at(), await engine_at()
            ours[rows] = harmonic_mean((before, after))
        else:
            before, ours[rows], after = await bare_at(), await engine_at(), await bare_at()
            bare[rows] = harmonic_mean((before, after))
    return Speeds(ours, bare, await asyncio.to_thread(ask, f"generate {PROMPT} {ROWS[1]}"))


async def engine_rate(engine: GgufEngine, rows: int, tokens: int) -> float:
    """Tokens a second while all of them write."""
    asked = (
        write(engine, (ChatMessage("user", f"{row}: {text(PROMPT - 12, 600 + row)}"),), tokens) for row in range(rows)
    )
    return joint_rate(await asyncio.gather(*asked))
