"""The child's end of `serving.child`: `python -m serving.child_main <pipe> <parent pid>` runs one entry function.

A child never outlives its parent. Linux is told to kill it when the parent goes (that covers `kill -9` and a child
stuck in C code), and a thread watches the pipe for the hang-up everywhere else. A prototype without both left a
1.9 GB orphan.
"""

import ctypes
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

from serving.frames import FrameReader, encode

_PR_SET_PDEATHSIG = 1
_BEAT_EVERY_S = 0.5


class Heartbeat:
    """The only message the floor itself sends: the working thread has come round."""

    __slots__ = ()


class Channel:
    """What an entry function holds: messages from the parent, messages to it, and the heartbeat."""

    def __init__(self, pipe: socket.socket) -> None:
        self._pipe = pipe
        self._reader = FrameReader()
        # One buffer for good: a fresh one of this size per message is mapped, faulted in and unmapped by the kernel,
        # which took longer than a small forecast.
        self._space = memoryview(bytearray(1 << 18))
        self._inbox: deque[object] = deque()
        self._poll = select.poll()
        self._poll.register(pipe, select.POLLIN)
        self._next_beat = 0.0

    def receive(self, timeout_s: float | None = None) -> object | None:
        """The next message, or None when none came in time. Beats while it waits; ends the process on hang-up."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._inbox:
            self.beat()
            left = _BEAT_EVERY_S if end is None else min(_BEAT_EVERY_S, end - time.monotonic())
            if self._poll.poll(max(0, left) * 1000):
                self._inbox.extend(self._reader.feed(self._space[: self._wait()]))
            elif end is not None and time.monotonic() >= end:
                return None
        return self._inbox.popleft()

    def listen(self, hear: Callable[[object], None]) -> None:
        """From now on every message goes to `hear`, on a thread of its own, while this one works: for work that takes
        so long that it must be told things in the middle. `receive` is not for use any more; beating stays here."""

        def listening() -> None:
            try:
                while True:
                    while self._inbox:
                        hear(self._inbox.popleft())
                    self._inbox.extend(self._reader.feed(self._space[: self._wait()]))
            except BaseException:  # whatever it was: a process that beats and hears nothing would never be missed
                traceback.print_exc()
                os._exit(1)

        threading.Thread(target=listening, name="listen", daemon=True).start()

    def _wait(self) -> int:
        size = self._pipe.recv_into(self._space)
        if not size:
            os._exit(0)
        return size

    def send(self, message: object) -> None:
        self._pipe.sendall(encode(message))

    def beat(self) -> None:
        """Says that the work is moving. Call it between steps; it is cheap and limits itself.

        It comes from the working thread on purpose: a beat from a thread beside it would go on while the work hangs.
        """
        now = time.monotonic()
        if now >= self._next_beat:
            self._next_beat = now + _BEAT_EVERY_S
            self.send(Heartbeat())


def _die_with(parent: int, pipe: socket.socket) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it went before we asked
            os._exit(0)

    def watch() -> None:
        hang_up = select.poll()
        hang_up.register(pipe, 0)  # no events asked for: POLLHUP and POLLERR come anyway, and only they
        hang_up.poll()
        os._exit(0)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def main() -> NoReturn:
    pipe = socket.socket(fileno=int(sys.argv[1]))
    # Ctrl-C, `timeout` and systemd reach every process of a group. The parent alone decides when its children end: it
    # closes the pipe, after it has drained what they work on.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.SIG_IGN)
    _die_with(int(sys.argv[2]), pipe)
    channel = Channel(pipe)
    received: Any = channel.receive()
    entry: Callable[[Channel, Any], None] = received[0]
    entry(channel, received[1])
    sys.exit(0)


if __name__ == "__main__":
    # Under -m this module is `__main__`; entry functions know it by its name, and their Heartbeat must be the parent's.
    from serving import child_main

    child_main.main()
