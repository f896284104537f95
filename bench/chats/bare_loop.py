"""Asks `bench.chats.bare`, which runs beside: what does llama.cpp do with nothing around it?

Called by the parts that hold the engine or a server against it.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.chats.stage import N_CTX, Stage
from bench.contest import INHERITED, ContestFailed
from scripts.loopback import ROOT


@contextmanager
def bare_loop(stage: Stage, spin: str, nice: int) -> Iterator[Callable[[str], float]]:
    """A question is a line as `bench.chats.bare` reads it. `spin`: NAME=value, as the engine tells what it has.

    Raises:
        ContestFailed: It ended.
    """
    environ = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environ |= dict([word.partition("=")[::2] for word in spin.split() if "=" in word])
    command = [sys.executable, "-m", "bench.chats.bare", str(stage.model), str(N_CTX), str(stage.threads), str(nice)]
    log = Path(stage.scratch) / "bare.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink, text=True
        )
    assert process.stdin is not None
    assert process.stdout is not None

    def told() -> str:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line:
            raise ContestFailed(f"The bare loop ended:\n{log.read_text(errors='replace')[-2000:]}")
        return line

    def ask(question: str) -> float:
        assert process.stdin is not None
        process.stdin.write(f"{question}\n")
        process.stdin.flush()
        return float(told())

    try:
        told()
        yield ask
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
