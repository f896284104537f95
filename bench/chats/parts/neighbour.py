"""Part `neighbour`: another process burns one of the cores. How much of its speed does a lone stream keep?

Called by `bench.triage`. Threads that wait for each other by spinning lose most of it: the one that shares its core is
late at every barrier, and the others burn their time until it comes.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from bench.chats.client import ask
from bench.chats.figures import decode_rate, over
from bench.chats.parts import Effort, Part
from bench.chats.stage import Stage
from bench.chats.words import chat
from bench.contest import Running
from bench.generator import pinned
from bench.stage import say
from bench.verdict import Line, markdown

SHARED, OWN, TOKENS = 40, 20, 64
FLOOR = 0.5


@dataclass(frozen=True, slots=True)
class Speeds:
    """One round: tokens a second."""

    quiet: float
    burnt: float


def measure(stage: Stage, effort: Effort) -> Part:
    """Quiet and not, in turns, in one start of the service.

    Raises:
        ContestFailed: The service did not start.
    """
    say(f"A neighbour burns a core, {effort.rounds} round(s)")
    rounds: list[Speeds] = []
    with stage.ours(slots=4) as server:
        _speed(server, 0)  # reads the system text and warms up
        for number in range(effort.rounds):
            quiet = _speed(server, 1 + number)
            with _burning(min(stage.cores)):
                rounds.append(Speeds(quiet, _speed(server, 1 + number)))
    quiet, burnt = over(rounds, lambda each: each.quiet), over(rounds, lambda each: each.burnt)
    lines = [Line("a neighbour burns a core: speed of a stream, of quiet", burnt / quiet, "x", FLOOR, None, True)]
    rows = [["one stream", "tok/s"], ["quiet", f"{quiet:.1f}"], ["one core burnt by a neighbour", f"{burnt:.1f}"]]
    return Part((markdown(rows),), lines, {"rounds": [asdict(each) for each in rounds]})


def _speed(server: Running, number: int) -> float:
    return decode_rate([asyncio.run(ask(server.port, chat(number, SHARED, OWN, TOKENS)))])


@contextmanager
def _burning(core: int) -> Iterator[None]:
    # A session of its own: the kernel shares a core out between sessions first, as it does between two containers.
    with pinned(frozenset({core})):
        process = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"], start_new_session=True)
    try:
        yield
    finally:
        process.kill()
        process.wait()
