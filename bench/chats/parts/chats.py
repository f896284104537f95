"""Part `chats`: eight people ask at once, of ours and of each peer. Who waits how long, and does the text flow?

Called by `bench.triage`. Each server is started anew in each round, asked once to warm up (whose system text is the
crowd's), and then by all at the same moment, while its health is probed. Beside them stands the same work done by
llama.cpp with no server around it: how near to its peers can anything on this processor come?
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from bench.chats.bare_loop import bare_loop
from bench.chats.crowd import at_once, probing
from bench.chats.figures import ChatFigures, chat_figures, middle, over
from bench.chats.parts import Effort, Part
from bench.chats.stage import EXAMPLE, NAIVE, SPIN, Stage
from bench.chats.words import chat
from bench.contest import OURS, ContestFailed, Running
from bench.stage import say
from bench.verdict import Line, markdown

#: Words, each about a token.
SHARED, OWN = 290, 90
#: Ours over the peer's: floor and aim.
WALL = {EXAMPLE: (0.92, 0.78), NAIVE: (0.52, 0.42)}
FIRST = {EXAMPLE: (0.67, 0.5)}
GAP_P99_S = (1.6, 1.0)
HEALTH_P99_MS = 10.0

Rounds = Mapping[str, Sequence[ChatFigures]]


def measure(stage: Stage, effort: Effort) -> Part:
    """All servers, `effort.rounds` times, the order turned by one every time.

    Raises:
        ContestFailed: A server did not start, or did not answer its first caller.
    """
    names = (OURS, *stage.peers)
    found: dict[str, list[ChatFigures]] = {name: [] for name in names}
    bare: list[float] = []
    for number in range(effort.rounds):
        say(f"Eight chats at once, round {number + 1} of {effort.rounds}")
        turned = number % len(names)
        for name in (*names[turned:], *names[:turned]):
            with stage.server(name, slots=effort.chats) as server:
                figures = asyncio.run(_crowd(server, effort, stream=name != NAIVE))
            say(f"  {name}: {figures.wall_s:.1f} s, first text after {figures.first_p50_s:.1f} s")
            found[name].append(figures)
        with bare_loop(stage, " ".join(f"{name}={value}" for name, value in SPIN.items()), nice=0) as ask:
            own = (found[OURS][-1].prompt_tokens or SHARED + OWN) - SHARED
            bare.append(ask(f"crowd {effort.chats} {SHARED} {own} {effort.max_tokens}"))
        say(f"  nothing but llama.cpp: {bare[-1]:.1f} s")
    words = (
        f"{effort.chats} chats at once, {effort.rounds} round(s), medians: prompts of about "
        f"{found[OURS][0].prompt_tokens or SHARED + OWN} tokens of which about {SHARED} are everybody's, "
        f"{effort.max_tokens} tokens of answer, temperature 0, {effort.chats} slots, {stage.threads} threads."
    )
    told: dict[str, object] = {name: list(map(asdict, found[name])) for name in names}
    paragraphs = (f"{words}\n\n{table(found)}", bare_in_words(found, bare))
    return Part(paragraphs, lines(found), {**told, "bare": bare})


async def _crowd(server: Running, effort: Effort, *, stream: bool) -> ChatFigures:
    (warm_up,) = (await at_once(server.port, [chat(999, SHARED, OWN, 8, stream=stream)])).answers
    if not warm_up.whole:
        raise ContestFailed(f"{server.contestant.name} answered {warm_up.status}: {warm_up.error}")
    bodies = [chat(number, SHARED, OWN, effort.max_tokens, stream=stream) for number in range(effort.chats)]
    async with probing(server.port, server.contestant.health) as probes:
        crowd = await at_once(server.port, bodies)
    return chat_figures(crowd, probes, effort.max_tokens)


def lines(found: Rounds) -> list[Line]:
    """A line for each promise that these servers can speak to."""
    own = found[OURS]
    told: list[Line] = []
    for peer, (floor, aim) in WALL.items():
        if peer in found:
            ratio = over(own, lambda each: each.wall_s) / over(found[peer], lambda each: each.wall_s)
            told.append(Line(f"8 chats: wall against {peer}", ratio, "x", floor, aim, False))
    for peer, (floor, aim) in FIRST.items():
        if peer in found:
            ratio = over(own, lambda each: each.first_p50_s) / over(found[peer], lambda each: each.first_p50_s)
            told.append(Line(f"8 chats: TTFT p50 against {peer}", ratio, "x", floor, aim, False))
    gap = over(own, lambda each: each.gap_p99_s)
    told.append(Line("8 chats: gap between tokens, p99", gap, " s", *GAP_P99_S, False))
    missing = sum(each.asked - each.whole for each in own)
    told.append(Line("8 chats: answers cut or failed", missing, "", 0.0, None, False))
    return [*told, *health_lines("8 chats", own)]


def bare_in_words(found: Rounds, bare: Sequence[float]) -> str:
    """What the best of servers would have for a ratio to each; not a promise, so no line."""
    seconds_alone = middle(bare)
    beside = "; ".join(
        f"{seconds_alone / over(rounds, lambda each: each.wall_s):.2f} x {name}" for name, rounds in found.items()
    )
    return f"llama.cpp with no server around it takes {seconds_alone:.1f} s for the same rows: {beside}."


def health_lines(where: str, rounds: Sequence[ChatFigures]) -> list[Line]:
    p99 = over(rounds, lambda each: each.health_p99_ms)
    failed = sum(each.probes_failed for each in rounds)
    return [
        Line(f"{where}: health p99", p99, " ms", HEALTH_P99_MS, None, False),
        Line(f"{where}: failed probes of health", failed, "", 0.0, None, False),
    ]


def table(found: Rounds) -> str:
    """A row for each server."""
    head = "server,wall s,ours is,TTFT p50 s,ours is,TTFT max s,tok/s,gap p50 s,gap p99 s,health p99 / max ms,whole"
    rows = [head.split(",")]
    for name, rounds in found.items():
        ratios = [
            "" if name == OURS else f"{over(found[OURS], figure) / over(rounds, figure):.2f} x"
            for figure in (lambda each: each.wall_s, lambda each: each.first_p50_s)
        ]
        whole = f"{sum(each.whole for each in rounds)} of {sum(each.asked for each in rounds)}"
        health = f"{over(rounds, lambda each: each.health_p99_ms):.1f} / {max(e.health_max_ms for e in rounds):.1f}"
        rows.append(
            [
                *(name, f"{over(rounds, lambda each: each.wall_s):.1f}", ratios[0]),
                *(f"{over(rounds, lambda each: each.first_p50_s):.2f}", ratios[1]),
                f"{over(rounds, lambda each: each.first_max_s):.1f}",
                f"{over(rounds, lambda each: each.tokens_per_s):.1f}",
                seconds(over(rounds, lambda each: each.gap_p50_s)),
                seconds(over(rounds, lambda each: each.gap_p99_s)),
                *(health, whole),
            ]
        )
    return markdown(rows)


def seconds(value: float) -> str:
    """A dash for what was not there: a server that streams nothing has no gaps."""
    return f"{value:.2f}" if value >= 0 else "-"
