"""Entry functions for spawned children, and a listener that remembers. Entries must stand at module level."""

import asyncio
import os
import subprocess
import sys
import time

from typing_extensions import override

from serving.child import Channel, ChildExit, ChildListener


def echo(channel: Channel, prefix: str) -> None:
    """Sends back what it gets; some words make it misbehave."""
    channel.send(f"{prefix} ready")
    while True:
        match channel.receive():
            case "die":
                os._exit(3)
            case "raise":
                raise RuntimeError("asked to raise")
            case "hang":
                time.sleep(600)
            case "complain":
                print("a complaint", file=sys.stderr, flush=True)  # noqa: T201 - this is what the test reads
            case "progress bar":
                print("\r".join(f"{n:08d} of many" for n in range(20_000)), end="", file=sys.stderr, flush=True)  # noqa: T201 - as above
            case "leave a grandchild":
                subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"])
                channel.send("it inherited my standard error")
            case "big":
                channel.send(b"x" * 5_000_000)
            case other:
                channel.send(f"{prefix} {other}")


def busy(channel: Channel, megabytes: int) -> None:
    """Takes memory and a quarter of a second of CPU, then waits to be ended."""
    ballast = bytearray(b"x") * (megabytes * 2**20)
    while sum(os.times()[:2]) < 0.25:
        pass
    channel.send(len(ballast))
    channel.receive()


class Remembering(ChildListener):
    def __init__(self) -> None:
        self.messages: asyncio.Queue[object] = asyncio.Queue()
        self.exits: asyncio.Queue[ChildExit] = asyncio.Queue()
        self.lines: asyncio.Queue[str] = asyncio.Queue()
        self.pids: list[int] = []

    @override
    def on_start(self, pid: int) -> None:
        self.pids.append(pid)

    @override
    def on_message(self, message: object) -> None:
        self.messages.put_nowait(message)

    @override
    def on_exit(self, ended: ChildExit) -> None:
        self.exits.put_nowait(ended)

    @override
    def on_stderr(self, line: str) -> None:
        self.lines.put_nowait(line)
